"""An MDP small enough to write down whole: texts of a few tokens, each good or bad, and a verdict at the end.

A token is good with probability p, whatever stands before it; a text passes if at most ``slips`` of its tokens are bad.
All values are known in closed form, so that whatever estimates them can be compared with the truth.
"""

import itertools
from math import comb

import torch
from torch import Tensor

from reference.objectives import gae


def every_text(length: int) -> Tensor:
    """All texts, (2 ** length, length), 1 where a token is good."""
    return torch.tensor(list(itertools.product([1, 0], repeat=length)))


def chances(texts: Tensor, p: float) -> Tensor:
    """The probability of each text."""
    good = texts.double()  # two Python numbers in torch.where would make it float32
    return (good * p + (1 - good) * (1 - p)).prod(dim=1)


def verdicts(texts: Tensor, slips: int) -> Tensor:
    """1.0 for a text that passes, else 0.0."""
    return ((1 - texts).sum(dim=1) <= slips).double()


def value(left: int, slips: int, p: float) -> float:
    """The chance to pass with ``left`` tokens still to be written and ``slips`` still allowed."""
    return sum(comb(left, bad) * (1 - p) ** bad * p ** (left - bad) for bad in range(min(left, slips) + 1))


def values_before(texts: Tensor, slips: int, p: float) -> Tensor:
    """The exact V before each token and after the last, (texts, length + 1)."""
    length = texts.shape[1]
    bad = torch.nn.functional.pad((1 - texts).cumsum(dim=1), (1, 0))
    table = [[value(length - t, slips - b, p) for b in range(length + 1)] for t in range(length + 1)]
    return torch.tensor(table, dtype=torch.float64)[torch.arange(length + 1), bad]


def gradient_moments(values: Tensor, texts: Tensor, slips: int, p: float, gae_lambda: float) -> tuple[Tensor, Tensor]:
    """Mean and variance, over all texts, of the policy gradient that one text gives; per position, (length,).

    The policy has one logit per position, so d log p(token) / d logit is 1 - p for a good token and -p for a bad one.
    ``values`` (texts, length) are the critic's, read before each token.
    """
    rewards = torch.zeros_like(values)
    rewards[:, -1] = verdicts(texts, slips)
    advantages = gae(rewards, values, torch.ones_like(texts), gae_lambda=gae_lambda)
    one = advantages * (texts.double() - p)
    chance = chances(texts, p)[:, None]
    mean = (chance * one).sum(dim=0)
    return mean, (chance * (one - mean) ** 2).sum(dim=0)


def true_gradient(length: int, slips: int, p: float) -> float:
    """d (chance to pass) / d logit of one position: the same for every position."""
    return p * (1 - p) * (value(length - 1, slips, p) - value(length - 1, slips - 1, p))
