"""What goes wrong with gamma in a step of GAE, and between one row and the next."""

import torch
from torch import Tensor

from reference.teaching.bug import bug

from .gae_steps import walk


def any_delta(
    rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, gae_lambda: float, bootstrap: Tensor,
    *, of_reward: float, of_value: float, decay: float,
) -> Tensor:  # fmt: skip
    """The right recursion, with a factor on the reward and on the value, and with another decay."""
    next_value, running, found = bootstrap, torch.zeros_like(bootstrap), torch.zeros_like(rewards)
    for t in reversed(range(rewards.shape[1])):
        here = mask[:, t]
        new = of_reward * rewards[:, t] + gamma * next_value - of_value * values[:, t] + decay * running
        found[:, t] = torch.where(here, new, 0.0)
        next_value, running = torch.where(here, values[:, t], next_value), torch.where(here, new, running)
    return found


@bug(
    "gamma on both values",
    mistake="gamma multiplies the difference of the two values; the value of the state itself is not discounted",
    symptom="none with gamma 1; with less, every advantage is too large by a share of V",
)
def gae__gamma_on_both(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    decay = gamma * gae_lambda
    return any_delta(rewards, values, mask, gamma, gae_lambda, bootstrap, of_reward=1, of_value=gamma, decay=decay)


@bug(
    "gamma on the reward",
    mistake="the reward is discounted as well: the one of this step counts whole",
    symptom="none with gamma 1; with less, every reward counts for too little beside the values",
)
def gae__gamma_on_reward(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    decay = gamma * gae_lambda
    return any_delta(rewards, values, mask, gamma, gae_lambda, bootstrap, of_reward=gamma, of_value=1, decay=decay)


@bug(
    "gamma twice in the recursion",
    mistake="gamma stands twice in the weight of the next advantage: once per step is enough",
    symptom="none with gamma 1; with less, credit does not reach as far back as lambda says",
)
def gae__gamma_squared(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    decay = gamma**2 * gae_lambda
    return any_delta(rewards, values, mask, gamma, gae_lambda, bootstrap, of_reward=1, of_value=1, decay=decay)


def carried(rows: range, *call: Tensor, gamma: float, gae_lambda: float) -> Tensor:
    """Row by row, with the running advantage of the row before at the end of the next."""
    rewards, values, mask, bootstrap = call
    running, found = torch.zeros_like(bootstrap[0]), torch.zeros_like(rewards)
    for b in rows:
        next_value = bootstrap[b]
        for t in reversed(range(rewards.shape[1])):
            if mask[b, t]:
                running = rewards[b, t] + gamma * next_value - values[b, t] + gamma * gae_lambda * running
                found[b, t], next_value = running, values[b, t]
    return found


@bug(
    "carried over to the next row",
    mistake="the running advantage is not set to 0 between rows: one completion starts with that of another",
    symptom="advantages depend on the order of the batch",
)
def gae__carried_over(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    rows = range(len(rewards))
    return carried(rows, rewards, values, mask, bootstrap, gamma=gamma, gae_lambda=gae_lambda)


@bug(
    "columns in the opposite order",
    mistake="the loop collects the advantages from the right to the left, and they are left in that order",
    symptom="the first token is judged by what the last one did",
)
def gae__not_turned_back(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    return walk(rewards, values, mask, gamma, gae_lambda, bootstrap).flip(1) * mask


@bug(
    "value taken off twice",
    mistake="the value is taken off the finished advantage once more: it is in every step already",
    symptom="tokens in states of a high value are pushed down, whatever followed",
)
def gae__value_twice(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, gae_lambda: float, bootstrap: Tensor
) -> Tensor:
    return walk(rewards, values, mask, gamma, gae_lambda, bootstrap) - values * mask
