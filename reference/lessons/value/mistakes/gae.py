"""What goes wrong between a critic's values and the advantage of each token."""

import torch
from torch import Tensor

from reference.teaching.bug import bug


def recursion(deltas: Tensor, decay: float) -> Tensor:
    """Each delta plus ``decay`` times what comes after it."""
    running, result = torch.zeros_like(deltas[:, 0]), torch.zeros_like(deltas)
    for t in reversed(range(deltas.shape[1])):
        running = deltas[:, t] + decay * running
        result[:, t] = running
    return result


def next_values(values: Tensor, last: Tensor | float = 0.0) -> Tensor:
    """The value one column further right; ``last`` after the last column."""
    after = torch.zeros_like(values[:, :1]) + torch.as_tensor(last, dtype=values.dtype).reshape(-1, 1)
    return torch.cat([values[:, 1:], after], dim=1)


def right_deltas(rewards: Tensor, values: Tensor, gamma: float, bootstrap: Tensor) -> Tensor:
    return rewards + gamma * next_values(values, bootstrap) - values


@bug(
    "λ forgotten",
    mistake="gae_lambda has no effect: this is return minus value",
    symptom="advantages as noisy as Monte Carlo, however small λ is",
)
def gae__no_lambda(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    return recursion(right_deltas(rewards, values, gamma, bootstrap), gamma) * mask


@bug(
    "gamma forgotten in the recursion",
    mistake="later advantages are weighted by λ alone; each step back costs gamma as well",
    symptom="none with gamma 1; with less, rewards far away weigh too much",
)
def gae__no_gamma(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    return recursion(right_deltas(rewards, values, gamma, bootstrap), gae_lambda) * mask


@bug(
    "gamma forgotten in delta",
    mistake="the value of the next state enters undiscounted",
    symptom="none with gamma 1; with less, every advantage is too large by a share of V",
)
def gae__delta_no_gamma(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    return recursion(right_deltas(rewards, values, 1.0, bootstrap), gamma * gae_lambda) * mask


@bug(
    "one step only",
    mistake="each advantage is its own TD residual: nothing is passed on from the tokens behind it",
    symptom="with the reward at the end and a critic that knows nothing yet, only the last token learns",
)
def gae__one_step(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    return right_deltas(rewards, values, gamma, bootstrap) * mask


@bug(
    "next value missing",
    mistake="V is taken off at every step, but the value of the state that the step leads to is never added",
    symptom="advantages are negative wherever the values are positive, the more so the longer the completion",
)
def gae__no_next_value(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    return recursion(rewards - values, gamma * gae_lambda) * mask


@bug(
    "value read at the token",
    mistake="the value of the state after the token is taken for the one before it: such a value has seen the token it is "
    "to judge",
    symptom="the better the critic, the smaller the advantages: it explains the reward away",
)
def gae__late_value(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    late = next_values(values, bootstrap)
    return recursion(right_deltas(rewards, late, gamma, bootstrap), gamma * gae_lambda) * mask


@bug(
    "same value twice",
    mistake="the value of this state stands where the value of the next one belongs",
    symptom="with gamma 1 the values cancel, and there is no baseline at all",
)
def gae__same_value(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    return recursion(rewards + gamma * values - values, gamma * gae_lambda) * mask


@bug(
    "sign turned round",
    mistake="the advantage has the wrong sign: expected minus got, instead of got minus expected",
    symptom="the reward falls from the first step on",
)
def gae__sign(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    return -recursion(right_deltas(rewards, values, gamma, bootstrap), gamma * gae_lambda) * mask


@bug(
    "returns instead of advantages",
    mistake="the values are added back: these are the lambda-returns that the critic is fitted to",
    symptom="every token of a run with positive rewards is pushed up, and the gradient is far noisier",
)
def gae__returns(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    return (recursion(right_deltas(rewards, values, gamma, bootstrap), gamma * gae_lambda) + values) * mask


@bug(
    "loop runs forwards",
    mistake="the sum runs from left to right: a token is credited with what happened before it",
    symptom="the first tokens never learn from the outcome",
)
def gae__forwards(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    deltas = right_deltas(rewards, values, gamma, bootstrap)
    return recursion(deltas.flip(1), gamma * gae_lambda).flip(1) * mask


@bug(
    "whitened already",
    mistake="the result has mean 0 and variance 1; the critic's target needs the advantages as they are",
    symptom="returns made from them have nothing to do with the reward's scale, and the critic never settles",
)
def gae__whitened(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    advantages = recursion(right_deltas(rewards, values, gamma, bootstrap), gamma * gae_lambda)
    kept = advantages[mask]
    return (advantages - kept.mean()) / (kept.std() + 1e-8) * mask


@bug(
    "mask ignored",
    mistake="the mask has no effect: values and rewards on padding flow into the row's last token, and on from there",
    symptom="the same completion has other advantages in a wider batch",
    wild="ROLL PR #447: critic values on pads reached the completion",
)
def gae__mask_ignored(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    return recursion(right_deltas(rewards, values, gamma, bootstrap), gamma * gae_lambda)


@bug(
    "padding flows back",
    mistake="the result is masked, but what it is made of is not: padding's values and rewards flow into the row",
    symptom="the same completion has other advantages in a wider batch",
    wild="ROLL PR #447: critic values on pads reached the completion",
)
def gae__pads_flow(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    return recursion(right_deltas(rewards, values, gamma, bootstrap), gamma * gae_lambda) * mask


@bug(
    "residuals masked, next value not",
    mistake="the residuals are masked, but the next value is not: before a pad or a gap it is a value that does not count",
    symptom="the same completion has other advantages in a wider batch",
)
def gae__next_is_masked(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    deltas = right_deltas(rewards, values, gamma, bootstrap)
    return recursion(deltas * mask, gamma * gae_lambda) * mask


@bug(
    "bootstrap ignored",
    mistake="bootstrap has no effect: a completion that was cut off is taken for one that ended",
    symptom="long completions look worse than they are, and the policy learns to be brief",
    wild="TRL's PPO, verl and OpenRLHF do so: there, being cut off is an end",
)
def gae__no_bootstrap(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    return skipping(rewards, values, mask, gamma, gae_lambda, torch.zeros_like(bootstrap))


@bug(
    "bootstrap lost in the padding",
    mistake="rewards and values are zeroed by the mask and then every position is a step: padding and gaps count as states "
    "of value 0, and a bootstrap behind them does not arrive whole",
    symptom="a cut-off row has other advantages in a wider batch, and a tool's tokens thin out the reward behind them",
    wild="OpenRLHF's GAE runs over masked positions this way; verl PR #2337 and miles PR #1827 skip them",
)
def gae__zeroed_steps(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    deltas = right_deltas(rewards * mask, values * mask, gamma, bootstrap)
    return recursion(deltas, gamma * gae_lambda) * mask


@bug(
    "a gap forgets",
    mistake="both running numbers become 0 at a masked position: nothing behind a gap, and no bootstrap, gets past it",
    symptom="tool calls are never rewarded for the answer they made possible",
    wild="verl #7278, in REINFORCE++",
)
def gae__gap_forgets(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    next_value, next_advantage = bootstrap, torch.zeros_like(bootstrap)
    advantages = torch.zeros_like(rewards)
    for t in reversed(range(rewards.shape[1])):
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        next_advantage = (delta + gamma * gae_lambda * next_advantage) * mask[:, t]
        next_value = values[:, t] * mask[:, t]
        advantages[:, t] = next_advantage
    return advantages


@bug(
    "bootstrap from the wrong state",
    mistake="the value of the last token's own state is passed on where the value of the state after it belongs",
    symptom="cut-off completions are judged by a state that has already passed",
)
def gae__own_bootstrap(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    last = (mask.long() * torch.arange(1, mask.shape[1] + 1)).argmax(dim=1, keepdim=True)
    own = torch.where(bootstrap == 0, 0.0, values.gather(1, last).squeeze(1))
    return skipping(rewards, values, mask, gamma, gae_lambda, own)


def skipping(
    rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, gae_lambda: float, after: Tensor
) -> Tensor:  # fmt: skip
    """The right recursion, from whatever stands after the last kept token."""
    next_value, next_advantage = after, torch.zeros_like(after)
    advantages = torch.zeros_like(rewards)
    for t in reversed(range(rewards.shape[1])):
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        advantage = delta + gamma * gae_lambda * next_advantage
        advantages[:, t] = torch.where(mask[:, t], advantage, 0.0)
        next_value = torch.where(mask[:, t], values[:, t], next_value)
        next_advantage = torch.where(mask[:, t], advantage, next_advantage)
    return advantages
