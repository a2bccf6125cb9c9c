"""Rejection, specified: plain loops over tokens and rows, written from the formulas, and refusals."""

import math

import pytest
import torch
from calls import MASK, X, call, refused, says
from generated import INF, NAN, generated, masks, numbers, shapes, spec_kept
from hypothesis import given
from hypothesis import strategies as st

from reference.objectives import off_policy_mask, rejection_mask, top_entropy_mask

CLOSE = 1e-9  # what is nearer to a bound than this is decided by rounding: the bound is moved away from it


@st.composite
def two_and_a_mask(draw):
    """Log-probs of today or of the trainer, those of the sampler, and a mask that covers what is no number."""
    shape = draw(shapes())
    new = draw(numbers(shape, torch.float64, scales=(0.3, 1.0), low=-4.0, high=0.0))
    sampler = new + draw(numbers(shape, torch.float64, scales=(0.1, 0.5, 1.0), low=-3.0, high=3.0))
    mask = draw(masks(*shape))
    sampler[~mask.bool()] = draw(st.sampled_from([0.0, NAN, INF, -INF]))
    return new, sampler, mask


def apart(values, bound):
    return bound + 2 * CLOSE if any(abs(v - bound) < CLOSE for v in values) else bound


def as_mask(keep, like):
    return [[(b, t) in keep for t in range(like.shape[1])] for b in range(len(like))]


@pytest.mark.slow
@generated
@given(
    two_and_a_mask(),
    st.sampled_from(["k1", "k2", "k3"]),
    st.sampled_from(["sampler", "trainer"]),
    st.sampled_from(["token", "sum", "mean", "max"]),
    st.sampled_from([0.01, 0.1, 0.7]),
    st.sampled_from([None, -0.1, -0.5]),
)
def test_rejection_mask(case, estimator, first, level, most, least):
    old, sampler, mask = case
    of_tokens = {}
    for b, row in enumerate(spec_kept(mask)):
        for t in row:
            x = math.exp(old[b, t].item() - sampler[b, t].item())
            x = x if first == "sampler" else 1 / x
            of_tokens[b, t] = {"k1": -math.log(x), "k2": math.log(x) ** 2 / 2, "k3": x - 1 - math.log(x)}[estimator]
    k = dict(of_tokens)
    for b, row in enumerate(spec_kept(mask)):
        ks = [of_tokens[b, t] for t in row]
        together = {"sum": math.fsum, "mean": lambda v: math.fsum(v) / len(v), "max": max}
        k |= {(b, t): together[level](ks) for t in row} if level != "token" else {}
    most, least = apart(k.values(), most), None if least is None else apart(k.values(), least)
    keep = {at for at, value in k.items() if value <= most and (least is None or value >= least)}
    options = {"estimator": estimator, "first": first, "level": level, "most": most, "least": least}
    ours = rejection_mask(old, sampler, mask, **options)
    assert ours.dtype == torch.bool and ours.tolist() == as_mask(keep, mask)


@pytest.mark.slow
@generated
@given(two_and_a_mask(), st.sampled_from([0.0, 0.05, 0.4]), st.data())
def test_off_policy_mask(case, threshold, data):
    new, sampler, mask = case
    advantages = [data.draw(st.sampled_from([-2.0, -0.1, 0.0, 1.0])) for _ in new]
    rows = spec_kept(mask)
    means = [
        math.fsum((sampler[b, t] - new[b, t]).item() for t in row) / max(1, len(row)) for b, row in enumerate(rows)
    ]
    threshold = apart(means, threshold)
    keep = {(b, t) for b, row in enumerate(rows) for t in row if advantages[b] >= 0 or means[b] <= threshold}
    given_advantages = torch.tensor(advantages, dtype=new.dtype)[:, None]
    ours = off_policy_mask(new, sampler, given_advantages, mask, threshold=threshold)
    assert ours.dtype == torch.bool and ours.tolist() == as_mask(keep, mask)


@pytest.mark.slow
@generated
@given(shapes(), st.sampled_from([0.1, 0.25, 0.5, 0.8, 1.0]), st.data())
def test_top_entropy_mask(shape, share, data):
    mask = data.draw(masks(*shape))
    entropy = data.draw(numbers(shape, torch.float64, scales=(1.0,))).abs()
    entropy[~mask.bool()] = data.draw(st.sampled_from([0.0, NAN, INF]))
    at = [(b, t) for b, row in enumerate(spec_kept(mask)) for t in row]
    ordered = sorted(entropy[b, t].item() for b, t in at) or [0.0]
    place = round((1 - share) * (len(ordered) - 1), 9)
    low = math.floor(place)
    needed = ordered[low]
    if low < place:
        needed += (place - low) * (ordered[low + 1] - ordered[low])
    keep = {(b, t) for b, t in at if entropy[b, t].item() >= needed}
    ours = top_entropy_mask(entropy, mask, share=share)
    assert ours.dtype == torch.bool and ours.tolist() == as_mask(keep, mask)


@pytest.mark.parametrize("bounds", [{"most": -0.1}, {"most": NAN}, {"least": 0.1}, {"least": NAN}])
def test_bounds_that_exact_agreement_does_not_pass_are_refused(bounds):
    says(refused("rejection_mask", **bounds), "expected least <= 0 <= most", *(f"{k}={v}" for k, v in bounds.items()))


@pytest.mark.parametrize("share", [0, -0.1, 1.1, NAN])
def test_a_share_that_keeps_nothing_or_more_than_there_is_is_refused(share):
    says(refused("top_entropy_mask", share=share), f"share is {share}", "above 0 and at most 1")


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("rejection_mask", "old_logprobs"),
        ("rejection_mask", "sampler_logprobs"),
        ("off_policy_mask", "token_logprobs"),
        ("off_policy_mask", "sampler_logprobs"),
        ("top_entropy_mask", "entropy"),
    ],
)
def test_a_nan_is_refused_where_it_is_kept_and_nowhere_else(name, argument):
    broken = X.clone()
    broken[0, 1] = NAN
    says(refused(name, **{argument: broken}), f"{argument} is NaN at position (0, 1)")
    mask = MASK.clone()
    mask[0, 1] = False
    assert not call(name, mask=mask, **{argument: broken})[0, 1]


def test_an_advantage_that_is_no_number_is_refused():
    says(refused("off_policy_mask", advantages=torch.tensor([[1.0], [NAN]])), "advantages is NaN at position (1, 0)")
