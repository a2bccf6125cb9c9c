"""The newer policy losses of a completion: results on paper, and the outputs of the frameworks that ship them."""

import math

import pytest
import torch
from calls import A, refused, says
from float64 import f64
from paper import LN2, assert_is
from shipped import ADVANTAGES, MASK, OLD, assert_shipped, slopes

from reference.objectives import (
    gmpo_loss,
    gspo_loss,
    luspo_loss,
    reinforce_loss,
    sequence_mean,
    token_mean,
    vespo_loss,
)

ROOT2 = math.sqrt(2)
BOTH = torch.ones(1, 2)
ZEROS = torch.zeros(1, 2, dtype=torch.float64)


def loss_and_slopes(loss, ratios, advantage, mask=BOTH, **options):
    """The loss of a row with these ratios, and the gradient of its mean."""
    logp = f64(ratios).log().requires_grad_()
    ours = loss(logp, torch.zeros_like(logp), f64([advantage]), mask, **options)
    return ours, slopes(sequence_mean(ours, mask), logp)


# GMPO


@pytest.mark.parametrize(
    ("ratios", "advantage", "mean", "trains"),
    [
        ([1.0, 1.0], 3.0, 1, [1, 1]),
        ([1.0, 4.0], 3.0, ROOT2, [1, 0]),  # 4 is clipped to 2
        ([1.0, 1 / 4], 3.0, 1 / 2, [1, 1]),  # moved against its advantage: not clipped
        ([8.0, 4.0], 3.0, 2, [0, 0]),
        ([1.0, 1 / 16], -3.0, 1 / ROOT2, [1, 0]),  # 1/16 is clipped to 1/2
        ([1.0, 4.0], -3.0, 2, [1, 1]),
    ],
)
def test_gmpo_clips_a_token_before_the_geometric_mean(ratios, advantage, mean, trains):
    ours, gradient = loss_and_slopes(gmpo_loss, ratios, advantage, log_clip_low=LN2, log_clip_high=LN2)
    assert_is(ours, -advantage * mean, -advantage * mean)
    assert_is(gradient, *[-advantage * mean / 2 * on for on in trains])


def test_gmpos_bounds_are_one_for_each_side():
    ours, _ = loss_and_slopes(gmpo_loss, [4.0], 1.0, torch.ones(1, 1), log_clip_low=0.0, log_clip_high=LN2)
    assert_is(ours, -2)
    ours, _ = loss_and_slopes(gmpo_loss, [1 / 4], -1.0, torch.ones(1, 1), log_clip_low=LN2, log_clip_high=0.0)
    assert_is(ours, 1 / 2)


def test_gmpos_default_bounds_are_0_4_nats():
    for d, advantage, clipped in ((0.39, 1.0, 0.39), (0.5, 1.0, 0.4), (-0.5, -1.0, -0.4), (-0.39, -1.0, -0.39)):
        ours, _ = loss_and_slopes(gmpo_loss, [math.exp(d)], advantage, torch.ones(1, 1))
        assert_is(ours, -advantage * math.exp(clipped))


@pytest.mark.parametrize(
    ("bound", "loss", "gradient"),
    [
        (0.4, -0.0187, [[-0.1733, -0.1733, -0.1733], [0, 0.2507, 0]]),  # TRL's default, and verl with 0.4
        (0.2, 0.0381, [[-0.1720, -0.1720, 0], [0, 0.2770, 0]]),  # verl's
    ],
)
def test_gmpos_examples_are_trls_and_verls(bound, loss, gradient):
    bounds = {"log_clip_low": bound, "log_clip_high": bound}
    assert_shipped(lambda x: sequence_mean(gmpo_loss(x, OLD, ADVANTAGES, MASK, **bounds), MASK), loss, gradient)


@pytest.mark.parametrize("option", ["log_clip_low", "log_clip_high"])
def test_a_bound_of_gmpo_is_not_negative(option):
    for value in (-0.1, math.nan, math.inf):
        says(refused("gmpo_loss", **{option: value}), f"{option} is {value}", "at least 0")


# LUSPO


def test_luspo_gives_every_token_the_same_gradient_whatever_the_length_of_its_completion():
    """Three tokens, and one: under ``sequence_mean`` each has -A / 2 at ratio 1. GSPO's have -A / 6 and -A / 2."""
    mask, logp = torch.tensor([[1, 1, 1], [0, 1, 0]]), torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    a = f64([4.0], [4.0])
    ours = luspo_loss(logp, logp.detach(), a, mask)
    assert_is(ours, -12, -12, -12, -4, -4, -4)
    assert_is(slopes(sequence_mean(ours, mask), logp), -2, -2, -2, 0, -2, 0)
    theirs = sequence_mean(gspo_loss(logp, logp.detach(), a, mask), mask)
    assert_is(slopes(theirs, logp), -2 / 3, -2 / 3, -2 / 3, 0, -2, 0)


@pytest.mark.parametrize(
    ("advantage", "s", "clipped", "trains"),
    [(1.0, 1.1, 1.1, 1), (1.0, 1.5, 1.25, 0), (-1.0, 1.5, 1.5, 1), (-1.0, 0.5, 0.75, 0)],
)
def test_luspo_clips_a_completion_whole(advantage, s, clipped, trains):
    """Ratios 2 s and s / 2, of which s is the geometric mean; two tokens, so the loss counts twice."""
    bounds = {"clip_low": 0.25, "clip_high": 0.25}
    ours, gradient = loss_and_slopes(luspo_loss, [2 * s, s / 2], advantage, **bounds)
    assert_is(ours, -2 * advantage * clipped, -2 * advantage * clipped)
    assert_is(gradient, -advantage * s * trains, -advantage * s * trains)


def test_luspos_default_bounds_are_0_998_and_1_0025():
    logp = f64([0.9975], [0.9985], [1.0020], [1.0030]).log()
    ours = luspo_loss(logp, torch.zeros_like(logp), f64([-1.0], [-1.0], [1.0], [1.0]), torch.ones(4, 1))
    assert_is(ours, 0.998, 0.9985, -1.0020, -1.0025)


def test_luspos_example_is_trls_and_ligers():
    assert_shipped(
        lambda x: sequence_mean(luspo_loss(x, OLD, ADVANTAGES, MASK, clip_low=0.2, clip_high=0.2), MASK),
        -0.6114, [[-0.52, -0.52, -0.52], [0.4743, 0.4743, 0]],
    )  # fmt: skip


# VESPO


@pytest.mark.parametrize(
    ("w", "advantage", "weight"),
    [
        (1.0, 2.0, 1),
        (1.0, -2.0, 1),
        (2.0, 2.0, 2**2 * math.exp(-3)),
        (2.0, -2.0, 2**3 * math.exp(-2)),
        (0.5, 2.0, 0.5**2 * math.exp(1.5)),
        (0.5, -2.0, 0.5**3 * math.exp(1)),
    ],
)
def test_vespos_weight_is_a_constant_of_the_product_of_the_ratios(w, advantage, weight):
    """Ratios 4 w and 1/4; log-probs are log 4w and log 1/4, whose old ones are 0."""
    ours, gradient = loss_and_slopes(vespo_loss, [4 * w, 1 / 4], advantage)
    assert_is(ours, -weight * advantage * math.log(4 * w), weight * advantage * math.log(4))
    assert_is(gradient, -weight * advantage / 2, -weight * advantage / 2)


@pytest.mark.parametrize(("advantage", "top"), [(1.0, 2 / 3), (-1.0, 3 / 2)])
def test_vespos_weight_is_largest_at_k_over_lambda_and_not_at_one(advantage, top):
    steps = [loss_and_slopes(vespo_loss, [w], advantage, torch.ones(1, 1))[1].abs().item()
             for w in (top - 0.01, top, top + 0.01, 1.0)]  # fmt: skip
    assert max(steps) == steps[1] > 1.1 * steps[3]


def test_vespos_options_are_of_one_sign_each():
    options = {"k_positive": 1.0, "lambda_positive": 0.5, "k_negative": 0.25, "lambda_negative": 2.0}
    for advantage, k, lam in ((1.0, 1.0, 0.5), (-1.0, 0.25, 2.0)):
        _, gradient = loss_and_slopes(vespo_loss, [3.0], advantage, torch.ones(1, 1), **options)
        assert_is(gradient, -advantage * 3**k * math.exp(lam * (1 - 3)))


def test_vespo_without_k_and_lambda_is_reinforce():
    options = dict.fromkeys(("k_positive", "lambda_positive", "k_negative", "lambda_negative"), 0)
    for ratios in ([5.0, 0.1], [0.0, 1.0]):  # an impossible token has a W of 0, and 0 to the power of 0 is 1
        _, gradient = loss_and_slopes(vespo_loss, ratios, -2.0, **options)
        assert gradient[0, 1].item() == 1.0


def test_vespo_stops_a_completion_that_is_far_away_on_either_side():
    for ratios in ([1e6, 1e6], [1e-6, 1e-6], [1e30, 1e30]):
        for advantage in (1.0, -1.0):
            _, gradient = loss_and_slopes(vespo_loss, ratios, advantage)
            assert gradient.abs().max() < 1e-14


def test_vespos_example_is_trls_and_ligers():
    assert_shipped(
        lambda x: token_mean(vespo_loss(x, OLD, ADVANTAGES, MASK), MASK),
        -0.0127, [[-0.1740, -0.1740, -0.1740], [0.1781, 0.1781, 0]],
    )  # fmt: skip


@pytest.mark.parametrize("option", ["k_positive", "lambda_positive", "k_negative", "lambda_negative"])
def test_an_exponent_of_vespo_is_not_negative(option):
    for value in (-0.1, math.nan, math.inf):
        says(refused("vespo_loss", **{option: value}), f"{option} is {value}", "at least 0")


@pytest.mark.parametrize("name", ["gmpo_loss", "luspo_loss", "vespo_loss"])
def test_a_ratio_of_a_completion_takes_one_advantage_per_completion(name):
    says(refused(name, advantages=A), f"{name}: advantages has shape (2, 3)", "expected 1")


def test_the_gradient_at_ratio_one_is_the_policy_gradient():
    for loss in (gmpo_loss, vespo_loss):
        _, gradient = loss_and_slopes(loss, [1.0, 1.0], 2.0)
        assert_is(gradient, -1, -1)
    logp = ZEROS.clone().requires_grad_()
    assert_is(slopes(sequence_mean(reinforce_loss(logp, f64([2.0])), BOTH), logp), -1, -1)


def test_a_token_that_was_impossible_before_makes_no_nan():
    """The log-ratio is infinite. VESPO's weight is 0, and GMPO's mean stays below the largest number."""
    logp, old, mask = f64([-1.0, -1.0]).requires_grad_(), f64([-math.inf, -1.0]), BOTH
    ours = vespo_loss(logp, old, f64([1.0]), mask)
    assert_is(ours, 0, 0)
    assert_is(slopes(ours, logp), 0, 0)
    assert gmpo_loss(logp, old, f64([-1.0]), mask).isfinite().all()
