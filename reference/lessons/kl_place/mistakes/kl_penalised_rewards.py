"""What goes wrong when the KL of a completion is taken off its reward."""

from torch import Tensor

from reference.lessons.aggregation.mistakes.sums import row_sums
from reference.teaching.bug import bug


@bug(
    "mean instead of sum",
    mistake="the KL of a completion is averaged over its tokens, not added up",
    symptom="the penalty is as many times too weak as completions are long, and drifting costs long ones least",
)
def kl_penalised_rewards__mean(rewards: Tensor, kl: Tensor, mask: Tensor, *, kl_coef: float) -> Tensor:
    return rewards - kl_coef * row_sums(kl, mask) / mask.sum(dim=1).clamp_min(1)


@bug(
    "padding pays",
    mistake="the mask has no effect: what two models say about padding and prompts is charged to the completion",
    symptom="the penalty depends on how wide the batch was padded",
)
def kl_penalised_rewards__padding(rewards: Tensor, kl: Tensor, mask: Tensor, *, kl_coef: float) -> Tensor:
    return rewards - kl_coef * kl.sum(dim=1)


@bug(
    "a bonus for drifting",
    mistake="the KL is added to the reward, so moving away from the reference is paid for",
    symptom="KL and reward rise together, and the text falls apart",
)
def kl_penalised_rewards__plus(rewards: Tensor, kl: Tensor, mask: Tensor, *, kl_coef: float) -> Tensor:
    return rewards + kl_coef * row_sums(kl, mask)


@bug(
    "one charge for all",
    mistake="every completion is charged the mean over the batch instead of its own KL",
    symptom="a baseline removes it exactly: a coefficient is set, and nothing holds the policy",
)
def kl_penalised_rewards__batch_mean(rewards: Tensor, kl: Tensor, mask: Tensor, *, kl_coef: float) -> Tensor:
    return rewards - kl_coef * row_sums(kl, mask).mean()


@bug(
    "negative KL cut off",
    mistake="tokens with a negative kl are set to 0, but a single token's k1 may well be negative",
    symptom="every token pays or is free, so saying less is the cheapest way to stay close",
)
def kl_penalised_rewards__clamped(rewards: Tensor, kl: Tensor, mask: Tensor, *, kl_coef: float) -> Tensor:
    return rewards - kl_coef * row_sums(kl.clamp_min(0), mask)


@bug(
    "absolute KL",
    mistake="the absolute value of each token's kl is charged: a token that the reference likes better pays too",
    symptom="the penalty rises although the KL does not; its expected gradient is not that of a KL",
    wild="verl's kl_penalty=abs, by choice",
)
def kl_penalised_rewards__absolute(rewards: Tensor, kl: Tensor, mask: Tensor, *, kl_coef: float) -> Tensor:
    return rewards - kl_coef * row_sums(kl.abs(), mask)


@bug(
    "coefficient on everything",
    mistake="the coefficient multiplies the reward as well as the KL",
    symptom="after a division by the group's std the coefficient is gone: every value of it gives the same run",
)
def kl_penalised_rewards__scaled(rewards: Tensor, kl: Tensor, mask: Tensor, *, kl_coef: float) -> Tensor:
    return kl_coef * (rewards - row_sums(kl, mask))


@bug(
    "coefficient forgotten",
    mistake="the KL is taken off without its coefficient",
    symptom="the reward is drowned by the penalty, and the policy stays the reference",
)
def kl_penalised_rewards__no_coefficient(rewards: Tensor, kl: Tensor, mask: Tensor, *, kl_coef: float) -> Tensor:
    return rewards - row_sums(kl, mask)
