"""SAPO and DPPO: results on paper, and the outputs of the frameworks that ship them.

Clip-Cov and KL-Cov: ``test_closed_forms_policy_covariance``. Whole completions: ``test_closed_forms_policy_sequences``.
"""

import math

import pytest
import torch
from calls import CALLS, call, refused, says
from float64 import f64
from paper import LN3, assert_is
from shipped import ADVANTAGES, MASK, OLD, assert_shipped, slopes

from reference.objectives import (
    dppo_loss,
    ppo_clip_loss,
    sapo_loss,
    sequence_mean,
    token_mean,
)

# SAPO


@pytest.mark.parametrize(
    ("advantage", "tau", "moved", "gate"),
    [
        (2.0, 1.0, 0.0, 1 / 2),
        (2.0, 1.0, LN3, 3 / 4),  # sigmoid(log 3) = 3/4
        (2.0, 2.0, -LN3, 1 / 4),
        (-2.0, 1.05, 0.0, 1 / 2),
        (-2.0, 1.05, LN3, 3 / 4),
        (-2.0, 1.5, -LN3, 1 / 4),
    ],
)
def test_sapos_gate_is_a_sigmoid_of_the_ratio(advantage, tau, moved, gate):
    """The ratio is 1 + moved / tau, so that the sigmoid's argument is ``moved``; its slope is gate * (1 - gate)."""
    r = 1 + moved / tau
    logp = f64([r]).log().requires_grad_()
    options = {"tau_positive" if advantage > 0 else "tau_negative": tau}
    loss = sapo_loss(logp, f64([0.0]), f64([advantage]), **options)
    assert_is(loss, -advantage * 4 / tau * gate)
    assert_is(slopes(loss, logp), -advantage * r * 4 * gate * (1 - gate))


def test_sapo_trains_on_where_ppo_has_stopped_and_less_where_ppos_gradient_grows():
    """Ratios 1.5 and 3 with A = 1: PPO has no gradient. Ratio 3 with A = -1: PPO's is 3, SAPO's below 1.2."""
    logp, a = f64([1.5, 3.0, 3.0]).log().requires_grad_(), f64([1.0, 1.0, -1.0])
    ppo = slopes(ppo_clip_loss(logp, torch.zeros_like(logp), a), logp)
    sapo = slopes(sapo_loss(logp, torch.zeros_like(logp), a), logp)[0].tolist()
    assert_is(ppo, 0, 0, 3)
    assert -1.5 < sapo[0] < sapo[1] < 0 < sapo[2] < 1.2


def test_sapos_gradient_is_largest_where_the_ratio_has_doubled():
    """At tau = 1, on a grid of hundredths from 1 to 9: 1.57 at r = 2.06, and 0.01 at r = 9."""
    r = torch.arange(100, 901, dtype=torch.float64)[None] / 100
    logp = r.log().requires_grad_()
    steps = -slopes(sapo_loss(logp, torch.zeros_like(logp), f64([1.0])), logp)
    assert r[0, steps.argmax()].item() == 2.06
    assert round(steps.max().item(), 2) == 1.57
    assert round(steps[0, -1].item(), 2) == 0.01


def test_sapo_by_rows_is_verls_and_by_tokens_areals():
    assert_shipped(
        lambda x: sequence_mean(sapo_loss(x, OLD, ADVANTAGES), MASK),
        -0.0572, [[-0.1980, -0.1231, -0.2051], [0.1436, 0.3503, 0]],
    )  # fmt: skip
    assert_shipped(
        lambda x: token_mean(sapo_loss(x, OLD, ADVANTAGES), MASK),
        -0.4590, [[-0.2376, -0.1477, -0.2461], [0.1149, 0.2802, 0]],
    )  # fmt: skip


@pytest.mark.parametrize("option", ["tau_positive", "tau_negative"])
@pytest.mark.parametrize("value", [0, -1.0, math.nan, math.inf])
def test_a_tau_that_is_not_above_zero_is_refused(option, value):
    says(refused("sapo_loss", **{option: value}), f"{option} is {value}", "above 0")


# DPPO


def loss_and_slope(p, o, advantage, **options):
    logp = f64([p]).log().requires_grad_()
    loss = dppo_loss(logp, f64([o]).log(), f64([advantage]), **options)
    return loss.item(), slopes(loss, logp).item()


HALF_TO_THREE_QUARTERS = {  # how far that is: |3/4 - 1/2|, and 1/2 log(2/3) + 1/2 log 2 = 1/2 log(4/3)
    "tv": 1 / 4,
    "kl": math.log(4 / 3) / 2,
}


@pytest.mark.parametrize("divergence", HALF_TO_THREE_QUARTERS)
def test_dppo_stops_a_token_beyond_the_bound_and_only_in_the_direction_of_its_advantage(divergence):
    """From 1/2 up to 3/4, or down to 1/4, which is as far: the bound of the other side says nothing."""
    far = HALF_TO_THREE_QUARTERS[divergence]
    near, wide = {"divergence": divergence, "delta_low": 0.0}, {"divergence": divergence, "delta_high": 0.0}
    assert loss_and_slope(3 / 4, 1 / 2, 2.0, delta_high=far + 1e-9, **near) == pytest.approx((-3, -3))
    assert loss_and_slope(3 / 4, 1 / 2, 2.0, delta_high=far - 1e-9, **near) == (0, 0)
    assert loss_and_slope(1 / 4, 1 / 2, -2.0, delta_low=far + 1e-9, **wide) == pytest.approx((1, 1))
    assert loss_and_slope(1 / 4, 1 / 2, -2.0, delta_low=far - 1e-9, **wide) == (0, 0)
    back = {"divergence": divergence, "delta_low": 0.0, "delta_high": 0.0}
    assert loss_and_slope(3 / 4, 1 / 2, -2.0, **back) == pytest.approx((3, 3))
    assert loss_and_slope(1 / 4, 1 / 2, 2.0, **back) == pytest.approx((-1, -1))
    assert loss_and_slope(1 / 2, 1 / 2, 2.0, **back) == (-2, -2)  # it has not moved


def test_a_token_exactly_at_dppos_bound_goes_on():
    assert loss_and_slope(3 / 4, 1 / 2, 1.0, delta_low=0, delta_high=0.25) == (-1.5, -1.5)
    assert loss_and_slope(1 / 4, 1 / 2, -1.0, delta_low=0.25, delta_high=0) == (0.5, 0.5)


def test_dppo_lets_a_rare_token_grow_that_ppo_stops():
    """From 1e-5 to 1e-3 is a ratio of 100 and a step of 0.00099. From 0.99 to 0.8 is a ratio of 0.81 and 0.19."""
    bounds = {"delta_low": 0.15, "delta_high": 0.15}
    assert loss_and_slope(1e-3, 1e-5, 1.0, **bounds) == pytest.approx((-100, -100))
    assert loss_and_slope(0.8, 0.99, -1.0, **bounds) == (0, 0)
    ppo = f64([1e-3, 0.8]).log().requires_grad_()
    assert_is(slopes(ppo_clip_loss(ppo, f64([1e-5, 0.99]).log(), f64([1.0, -1.0])), ppo), 0, 0.8 / 0.99)


@pytest.mark.parametrize(("cap", "slope"), [(None, -5), (3, -3), (20, -5), (1, -1)])
def test_dppos_cap_limits_the_weight_and_not_the_token(cap, slope):
    """0.04 to 0.20 is a ratio of 5, inside a bound of 0.2: verl's cap of 3 makes the gradient -3, SkyRL has -5."""
    loss, found = loss_and_slope(0.20, 0.04, 1.0, delta_low=0.2, delta_high=0.2, ratio_cap=cap)
    assert found == pytest.approx(slope)
    assert loss == pytest.approx(-5 if cap is None else slope * math.log(0.20))


@pytest.mark.parametrize("options", [{"divergence": "tv", "delta": 0.1}, {"divergence": "kl", "delta": 0.05}], ids=str)
@pytest.mark.parametrize(("cap", "loss"), [(None, -0.3400), (3.0, 0.0806)])
def test_dppo_without_a_cap_is_skyrls_and_with_one_verls(cap, loss, options):
    bounds = {"delta_low": options["delta"], "delta_high": options["delta"], "divergence": options["divergence"]}
    assert_shipped(
        lambda x: token_mean(dppo_loss(x, OLD, ADVANTAGES, ratio_cap=cap, **bounds), MASK),
        loss, [[-0.24, -0.15, -0.25], [0, 0.30, 0]],
    )  # fmt: skip


def test_dppo_with_the_samplers_log_probs_is_skyrls_default():
    sampler = f64([0.5, 0.5, 0.1], [0.6, 0.1, 0.5]).log()
    assert_shipped(
        lambda x: token_mean(dppo_loss(x, sampler, ADVANTAGES, delta_low=0.2, delta_high=0.2), MASK),
        (-1.2 - 0.6 - 2.5 + 1.5) / 5, [[-0.24, -0.12, -0.50], [0, 0.30, 0]],
    )  # fmt: skip


@pytest.mark.parametrize("divergence", ["tv", "kl"])
def test_dppo_has_a_number_for_tokens_that_are_certain_or_impossible(divergence):
    """To 1 from 1/2, to 1/2 from 1, to 0 from 1/2, to 1/2 from 0, and at 1 from 1. To 1 the kl is infinite."""
    logp, old = f64([1.0, 0.5, 0.0, 0.5, 1.0]).log().requires_grad_(), f64([0.5, 1.0, 0.5, 0.0, 1.0]).log()
    loss = dppo_loss(logp, old, f64([1.0, -1.0, -1.0, 1.0, 1.0]), delta_low=0.4, delta_high=0.4, divergence=divergence)
    assert_is(loss, 0, 0, 0, 0, -1)
    assert_is(slopes(loss, logp), 0, 0, 0, 0, -1)


def test_a_log_prob_that_rounding_puts_above_zero_is_a_certainty_for_dppo():
    logp, old = torch.tensor([[1e-7]]), torch.tensor([[0.5]]).log()
    loss = dppo_loss(logp, old, torch.ones(1, 1), delta_low=5.0, delta_high=5.0, divergence="kl")
    assert loss.item() == 0.0


def test_dppos_divergence_is_taken_in_float32_at_least():
    """exp(-1/2) - exp(-1) is 0.23865; of bfloat16's numbers it is 0.23828, below the bound."""
    logp, old = torch.tensor([[-0.5]], dtype=torch.bfloat16), torch.tensor([[-1.0]], dtype=torch.bfloat16)
    assert (logp.exp() - old.exp()).item() < 0.2385 < math.exp(-0.5) - math.exp(-1)
    assert dppo_loss(logp, old, torch.ones_like(logp), delta_low=0.2385, delta_high=0.2385).item() == 0.0


@pytest.mark.parametrize("option", ["delta_low", "delta_high"])
def test_a_bound_of_dppo_is_not_negative(option):
    for value in (-0.1, math.nan, math.inf):
        says(refused("dppo_loss", **{option: value}), f"{option} is {value}", "at least 0")


def test_a_cap_below_one_would_change_the_policy_gradient_itself():
    for value in (0.9, -1.0, math.nan, math.inf):
        says(refused("dppo_loss", ratio_cap=value), f"ratio_cap is {value}", "at least 1")
    says(refused("dppo_loss", divergence="k3"), "divergence", "'k3'", "tv", "kl")


NEWER = ["sapo_loss", "dppo_loss", "clip_cov_loss", "kl_cov_loss", "gmpo_loss", "luspo_loss", "vespo_loss"]


@pytest.mark.parametrize("name", NEWER)
def test_no_gradient_flows_into_the_advantages(name):
    logp = torch.full((2, 3), -1.0, requires_grad=True)
    advantages = CALLS[name]["advantages"].clone().requires_grad_()
    loss = call(name, token_logprobs=logp, advantages=advantages).sum()
    of_logp, of_advantages = torch.autograd.grad(loss, (logp, advantages), allow_unused=True)
    assert of_logp.abs().max() > 0 and of_advantages is None
