"""What OpenRLHF makes of logits and of tokens: log-probs, masks, normalisers, KL."""

import torch
from torch import Tensor

from ..cases import FAR, GLOBAL_SEQUENCES, GLOBAL_TOKENS, HOLES, PROCESSES, Case
from ..records import Row
from ..shared_rows import kl_controller_row, logprob_rows
from .stand_ins import AdaptiveKLController, DPOTrainer, loss, utils

# --- log-probs, masks, normalisers ---


def logprobs(logits: Tensor, case: Case, temperature: float) -> Tensor:
    return utils.log_probs_from_logits(logits[:, :-1], case.tokens[:, 1:], temperature)


def aggregate_loss_row(*, token_level: bool, **options: int) -> Row:
    def function(token_loss: Tensor, case: Case) -> Tensor:
        return loss.aggregate_loss(token_loss, case.mask, token_level, **options)

    return Row("token_loss", function)


def batch_logps(logprobs: Tensor, case: Case, which: int) -> Tensor:
    """0: summed, 1: averaged. Takes masks over tokens, and the length of each prompt."""
    token_mask = torch.cat([torch.zeros(len(logprobs), 1), case.mask], dim=1)
    return DPOTrainer._get_batch_logps(None, logprobs, token_mask, [0] * len(logprobs))[which]


def normalized_row(scale: float = 1.0) -> Row:
    """Over the whole batch, as its experience maker does it in float32."""
    return Row("values", lambda x, c: utils.masked_normalize(scale * x.detach(), c.mask, dim=(0, 1)), HOLES)


# --- KL ---


def kl_row(estimator: str, **options: bool) -> Row:
    return Row("logprobs", lambda x, c: utils.compute_approx_kl(x, c.ref, kl_estimator=estimator, **options), FAR)


def kl_of_older_policy(logprobs: Tensor, case: Case) -> Tensor:
    return utils.compute_approx_kl(logprobs, case.ref, case.old, kl_estimator="k3", unbiased_gradient=True)


TOKENS = logprob_rows("log_probs_from_logits", logprobs) | {
    "compute_entropy": Row("logits", lambda x, c: utils.compute_entropy(x[:, :-1])),
    "_get_batch_logps, sum": Row("logprobs", lambda x, c: batch_logps(x, c, 0), HOLES),
    "_get_batch_logps, mean": Row("logprobs", lambda x, c: batch_logps(x, c, 1), ("ragged", "full", "tools")),
    "masked_mean": Row("token_loss", lambda x, c: utils.masked_mean(x, c.mask)),
    "masked_normalize": normalized_row(),
    "masked_normalize, small": normalized_row(scale=1e-4),
    "aggregate_loss token": aggregate_loss_row(token_level=True),
    "aggregate_loss token, global": aggregate_loss_row(
        token_level=True, batch_num_tokens=GLOBAL_TOKENS, dp_size=PROCESSES
    ),
    "aggregate_loss sequence": aggregate_loss_row(token_level=False),
    "aggregate_loss sequence, global": aggregate_loss_row(
        token_level=False, global_batch_size=GLOBAL_SEQUENCES, dp_size=PROCESSES
    ),
    "compute_approx_kl k1": kl_row("k1"),
    "compute_approx_kl k2": kl_row("k2"),
    "compute_approx_kl k3": kl_row("k3"),
    "compute_approx_kl k1, unbiased_gradient": kl_row("k1", unbiased_gradient=True),
    "compute_approx_kl k3, unbiased_gradient": kl_row("k3", unbiased_gradient=True),
    "compute_approx_kl k3, unbiased_gradient, older policy": Row("logprobs", kl_of_older_policy, FAR),
    "AdaptiveKLController": kl_controller_row(AdaptiveKLController),
}
