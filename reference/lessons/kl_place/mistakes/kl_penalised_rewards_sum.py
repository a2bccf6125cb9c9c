"""What goes wrong when the KL of a completion is added up."""

from torch import Tensor

from reference.lessons.aggregation.mistakes.sums import kept_sum, row_sums
from reference.teaching.bug import bug


@bug(
    "clamped per completion",
    mistake="a completion whose KL sample is negative pays nothing; its sample may well be negative",
    symptom="the mean KL charged is above the KL, most of all near the reference",
)
def kl_penalised_rewards__row_clamped(rewards: Tensor, kl: Tensor, mask: Tensor, *, kl_coef: float) -> Tensor:
    return rewards - kl_coef * row_sums(kl, mask).clamp_min(0)


@bug(
    "KL of the whole batch",
    mistake="every completion is charged the KL of all rows of the batch, added up",
    symptom="the penalty grows with the batch, and it says nothing about the completion",
)
def kl_penalised_rewards__batch_sum(rewards: Tensor, kl: Tensor, mask: Tensor, *, kl_coef: float) -> Tensor:
    return rewards - kl_coef * kept_sum(kl, mask)


@bug(
    "half of the square",
    mistake="half of the square of each token's kl is charged: that is k2, which is another estimate",
    symptom="tokens far from the reference pay much more, and no token is paid back",
)
def kl_penalised_rewards__k2(rewards: Tensor, kl: Tensor, mask: Tensor, *, kl_coef: float) -> Tensor:
    return rewards - kl_coef * row_sums(kl**2 / 2, mask)


@bug(
    "last column only",
    mistake="only the kl in the last column is charged, not that of the whole completion",
    symptom="shorter rows pay for what two models say about padding, and no other token pays",
)
def kl_penalised_rewards__last_column(rewards: Tensor, kl: Tensor, mask: Tensor, *, kl_coef: float) -> Tensor:
    return rewards - kl_coef * kl[:, -1]


@bug(
    "mean over the width",
    mistake="the KL of a completion is divided by the width of the batch, padding included",
    symptom="long completions may drift further per token, and the penalty shrinks in a wider batch",
)
def kl_penalised_rewards__over_width(rewards: Tensor, kl: Tensor, mask: Tensor, *, kl_coef: float) -> Tensor:
    return rewards - kl_coef * row_sums(kl, mask) / mask.shape[1]


@bug(
    "largest token only",
    mistake="only the largest kl of the completion is charged, not the sum",
    symptom="one odd token costs as much as a whole completion far from the reference",
)
def kl_penalised_rewards__largest(rewards: Tensor, kl: Tensor, mask: Tensor, *, kl_coef: float) -> Tensor:
    return rewards - kl_coef * (kl * mask).amax(dim=1)
