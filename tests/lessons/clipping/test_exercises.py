"""The exercises of the lesson on clipping: wrong solutions, and what passing remarks on."""

import pytest
import torch
from verdicts import judge

from reference import objectives

from .solutions import as_minimum

SEEDS = range(5)


def soft(new, old, advantages, *, clip_low, clip_high):  # a smooth clip is another objective
    return -advantages * (1 + clip_high * torch.tanh(((new - old).exp() - 1) / clip_high))


def detached(new, old, advantages, *, clip_low, clip_high):
    return as_minimum(new.detach(), old, advantages, clip_low=clip_low, clip_high=clip_high)


def right_value_but_every_token_trains(new, old, advantages, *, clip_low, clip_high):
    right = as_minimum(new, old, advantages, clip_low=clip_low, clip_high=clip_high)
    plain = -advantages * (new - old).exp()
    return plain + (right - plain).detach()


@pytest.mark.parametrize("solution", [soft, detached, right_value_but_every_token_trains])
def test_other_wrong_solutions_are_refused(solution):
    for seed in SEEDS:
        assert judge("ppo_clip_loss", solution, seed).status in ("wrong", "mistake")


def test_a_pass_mentions_a_gradient_that_would_reach_the_critic():
    assert "would train the critic" in judge("ppo_clip_loss", as_minimum).message
    assert "critic" not in judge("ppo_clip_loss", objectives.ppo_clip_loss).message
