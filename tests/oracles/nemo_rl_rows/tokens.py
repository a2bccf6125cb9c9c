"""What NeMo-RL makes of logits and of tokens: log-probs, means, KL, distillation."""

import torch
from torch import Tensor

from ..cases import FAR, GLOBAL_TOKENS, VOCAB, Case
from ..records import Row
from .losses import batch
from .stand_ins import OnCpu, loss_functions, model_utils, utils

# --- log-probs, means ---


def logprobs(logits: Tensor, case: Case) -> Tensor:
    return model_utils.get_next_token_logprobs_from_logits(case.tokens.as_subclass(OnCpu), logits)


def masked_mean_row(**options: Tensor) -> Row:
    """With integers for the mask, as its batches have them."""
    return Row("token_loss", lambda x, c: utils.masked_mean(x, c.mask.long(), **options))


# --- KL ---


def kl_row(kl_type: str, cases: tuple = FAR, **options: float | None) -> Row:
    return Row("logprobs", lambda x, c: utils.calculate_kl(x, c.ref, kl_type, **options), cases)


def weighted_kl_row(kl_type: str) -> Row:
    """With the ratio to the sampler's log-probs, as its loss has it with ``use_on_policy_kl_approximation``."""

    def function(logprobs: Tensor, case: Case) -> Tensor:
        weights = torch.exp(logprobs - case.sampler)
        return utils.calculate_kl(logprobs, case.ref, kl_type, importance_sampling_weights=weights)

    return Row("logprobs", function)


# --- distillation ---


def distillation_row(kl_type: str, topk: int = VOCAB, *, zero_outside_topk: bool = False) -> Row:
    """The teacher's logits are those of the row before, of which it passes on the largest."""

    def function(logits: Tensor, case: Case) -> Tensor:
        teacher_logits, indices = case.logits.roll(1, dims=0).topk(topk, dim=-1)
        student, teacher, entropies = model_utils.get_distillation_topk_logprobs_from_logits(
            logits,
            teacher_logits,
            indices,
            zero_outside_topk,
            calculate_entropy=zero_outside_topk and kl_type != "forward",
        )
        config = loss_functions.DistillationLossConfig(kl_type=kl_type, zero_outside_topk=zero_outside_topk)
        loss = loss_functions.DistillationLossFn(config)
        data = batch(case) | {"input_ids": case.tokens}
        return loss(student, teacher, entropies, data, torch.tensor(float(len(case.mask))), case.mask.sum().float())[0]

    return Row("logits", function)


TOKENS = {
    "get_next_token_logprobs_from_logits": Row("logits", logprobs),
    "get_next_token_logprobs_from_logits, bfloat16": Row("logits", lambda x, c: logprobs(x.bfloat16(), c), ("ragged",)),
    "masked_mean": masked_mean_row(),
    "masked_mean, global_normalization_factor": masked_mean_row(
        global_normalization_factor=torch.tensor(float(GLOBAL_TOKENS))
    ),
    "calculate_kl k1": kl_row("k1"),
    "calculate_kl k2": kl_row("k2"),
    "calculate_kl k3": kl_row("k3"),
    "calculate_kl k3, no clamps": kl_row("k3", input_clamp_value=None, output_clamp_value=None),
    "calculate_kl k1, importance_sampling_weights": weighted_kl_row("k1"),
    "calculate_kl k3, importance_sampling_weights": weighted_kl_row("k3"),
    "DistillationLossFn forward": distillation_row("forward"),
    "DistillationLossFn reverse": distillation_row("reverse"),
    "DistillationLossFn mixed": distillation_row("mixed"),
    "DistillationLossFn forward, top 2": distillation_row("forward", 2),
    "DistillationLossFn forward, top 2, zero_outside_topk": distillation_row("forward", 2, zero_outside_topk=True),
    "DistillationLossFn reverse, top 2, zero_outside_topk": distillation_row("reverse", 2, zero_outside_topk=True),
}
