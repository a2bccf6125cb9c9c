"""Clip-Cov and KL-Cov: results on paper, and the outputs of the frameworks that ship them."""

import math

import pytest
import torch
from calls import call, refused, says
from float64 import f64
from paper import LN2, assert_is
from shipped import ADVANTAGES, MASK, OLD, assert_shipped, slopes

from reference.objectives import clip_cov_loss, kl_cov_loss, reinforce_loss, token_mean

# Clip-Cov and KL-Cov: four tokens of log-prob log 2, 0, 0, -log 2 around their mean, and advantages 1, 0, 0, -1

LOGP, A, ALL = f64([0.5, 0.25, 0.25, 0.125]).log(), f64([1.0, 0.0, 0.0, -1.0]), torch.ones(1, 4)
MEAN = {"cov_low": LN2 - 1e-9, "cov_high": LN2 + 1e-9}  # covariances: log 2, 0, 0, log 2


def clip_cov(scores, *, logp=LOGP, old=LOGP, advantages=A, mask=ALL, **options):
    logp = logp.clone().requires_grad_()
    loss = clip_cov_loss(logp, old, advantages, mask, f64(scores), **MEAN | {"share": 0.25} | options)
    return loss, slopes(loss, logp)


@pytest.mark.parametrize(
    ("scores", "share", "taken"),
    [
        ([0.9, 0.8, 0.7, 0.1], 0.25, [0]),  # one of four: the candidate of the highest score
        ([0.1, 0.8, 0.7, 0.9], 0.25, [3]),
        ([0.1, 0.8, 0.7, 0.9], 0.0, [3]),  # one at least
        ([0.1, 0.8, 0.7, 0.9], 0.49, [3]),  # 1.96 tokens are one
        ([0.1, 0.8, 0.7, 0.9], 0.5, [0, 3]),
        ([0.1, 0.8, 0.7, 0.9], 1.0, [0, 3]),  # there are no more candidates
    ],
)
def test_clip_cov_takes_out_the_candidates_of_the_highest_scores(scores, share, taken):
    loss, gradient = clip_cov(scores, share=share)
    expected = [0.0 if t in taken else a for t, a in enumerate([-1.0, 0.0, 0.0, 1.0])]
    assert_is(loss, *expected)
    assert_is(gradient, *expected)


def test_clip_covs_bounds_are_outside_of_the_range_and_may_be_infinite():
    for bounds in ({"cov_low": LN2 + 1e-9, "cov_high": 9.0}, {"cov_low": 0.1, "cov_high": LN2 - 1e-9}):
        assert_is(clip_cov([0.9, 0.8, 0.7, 0.1], **bounds)[0], -1, 0, 0, 1)  # no candidate: PPO's loss
    assert_is(clip_cov([0.9, 0.8, 0.7, 0.1], cov_low=-math.inf, cov_high=math.inf)[0], 0, 0, 0, 1)


@pytest.mark.parametrize(("bounds", "taken"), [((0.5, 1.0), []), ((1.0, 2.0), []), ((0.5, 1.5), [0])])
def test_a_covariance_exactly_at_a_bound_is_outside(bounds, taken):
    """Log-probs 1, 0, 0, -1 around -2 and advantages 1, 0, 0, -1: covariances of exactly 1, 0, 0, 1."""
    logp = f64([-1.0, -2.0, -2.0, -3.0])
    loss, _ = clip_cov([0.9, 0.8, 0.7, 0.1], logp=logp, old=logp, cov_low=bounds[0], cov_high=bounds[1])
    assert_is(loss, *[0.0 if t in taken else a for t, a in enumerate([-1.0, 0.0, 0.0, 1.0])])


def test_a_token_that_the_clip_has_stopped_is_no_candidate_of_clip_cov():
    """The first token's ratio is 2 with A = 1, the last one's 1/2 with A = -1. Each has a bound of its own."""
    scores, old = [0.9, 0.8, 0.7, 0.1], f64([0.25, 0.25, 0.25, 0.25]).log()
    loss, gradient = clip_cov(scores, old=old, share=1.0)
    assert_is(loss, -1.2, 0, 0, 0.8)
    assert_is(gradient, 0, 0, 0, 0)
    loss, gradient = clip_cov(scores, old=old, share=1.0, clip_high=None)
    assert_is(loss, 0, 0, 0, 0.8)
    loss, gradient = clip_cov(scores, old=old, share=1.0, clip_low=None)
    assert_is(loss, -1.2, 0, 0, 0)
    loss, gradient = clip_cov(scores, old=old, share=1.0, clip_low=0.5, clip_high=1.0)
    assert_is(loss, 0, 0, 0, 0)  # exactly at a bound nothing is stopped
    loss, gradient = clip_cov(scores, share=1.0, clip_low=0.0, clip_high=0.0)  # ratios of 1, without rounding
    assert_is(loss, 0, 0, 0, 0)


@pytest.mark.parametrize("old", [0.25, 1.0])
def test_a_token_without_advantage_is_not_stopped_whatever_its_ratio(old):
    """Its ratio is 2 or 1/2. It has the higher score, so it is the one taken out, and the other one keeps its loss."""
    wide = {"cov_low": -math.inf, "cov_high": math.inf, "share": 0.0}
    logp, before = f64([0.5, 0.5]).log(), f64([old, 0.5]).log()
    loss, _ = clip_cov([0.9, 0.1], logp=logp, old=before, advantages=f64([0.0, 1.0]), mask=torch.ones(1, 2), **wide)
    assert_is(loss, 0, -1)


@pytest.mark.parametrize("bounds", [MEAN, {"cov_low": -math.inf, "cov_high": math.inf}])
def test_what_is_masked_is_no_candidate_and_in_no_mean(bounds):
    """A fifth token, masked, far from all others: it changes no covariance, and its high score is not seen."""
    logp, a = (torch.cat([x, f64([-40.0])], dim=1) for x in (LOGP, A))
    mask = torch.tensor([[1, 1, 1, 1, 0]])
    loss, _ = clip_cov([0.9, 0.8, 0.7, 0.1, 5.0], logp=logp, old=logp, advantages=a, mask=mask, **bounds)
    assert_is(loss[:, :4], 0, 0, 0, 1)


def test_clip_covs_example_is_verls():
    """The covariance of row 1, token 1 is 0.5837: between 0.5 and 0.7 there is no other."""
    anything, bounds = torch.zeros(2, 3, dtype=torch.float64), {"cov_low": 0.5, "cov_high": 0.7}
    assert_shipped(
        lambda x: token_mean(clip_cov_loss(x, OLD, ADVANTAGES, MASK, anything, share=2e-4, **bounds), MASK),
        0.0700, [[0, -0.15, 0], [0, 0.30, 0]],
    )  # fmt: skip
    assert_shipped(
        lambda x: token_mean(clip_cov_loss(x, OLD, ADVANTAGES, MASK, anything, share=2e-4), MASK),
        -0.1700, [[-0.24, -0.15, 0], [0, 0.30, 0]],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("share", "held"), [(0.0, [0]), (0.25, [0]), (0.5, [0, 3]), (0.74, [0, 3]), (1.0, [0, 1, 2, 3])]
)
def test_kl_cov_holds_the_tokens_of_the_largest_covariance(share, held):
    """The mean of A is 1/8: covariances 11/8 log 2, 0, 0, 9/8 log 2. Each token has moved by log 2, up or down."""
    a, moved = f64([1.5, 0.0, 0.0, -1.0]), f64([LN2, -LN2, LN2, -LN2])
    logp = LOGP.clone().requires_grad_()
    loss = kl_cov_loss(logp, LOGP - moved, a, ALL, share=share, coef=3.0)
    ratios, signs = [2.0, 0.5, 2.0, 0.5], [1, -1, 1, -1]
    assert_is(loss, *[-a[0, t].item() * ratios[t] + 3 * LN2 * (t in held) for t in range(4)])
    assert_is(slopes(loss, logp), *[-a[0, t].item() * ratios[t] + 3 * signs[t] * (t in held) for t in range(4)])


def test_kl_covs_penalty_has_no_gradient_before_the_policy_has_moved():
    logp = LOGP.clone().requires_grad_()
    loss = kl_cov_loss(logp, LOGP, A, ALL, share=1.0, coef=100.0)
    assert_is(slopes(loss, logp), -1, 0, 0, 1)
    assert_is(slopes(reinforce_loss(logp, A), logp), -1, 0, 0, 1)


@pytest.mark.parametrize(
    ("options", "loss", "gradient"),
    [
        ({"share": 2e-4, "coef": 0.1}, -0.2119, [[-0.24, -0.15, -0.25], [0.12, 0.32, 0]]),
        ({"share": 0.4, "coef": 1.0}, -0.1024, [[-0.04, -0.15, -0.25], [0.12, 0.50, 0]]),
    ],
)
def test_kl_covs_examples_are_verls(options, loss, gradient):
    assert_shipped(lambda x: token_mean(kl_cov_loss(x, OLD, ADVANTAGES, MASK, **options), MASK), loss, gradient)


@pytest.mark.parametrize("name", ["clip_cov_loss", "kl_cov_loss"])
def test_a_share_lies_between_nothing_and_all(name):
    for value in (-0.1, 1.1, math.nan):
        says(refused(name, share=value), f"share is {value}", "between 0 and 1")
    call(name, share=0)
    call(name, share=1)


@pytest.mark.parametrize("name", ["clip_cov_loss", "kl_cov_loss"])
def test_a_covariance_needs_kept_numbers_that_are_finite(name):
    broken = torch.tensor([[-1.0, -1.0, -1.0], [-1.0, -math.inf, -1.0]])
    says(refused(name, token_logprobs=broken), "token_logprobs is -inf at position (1, 1)")
    says(refused(name, advantages=-broken), "advantages is inf at position (1, 1)")
    says(refused(name, mask=torch.zeros(2, 3)), "mask keeps no token")


def test_a_coefficient_is_not_negative_and_bounds_are_in_order():
    for value in (-1.0, math.nan, math.inf):
        says(refused("kl_cov_loss", coef=value), f"coef is {value}", "at least 0")
    for low, high in ((5.0, 1.0), (1.0, 1.0), (math.nan, 1.0)):
        says(
            refused("clip_cov_loss", cov_low=low, cov_high=high),
            f"cov_low={low} and cov_high={high}",
            "cov_low < cov_high",
        )
    says(refused("clip_cov_loss", scores=torch.full((2, 3), math.inf)), "scores is inf at position (0, 0)")
