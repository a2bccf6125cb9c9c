"""Preference losses as worked out on paper: where they rest, what they are worth at margin 0, and how hard they pull."""

import math

import pytest
import torch
from paper import LN2, LN3, assert_is

from reference.objectives import (
    bradley_terry_loss,
    cdpo_loss,
    dpo_loss,
    hinge_loss,
    implicit_reward,
    ipo_loss,
    kto_kl,
    kto_loss,
    orpo_loss,
    preference_margin,
    robust_dpo_loss,
    simpo_loss,
)


def pair(margin):
    """(chosen, rejected, ref_chosen, ref_rejected) of one pair with this margin, chosen as a leaf."""
    return torch.tensor([margin - 5.0], dtype=torch.float64, requires_grad=True), *(
        torch.tensor([x], dtype=torch.float64) for x in (-7.0, -3.0, -5.0)
    )


def slope_in_chosen(loss, arguments):
    return torch.autograd.grad(loss.sum(), arguments[0])[0]


def test_the_margin_is_how_much_more_than_the_reference_chosen_is_preferred():
    """Policy: -4 against -7, so 3; reference: -3 against -5, so 2. It grows with chosen as fast as it falls with rejected."""
    chosen, rejected, *of_reference = pair(1.0)
    margin = preference_margin(chosen, rejected.requires_grad_(), *of_reference)
    assert_is(margin, (-4 + 7) - (-3 + 5))
    margin.sum().backward()
    assert_is(chosen.grad, 1)
    assert_is(rejected.grad, -1)


def test_dpo_at_margin_zero_is_ln_2_with_gradient_half_of_beta():
    for beta in (0.1, 0.5):
        arguments = pair(0.0)
        loss = dpo_loss(*arguments, beta=beta)
        assert_is(loss, LN2)
        assert_is(slope_in_chosen(loss, arguments), -beta / 2)


def test_dpo_where_sigmoid_is_three_quarters():
    """beta * margin = ln 3: sigmoid 3/4, loss ln(4/3), gradient -beta / 4."""
    arguments = pair(2 * LN3)
    loss = dpo_loss(*arguments, beta=0.5)
    assert_is(loss, math.log(4 / 3))
    assert_is(slope_in_chosen(loss, arguments), -0.5 / 4)


def test_the_implicit_reward_is_beta_times_the_log_ratio():
    chosen, rejected, ref_chosen, ref_rejected = pair(1.0)
    good, bad = (implicit_reward(x, y, beta=0.5) for x, y in ((chosen, ref_chosen), (rejected, ref_rejected)))
    assert_is(good, 0.5 * (-4 + 3))
    assert_is(bad, 0.5 * (-7 + 5))
    assert_is(good - bad, 0.5 * 1)  # beta times the margin
    assert_is(slope_in_chosen(good, [chosen]), 0.5)


@pytest.mark.parametrize("smoothing", [0.1, 0.25])
def test_conservative_dpo_rests_at_the_logit_of_the_share_of_right_labels(smoothing):
    arguments = pair(math.log((1 - smoothing) / smoothing) / 0.5)
    loss = cdpo_loss(*arguments, beta=0.5, label_smoothing=smoothing)
    torch.testing.assert_close(
        slope_in_chosen(loss, arguments), torch.zeros(1, dtype=torch.float64), rtol=0, atol=1e-15
    )
    # Cross-entropy of the shares with themselves.
    assert_is(loss, -(1 - smoothing) * math.log(1 - smoothing) - smoothing * math.log(smoothing))


def test_robust_dpo_is_dpo_in_expectation_over_flipped_labels():
    """Flipped with probability 1/4, a pair has the opposite margin: 3/4 loss(m) + 1/4 loss(-m) = DPO(m)."""
    right, flipped = (robust_dpo_loss(*pair(m), beta=0.5, label_smoothing=0.25) for m in (2 * LN3, -2 * LN3))
    assert_is(0.75 * right + 0.25 * flipped, math.log(4 / 3))
    assert_is(right, (0.75 * math.log(4 / 3) - 0.25 * math.log(4)) / 0.5)


def test_ipo_regresses_the_margin_to_one_over_two_beta():
    """beta 0.1: the target is 5 nats."""
    for margin, loss, slope in ((5.0, 0.0, 0.0), (0.0, 25.0, -10.0), (8.0, 9.0, 6.0)):
        arguments = pair(margin)
        ours = ipo_loss(*arguments)
        assert_is(ours, loss)
        assert_is(slope_in_chosen(ours, arguments), slope)


def test_hinge_stops_at_one_over_beta():
    """beta 0.1: a pair won by 10 nats no longer trains, one lost by 10 costs 2."""
    for margin, loss, slope in ((-10.0, 2.0, -0.1), (0.0, 1.0, -0.1), (11.0, 0.0, 0.0)):
        arguments = pair(margin)
        ours = hinge_loss(*arguments)
        assert_is(ours, loss)
        assert_is(slope_in_chosen(ours, arguments), slope)


def test_a_reward_model_that_sees_no_difference_pays_ln_2():
    same, better = torch.tensor([4.0], dtype=torch.float64), torch.tensor([4.0 + LN3], dtype=torch.float64)
    assert_is(bradley_terry_loss(same, same), LN2)
    assert_is(bradley_terry_loss(better, same), math.log(4 / 3))  # odds 3 : 1
    assert_is(bradley_terry_loss(better, same, margin=better - same), LN2)  # as much better as it was rated to be


def test_simpo_pays_ln_2_where_the_scaled_difference_equals_gamma():
    chosen = torch.tensor([-1.0], dtype=torch.float64, requires_grad=True)
    loss = simpo_loss(chosen, torch.tensor([-1.5], dtype=torch.float64), beta=2.0, gamma=1.0)
    assert_is(loss, LN2)
    assert_is(slope_in_chosen(loss, (chosen,)), -2 / 2)


def test_orpo_compares_odds():
    """Chosen 3/4 has odds 3, rejected 1/2 has odds 1: sigmoid(ln 3) = 3/4. d log odds / d log p = 1 / (1 - p) = 4."""
    chosen = torch.tensor([math.log(3 / 4)], dtype=torch.float64, requires_grad=True)
    loss = orpo_loss(chosen, torch.tensor([-LN2], dtype=torch.float64), beta=0.5)
    assert_is(loss, math.log(4 / 3) + 0.5 * math.log(4 / 3))
    assert_is(slope_in_chosen(loss, (chosen,)), -1 - 0.5 * (1 / 4) * 4)


def test_kto_at_its_reference_point_is_one_half_either_way():
    """d - kl = 0 gives 1/2 and a slope of beta / 4; where beta (d - kl) = ln 3, a good completion is at 1/4, a bad one at 3/4."""
    ref = torch.tensor([-4.0, -4.0], dtype=torch.float64)
    marked, kl = torch.tensor([True, False]), torch.tensor(2.0, dtype=torch.float64)
    logp = (ref + 2).requires_grad_()
    loss = kto_loss(logp, ref, marked, kl, beta=0.5, desirable_weight=1.0, undesirable_weight=3.0)
    assert_is(loss, 1 / 2, 3 / 2)
    assert_is(torch.autograd.grad(loss.sum(), logp)[0], -0.5 / 4, 3 * 0.5 / 4)
    assert_is(kto_loss(ref + 2 + 2 * LN3, ref, marked, kl, beta=0.5), 1 / 4, 3 / 4)


def test_the_reference_point_of_kto_is_a_mean_log_ratio_but_never_below_zero():
    ref = torch.tensor([-5.0, -5.0], dtype=torch.float64)
    assert_is(kto_kl(torch.tensor([-1.0, -7.0], dtype=torch.float64), ref), (4 - 2) / 2)
    assert_is(kto_kl(torch.tensor([-6.0, -7.0], dtype=torch.float64), ref), 0)
