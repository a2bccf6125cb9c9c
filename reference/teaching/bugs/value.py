"""What goes wrong between rewards per token and what the critic is fitted to: the value loss and the returns."""

import torch
from torch import Tensor

from . import bug

# ---- discounted_returns ----------------------------------------------------------------------------------------------


def backwards(rewards: Tensor, gamma: float) -> Tensor:
    """The loop of the textbook, over all positions."""
    running, returns = torch.zeros_like(rewards[:, 0]), torch.zeros_like(rewards)
    for t in reversed(range(rewards.shape[1])):
        running = rewards[:, t] + gamma * running
        returns[:, t] = running
    return returns


@bug(
    "rewards so far",
    mistake="your sum runs over the rewards up to a token; a return is about what comes from there on",
    symptom="the tokens that earned the reward get none of it, and the critic learns to remember instead of to foresee",
)
def discounted_returns__so_far(rewards: Tensor, mask: Tensor, *, gamma: float = 1.0) -> Tensor:
    return torch.where(mask, backwards((rewards * mask).flip(1), gamma).flip(1), 0.0)


@bug(
    "own reward left out",
    mistake="a token's own reward is missing from its return: the sum starts one step too late",
    symptom="the last token, where the verifier's reward usually stands, has return 0",
    wild="spinningup #50: rewards one step off in the PPO buffer, silent where rewards are dense",
)
def discounted_returns__own_left_out(rewards: Tensor, mask: Tensor, *, gamma: float = 1.0) -> Tensor:
    returns = backwards(rewards * mask, gamma)
    return torch.where(mask, returns - rewards, 0.0)


@bug(
    "gamma forgotten",
    mistake="gamma has no effect: what comes late counts as much as what comes now",
    symptom="none with gamma 1, the usual choice for language models; with less, the values are too large",
)
def discounted_returns__no_gamma(rewards: Tensor, mask: Tensor, *, gamma: float = 1.0) -> Tensor:
    return torch.where(mask, backwards(rewards * mask, 1.0), 0.0)


@bug(
    "discounted from the first token",
    mistake="every reward is discounted by its distance from the beginning of the row, not from the token that looks ahead",
    symptom="late tokens have returns near 0, so their mistakes cost nothing",
)
def discounted_returns__from_the_start(rewards: Tensor, mask: Tensor, *, gamma: float = 1.0) -> Tensor:
    weight = gamma ** torch.arange(rewards.shape[1], dtype=rewards.dtype)
    return torch.where(mask, backwards(rewards * mask * weight, 1.0), 0.0)


@bug(
    "own reward discounted",
    mistake="gamma is applied once too often: a token's own reward comes without discount",
    symptom="all returns are a factor gamma too small",
)
def discounted_returns__own_discounted(rewards: Tensor, mask: Tensor, *, gamma: float = 1.0) -> Tensor:
    return torch.where(mask, gamma * backwards(rewards * mask, gamma), 0.0)


@bug(
    "one return for all tokens",
    mistake="every token gets the return of the first one: rewards that were earned before a token are in its return too",
    symptom="none while the only reward stands at the end; with a KL per token in the reward, a token pays for earlier ones",
)
def discounted_returns__broadcast(rewards: Tensor, mask: Tensor, *, gamma: float = 1.0) -> Tensor:
    return torch.where(mask, backwards(rewards * mask, gamma)[:, :1].expand_as(rewards), 0.0)


@bug(
    "mask ignored",
    mistake="the mask has no effect: rewards on padding flow back into the completion",
    symptom="the same completion has another return in a wider batch",
    wild="rlhf-book until PR #216",
)
def discounted_returns__mask_ignored(rewards: Tensor, mask: Tensor, *, gamma: float = 1.0) -> Tensor:
    return backwards(rewards, gamma)


@bug(
    "rewards on padding count",
    mistake="the result is masked, but the sum is not: what stands behind the last kept token still flows back into the row",
    symptom="a row that was cut off, or any row whose pads hold a KL or a score, has another return in a wider batch",
    wild="rlhf-book until PR #216",
)
def discounted_returns__pads_count(rewards: Tensor, mask: Tensor, *, gamma: float = 1.0) -> Tensor:
    return torch.where(mask, backwards(rewards, gamma), 0.0)


@bug(
    "numbers where the mask is 0",
    mistake="positions that the mask leaves out should be 0, and yours hold what was passing by",
    symptom="none as long as everybody masks again; a mean or a plot over all positions is wrong",
)
def discounted_returns__not_cleared(rewards: Tensor, mask: Tensor, *, gamma: float = 1.0) -> Tensor:
    return backwards(rewards * mask, gamma)


@bug(
    "a gap costs steps",
    mistake="a masked position between kept tokens still costs a factor gamma: it should be no step at all",
    symptom="the more a tool writes, the less of the final reward reaches the call",
    wild="OpenRLHF and slime count tool tokens as steps; verl skips them since PR #2337",
)
def discounted_returns__gap_decays(rewards: Tensor, mask: Tensor, *, gamma: float = 1.0) -> Tensor:
    return torch.where(mask, backwards(rewards * mask, gamma), 0.0)


@bug(
    "a gap forgets",
    mistake="the running sum becomes 0 at a masked position, so nothing earned behind a gap reaches the tokens before it",
    symptom="tool calls are never rewarded for the answer they made possible",
    wild="verl #7278: REINFORCE++ dropped rewards behind an observation",
)
def discounted_returns__gap_forgets(rewards: Tensor, mask: Tensor, *, gamma: float = 1.0) -> Tensor:
    running, returns = torch.zeros_like(rewards[:, 0]), torch.zeros_like(rewards)
    for t in reversed(range(rewards.shape[1])):
        running = (rewards[:, t] + gamma * running) * mask[:, t]
        returns[:, t] = running
    return returns


# ---- value_loss ------------------------------------------------------------------------------------------------------

Old = Tensor | None


def clipped_value(values: Tensor, old: Tensor, clip: float) -> Tensor:
    return old + (values - old).clamp(-clip, clip)


@bug(
    "no half",
    mistake="your loss is twice as large, and so is its gradient: 2 * (values - returns)",
    symptom="vf_coef means something else than elsewhere; on a shared trunk the critic pulls twice as hard",
    wild="slime's value loss has no 0.5 either, on purpose",
)
def value_loss__no_half(
    values: Tensor, returns: Tensor, *, old_values: Old = None, clip: float | None = None
) -> Tensor:
    error = (values - returns.detach()) ** 2
    if clip is not None:
        error = torch.maximum(error, (clipped_value(values, old_values, clip) - returns) ** 2)
    return error


@bug(
    "absolute error",
    mistake="the error is not squared: such a loss is smallest at the median of the returns, V is their mean",
    symptom="with rewards of 0 and 1 the values go to 0 or to 1 and hardly stay between",
)
def value_loss__absolute(
    values: Tensor, returns: Tensor, *, old_values: Old = None, clip: float | None = None
) -> Tensor:
    error = (values - returns.detach()).abs()
    if clip is not None:
        error = torch.maximum(error, (clipped_value(values, old_values, clip) - returns).abs())
    return error


@bug(
    "averaged already",
    mistake="it should be a loss per token, and yours is a single number: the mask has not been applied yet",
    symptom="padding is trained on, and its share moves with the batch",
)
def value_loss__averaged(
    values: Tensor, returns: Tensor, *, old_values: Old = None, clip: float | None = None
) -> Tensor:
    error = (values - returns.detach()) ** 2
    if clip is not None:
        error = torch.maximum(error, (clipped_value(values, old_values, clip) - returns) ** 2)
    return 0.5 * error.mean()


@bug(
    "clip ignored",
    mistake="the clip has no effect: it is left out, or its band lies around the returns, where it never binds",
    symptom="none that you would see: the critic simply is not clipped",
)
def value_loss__clip_ignored(
    values: Tensor, returns: Tensor, *, old_values: Old = None, clip: float | None = None
) -> Tensor:
    return 0.5 * (values - returns.detach()) ** 2


@bug(
    "clipped value alone",
    mistake="only the clipped value is scored: a critic that has moved the wrong way gets no gradient back",
    symptom="values that left the band stay where they are, however wrong",
)
def value_loss__clipped_alone(
    values: Tensor, returns: Tensor, *, old_values: Old = None, clip: float | None = None
) -> Tensor:
    moved = values if clip is None else clipped_value(values, old_values, clip)
    return 0.5 * (moved - returns.detach()) ** 2


@bug(
    "the smaller of the two",
    mistake="of the two errors the smaller one is kept: the pessimistic choice is the larger",
    symptom="a value that has left its band on the wrong side is not pulled back",
    wild="ray #2233: minimum where baselines has maximum",
)
def value_loss__minimum(
    values: Tensor, returns: Tensor, *, old_values: Old = None, clip: float | None = None
) -> Tensor:
    error = (values - returns.detach()) ** 2
    if clip is not None:
        error = torch.minimum(error, (clipped_value(values, old_values, clip) - returns) ** 2)
    return 0.5 * error


@bug(
    "clipped error",
    mistake="the error itself is clipped, so every value farther than that from its return gets no gradient",
    symptom="the worse the critic, the less it learns",
    wild="ray #19291: what RLlib's vf_clip_param is taken to mean",
)
def value_loss__error_clipped(
    values: Tensor, returns: Tensor, *, old_values: Old = None, clip: float | None = None
) -> Tensor:
    error = values - returns.detach()
    return 0.5 * (error if clip is None else error.clamp(-clip, clip)) ** 2


@bug(
    "clipped as a ratio",
    mistake="the value is clipped by a factor of the old one, as the policy's ratio is; values may be 0 or negative",
    symptom="values near 0 cannot move at all, and negative ones are clipped the wrong way round",
)
def value_loss__as_ratio(
    values: Tensor, returns: Tensor, *, old_values: Old = None, clip: float | None = None
) -> Tensor:
    error = (values - returns.detach()) ** 2
    if clip is not None:
        moved = old_values * (values / old_values).clamp(1 - clip, 1 + clip)
        error = torch.maximum(error, (moved - returns) ** 2)
    return 0.5 * error


@bug(
    "the old values move",
    mistake="a gradient flows into old_values; they are what the critic said when the rollout was made, constants",
    symptom="none while they were made without a graph; else the critic moves the band instead of the value",
)
def value_loss__live_old(
    values: Tensor, returns: Tensor, *, old_values: Old = None, clip: float | None = None
) -> Tensor:
    error = (values - returns.detach()) ** 2
    if clip is not None:
        error = torch.maximum(error, (clipped_value(values, old_values, clip) - returns.detach()) ** 2)
    return 0.5 * error


@bug(
    "the target moves",
    mistake="a gradient flows into the returns; they are a target, a constant, even when they were made with the critic",
    symptom="the critic lowers its loss by moving the target: values and returns drift together",
)
def value_loss__live_target(
    values: Tensor, returns: Tensor, *, old_values: Old = None, clip: float | None = None
) -> Tensor:
    error = (values - returns) ** 2
    if clip is not None:
        error = torch.maximum(error, (clipped_value(values, old_values, clip) - returns) ** 2)
    return 0.5 * error
