"""What goes wrong at a step of the recursion for GAE, and at steps that the mask leaves out."""

from collections.abc import Callable

import torch
from torch import Tensor

from reference.teaching.bug import bug

Step = Callable[[Tensor, Tensor, Tensor], Tensor]  # (mask here, new number, old number) -> the number that travels on


def kept(mask: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(mask, new, old)


def always(mask: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return new


def emptied(mask: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return new * mask


def walk(
    rewards: Tensor,
    values: Tensor,
    mask: Tensor,
    gamma: float,
    gae_lambda: float,
    bootstrap: Tensor,
    *,
    value: Step = kept,
    advantage: Step = kept,
    minus: float = 1.0,
) -> Tensor:
    """The right recursion, but for the steps and for the value that is taken off."""
    next_value, running, found = bootstrap, torch.zeros_like(bootstrap), torch.zeros_like(rewards)
    for t in reversed(range(rewards.shape[1])):
        here = mask[:, t]
        delta = rewards[:, t] + gamma * next_value - minus * values[:, t]
        new = delta + gamma * gae_lambda * running
        found[:, t] = torch.where(here, new, 0.0)
        next_value, running = value(here, values[:, t], next_value), advantage(here, new, running)
    return found


@bug(
    "value not taken off",
    mistake="the value of the state itself is not taken off: this compares with nothing",
    symptom="all advantages are positive where rewards are, and the gradient is as noisy as without a critic",
)
def gae__no_own_value(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    return walk(rewards, values, mask, gamma, gae_lambda, bootstrap, minus=0.0)


@bug(
    "next value from a masked position",
    mistake="the next value is that of the next column, also where the mask leaves this column out",
    symptom="before padding and before a tool's text, advantages contain whatever the critic says about these",
)
def gae__masked_value(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    return walk(rewards, values, mask, gamma, gae_lambda, bootstrap, value=always)


@bug(
    "next advantage from a masked position",
    mistake="the advantage that is passed on goes through masked positions: their rewards and values enter it",
    symptom="the same completion has other advantages in a wider batch",
)
def gae__masked_advantage(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    return walk(rewards, values, mask, gamma, gae_lambda, bootstrap, advantage=always)


@bug(
    "advantage emptied by a gap",
    mistake="the running advantage becomes 0 at a masked position, so that nothing behind a gap is passed on",
    symptom="a tool call earns nothing for the answer that it made possible",
)
def gae__advantage_emptied(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    return walk(rewards, values, mask, gamma, gae_lambda, bootstrap, advantage=emptied)


@bug(
    "next value emptied by the mask",
    mistake="the next value becomes 0 at a masked position, and with it the bootstrap in front of padding",
    symptom="the last token of a shorter row is judged as if the text had ended there",
)
def gae__value_emptied(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    return walk(rewards, values, mask, gamma, gae_lambda, bootstrap, value=emptied)


@bug(
    "a gap costs steps",
    mistake="the running advantage decays at masked positions too: they should be no steps at all",
    symptom="the longer a tool's answer, the less the call before it learns from what follows",
)
def gae__gap_decays(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    def decayed(here: Tensor, new: Tensor, old: Tensor) -> Tensor:
        return torch.where(here, new, gamma * gae_lambda * old)

    return walk(rewards, values, mask, gamma, gae_lambda, bootstrap, advantage=decayed)


@bug(
    "bootstrap not discounted",
    mistake="the bootstrap enters undiscounted, while every other next value is multiplied by gamma",
    symptom="none with gamma 1; with less, the last tokens of cut-off rows look better than they are",
)
def gae__bootstrap_whole(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    return walk(rewards, values, mask, gamma, gae_lambda, bootstrap / gamma)


@bug(
    "gamma and lambda swapped",
    mistake="gamma and gae_lambda have changed places: the next value is weighted by lambda",
    symptom="none while the two are equal; else a smaller lambda shortens the horizon and biases every advantage",
)
def gae__swapped(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    return walk(rewards, values, mask, gae_lambda, gamma, bootstrap)
