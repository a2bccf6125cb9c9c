"""What SkyRL makes of logits and of tokens: log-probs, masks, normalisers, KL, and the loss of its draft head."""

import torch
from torch import Tensor

from ..cases import BUDGET, COMPLETION, FAR, HOLES, PAIRED, PROMPT, Case
from ..records import Row
from ..shared_rows import kl_controller_row, logprob_rows
from .extracts import apply_overlong_filtering
from .stand_ins import ppo_utils, soft_ce, torch_utils

PROMPTS = [(0, 2), (2, 4)]  # the rows of each prompt, in the cases that have pairs
MICRO_BATCH = 2

# --- log-probs, masks, normalisers ---


def logprobs(logits: Tensor, case: Case, temperature: float) -> Tensor:
    return torch_utils.logprobs_from_logits(logits[:, :-1] / temperature, case.tokens[:, 1:])


def entropy(logits: Tensor) -> Tensor:
    return torch_utils.chunked_entropy_from_logits(logits[:, :-1], requires_grad=True, chunk_size=4)


def mean_entropy(logits: Tensor, case: Case) -> Tensor:
    """What its worker logs, and takes for the entropy bonus."""
    return torch_utils.masked_mean(entropy(logits.detach()), case.mask.float())


def overlong_filtered(mask: Tensor, case: Case) -> Tensor:
    """Its completions begin where ours do, its masks have a column less."""
    reasons = ["length" if n == COMPLETION else "stop" for n in case.lengths.tolist()]
    return torch.tensor(apply_overlong_filtering(mask[:, PROMPT - 1 :].long().tolist(), reasons))


def reduced(token_loss: Tensor, case: Case, reduction: str, prompts: list[tuple[int, int]] | None = None) -> Tensor:
    """Its trainer divides the advantages, of which every loss is a multiple; its losses only add up."""
    mask = case.mask.float()
    scaled = ppo_utils.apply_loss_reduction_to_advantages_minibatch(
        token_loss, mask, reduction, MICRO_BATCH, BUDGET, prompts
    )
    return ppo_utils.reduce_loss(scaled, mask)


def reduction_row(reduction: str, *, prompts: list[tuple[int, int]] | None = None, cases: tuple = HOLES) -> Row:
    return Row("token_loss", lambda x, c: reduced(x, c, reduction, prompts), cases)


# --- KL, and the draft head ---


def kl_row(estimator: str) -> Row:
    return Row("logprobs", lambda x, c: ppo_utils.compute_approx_kl(x, c.ref, None, estimator), FAR)


def draft_loss(logits: Tensor, case: Case) -> Tensor:
    """The head for the token after next learns from the policy's own distribution there."""
    teacher = soft_ce.build_teacher_logits(case.logits)
    return soft_ce.draft_soft_ce(logits[:, :-1], teacher[:, :-1], case.mask.float()).float()


TOKENS = logprob_rows("logprobs_from_logits", logprobs) | {
    "chunked_entropy_from_logits": Row("logits", lambda x, c: entropy(x), ("ragged", "full")),
    "masked_mean of chunked_entropy_from_logits": Row("logits", mean_entropy),
    "masked_mean": Row("token_loss", lambda x, c: torch_utils.masked_mean(x, c.mask.float())),
    "apply_overlong_filtering": Row("mask", overlong_filtered, HOLES),
    "reduce_loss token_mean": reduction_row("token_mean"),
    "reduce_loss token_mean_legacy": reduction_row("token_mean_legacy"),
    "reduce_loss sequence_mean": reduction_row("sequence_mean"),
    "reduce_loss seq_mean_token_sum_norm": reduction_row("seq_mean_token_sum_norm"),
    "reduce_loss prompt_mean": reduction_row("prompt_mean", prompts=PROMPTS, cases=PAIRED),
    "compute_approx_kl k1": kl_row("k1"),
    "compute_approx_kl k2": kl_row("k2"),
    "compute_approx_kl k3": kl_row("k3"),
    "compute_approx_kl abs": kl_row("abs"),
    "draft_soft_ce": Row("logits", draft_loss),
    "AdaptiveKLController": kl_controller_row(ppo_utils.AdaptiveKLController),
}
