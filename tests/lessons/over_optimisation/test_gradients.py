"""What autograd says of a length in the loss, and of the sign of the entropy."""

import math

import pytest
import torch

from reference.lessons.over_optimisation.gradients import (
    entropy_after_step,
    entropy_of,
    gradients_with_length,
    moved_by_a_step,
    sampled_length,
)
from reference.objectives import total_loss
from reference.teaching.exercise import ragged_mask

MASK = ragged_mask([2, 6], 6)
EVEN = torch.zeros(2)


def test_a_sampled_length_is_a_count_without_a_gradient():
    """At the third position the end is certain, before it impossible."""
    logits = torch.tensor([[-torch.inf, 0.0], [-torch.inf, 0.0], [0.0, -torch.inf], [0.0, 0.0]])
    assert sampled_length(logits) == (3, False, True)
    assert sampled_length(logits[:2]) == (2, False, True)  # cut off: no token ended it
    assert {sampled_length(torch.zeros(9, 2), seed=seed)[0] for seed in range(20)} > {1, 2, 3}


def gradient_of_mean_length(logits, mask):
    """The exact gradient of the expected length, sum of p_i times length_i: what a price per token should follow."""
    logits = logits.clone().double().requires_grad_()
    return torch.autograd.grad((logits.softmax(dim=0) * mask.sum(dim=1)).sum(), logits)[0]


def test_the_gradient_of_the_mean_length_by_hand():
    """Two completions of 2 and 6 tokens, each with probability 1/2: the mean is 4, and p_i * (length_i - 4) is -1 and 1."""
    assert gradient_of_mean_length(EVEN, MASK).tolist() == [-1.0, 1.0]


def test_a_length_in_the_loss_changes_no_gradient_and_one_in_the_reward_does():
    found = gradients_with_length(EVEN, MASK, length_coef=0.25)
    assert found["without"].tolist() == found["in the loss"].tolist() == [0.0, 0.0]
    assert found["in the reward"].tolist() == [-0.25, 0.25]  # downhill: the short one becomes likelier


@pytest.mark.parametrize("coef", [0.1, 2.0])
def test_the_length_in_the_reward_follows_the_exact_gradient(coef):
    logits = torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64)
    mask = ragged_mask([4, 1, 7], 7)
    expected = coef * gradient_of_mean_length(logits, mask)
    assert torch.allclose(gradients_with_length(logits, mask, length_coef=coef)["in the reward"], expected)


def test_a_step_on_the_subtracted_entropy_raises_it_and_on_the_added_one_lowers_it():
    logits = torch.tensor([1.0, 0.5, 0.0, -0.5, -1.0])
    before, raised = entropy_after_step(logits, sign=-1, entropy_coef=0.1, lr=1.0)
    same, lowered = entropy_after_step(logits, sign=1, entropy_coef=0.1, lr=1.0)
    assert lowered < before == same < raised < math.log(5)


def test_the_entropy_by_hand():
    """Three quarters and one quarter: -0.75 ln 0.75 - 0.25 ln 0.25."""
    logits = torch.tensor([math.log(3.0), 0.0], dtype=torch.float64)
    assert math.isclose(entropy_of(logits).item(), 0.75 * math.log(4 / 3) + 0.25 * math.log(4))
    assert math.isclose(entropy_of(torch.zeros(5)).item(), math.log(5), rel_tol=1e-6)


def test_the_total_loss_moves_each_term_the_right_way_and_a_wrong_sign_the_other():
    """A step along the gradient g with the size coef changes a term by about -coef * g^2, so both directions mirror."""
    moved = {term: moved_by_a_step(total_loss, term, coef=1e-3) for term in ("kl", "sft_loss", "entropy")}
    assert moved["kl"] < 0 and moved["sft_loss"] < 0 < moved["entropy"]
    logits = torch.tensor([1.0, 0.5, 0.0, -0.5, -1.0])
    gradient = logits.softmax(dim=0) - torch.eye(5)[2]  # of -log p of the third choice
    assert moved["sft_loss"] == pytest.approx(-1e-3 * gradient.square().sum().item(), rel=1e-3)

    def turned(loss, **terms):
        return -total_loss(loss, **terms)

    for term, by in moved.items():
        assert moved_by_a_step(turned, term, coef=1e-3) == pytest.approx(-by, rel=5e-3)
    assert moved_by_a_step(lambda loss, **_: loss.detach(), "kl") == 0.0
