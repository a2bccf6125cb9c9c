"""Newer advantages: results that a reader can work out on paper, and MaxRL's expected gradient over every group."""

import math
from itertools import product

import pytest
import torch
from float64 import f64
from paper import assert_is

from reference.objectives import (
    batch_advantages,
    gdpo_advantages,
    group_advantages,
    maxrl_advantages,
    reinforce_loss,
    reinforce_plus_plus_baseline_advantages,
)

# ---- MaxRL ---------------------------------------------------------------------------------------------------------------


def test_a_success_is_worth_more_the_rarer_it_is():
    """Means 1/4, 1/2, 3/4: (1 - 1/4) / (1/4) = 3, then 1, then 1/3. A failure is -1 everywhere."""
    rewards = f64(1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0)
    expected = [3, -1, -1, -1, 1, 1, -1, -1, 1 / 3, 1 / 3, 1 / 3, -1]
    assert_is(maxrl_advantages(rewards, group_size=4), *expected)


def test_rewards_of_any_unit_have_the_same_advantages_and_an_offset_changes_them():
    assert_is(maxrl_advantages(f64(0.4, 0, 0, 0), group_size=4), 3, -1, -1, -1)
    assert_is(maxrl_advantages(f64(2, 1, 1, 1), group_size=4), 0.6, -0.2, -0.2, -0.2)  # mean 5/4


def test_what_teaches_nothing_is_exactly_zero():
    assert maxrl_advantages(torch.full((3,), 0.1), group_size=3).tolist() == [0.0] * 3
    both = maxrl_advantages(f64(0, 0, 1, 0), group_size=2, without_success="zero")
    assert_is(both, 0, 0, 1, -1)


@pytest.mark.parametrize("size", [2, 3, 5])
@pytest.mark.parametrize("logit", [-2.0, 0.3])
def test_the_expected_gradient_is_that_of_the_log_likelihood_cut_off_at_the_group_s_size(size, logit):
    """Two answers, one right: p = sigmoid(logit). Every group that can be drawn, with its probability."""
    x = f64(logit).requires_grad_()
    logp = torch.cat([torch.nn.functional.logsigmoid(-x), torch.nn.functional.logsigmoid(x)])
    gradient = 0.0
    for group in product((0, 1), repeat=size):
        rewards = f64(*group)
        advantages = maxrl_advantages(rewards, group_size=size, without_success="zero")
        drawn = logp[list(group)]
        loss = reinforce_loss(drawn[:, None], advantages[:, None]).mean()
        weight = drawn.sum().exp().item()
        gradient -= weight * torch.autograd.grad(loss, x, retain_graph=True)[0].item()
    p = x.sigmoid()
    cut_off = -sum((1 - p) ** k / k for k in range(1, size))
    assert gradient == pytest.approx(torch.autograd.grad(cut_off, x)[0].item(), rel=1e-12)


# ---- GDPO ----------------------------------------------------------------------------------------------------------------

REWARDS = f64([1, 0], [0, 1], [1, 1], [0, 0.5])
MASK = f64([1, 1, 1], [1, 1, 0], [1, 0, 0], [1, 1, 0])  # lengths 3, 2, 1, 2


@pytest.mark.parametrize(
    ("options", "of_rows"),
    [
        ({}, [-0.3718, -0.0700, 1.3954, -0.9536]),  # TRL 1.16
        ({"eps": 1e-8}, [-0.3719, -0.0699, 1.3955, -0.9536]),  # ms-swift 4.6.0
        ({"eps": 1e-6, "over": "tokens"}, [-0.2049, 0.2049, 2.1937, -0.9944]),  # verl 0.9.1
    ],
)
def test_what_frameworks_make_of_two_rewards(options, of_rows):
    advantages = gdpo_advantages(REWARDS, MASK, group_size=4, **options)
    assert advantages[:, 0].round(decimals=4).tolist() == pytest.approx(of_rows, abs=1e-9)
    assert advantages.equal(advantages[:, :1] * MASK)


def test_each_kind_has_one_spread_whatever_its_unit():
    """Each kind is (+-1) * sqrt(3) / 2 after its own normaliser: 0, 0, sqrt(3), -sqrt(3), whose std is sqrt(2)."""
    rewards = f64([100, 0], [0, 1], [100, 1], [0, 0])
    expected = f64(0, 0, math.sqrt(1.5), -math.sqrt(1.5))
    advantages = gdpo_advantages(rewards, torch.ones(4, 1), group_size=4, eps=0.0)[:, 0]
    torch.testing.assert_close(advantages, expected, rtol=1e-12, atol=1e-12)
    added_first = group_advantages(rewards.sum(dim=1), group_size=4, eps=0.0)
    assert added_first[0] > 0.8 and added_first[1] < -0.8  # the first kind alone decides


def test_weights_decide_between_kinds_and_one_of_zero_leaves_its_kind_out():
    """3 z_1 - z_2 with z = +-sqrt(3)/2 each: 4, -4, 2, -2 halves of sqrt(3), and their std is sqrt(40/3) halves."""
    rewards, root = f64([1, 0], [0, 1], [1, 1], [0, 0]), math.sqrt(3 / 40)
    mask = torch.ones(4, 1)
    weighted = gdpo_advantages(rewards, mask, group_size=4, weights=f64(3, -1), eps=0.0)
    assert_is(weighted, 4 * root, -4 * root, 2 * root, -2 * root)
    alone = gdpo_advantages(rewards, mask, group_size=4, weights=f64(1, 0))
    assert_is(alone, *batch_advantages(group_advantages(rewards[:, 0], group_size=4)).tolist())


def test_a_kind_that_is_equal_in_a_group_adds_nothing_there():
    rewards = f64([1, 0.1], [0, 0.1], [1, 0.1], [0, 0.1])
    mask = torch.ones(4, 1)
    both, first = (gdpo_advantages(r, mask, group_size=2) for r in (rewards, rewards[:, :1]))
    assert both.equal(first)
    assert gdpo_advantages(rewards[:, 1:], mask, group_size=2).tolist() == [[0.0]] * 4


def test_over_tokens_and_without_a_std_of_the_group_it_is_reinforce_plus_plus_baseline():
    """One kind with values of +-1/2 around its mean: the group's std is a common factor, which whitening takes out."""
    rewards = f64(1, 0, 1, 0)
    mine = gdpo_advantages(rewards[:, None], MASK, group_size=2, over="tokens", eps=0.0)
    torch.testing.assert_close(
        mine, reinforce_plus_plus_baseline_advantages(rewards, MASK, group_size=2), rtol=1e-6, atol=1e-9
    )
