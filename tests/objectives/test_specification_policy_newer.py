"""The newer policy losses against plain loops, value and gradient. Tolerances: test_specification.py.

In float64, a dozen roundings of numbers that are products and exponentials of moderate ones. The other dtypes are in
the last test: a result is that of float64, up to rounding.
"""

import math

import pytest
import torch
from generated import DTYPES, close, computed_in, eps, garbage, generated, masks, spec_kept, with_gradient
from hypothesis import assume, given
from hypothesis import strategies as st

from reference.objectives import (
    clip_cov_loss,
    dppo_loss,
    gmpo_loss,
    kl_cov_loss,
    luspo_loss,
    sapo_loss,
    vespo_loss,
)

pytestmark = pytest.mark.slow


@st.composite
def batches(draw, per_row=False, empty=True):
    """(new, old, advantages, mask, generator): log-probs of ratios around 1 or far from it, all of them different."""
    made = torch.Generator().manual_seed(draw(st.integers(0, 10_000)))
    rows, width = draw(st.integers(1, 4)), draw(st.integers(1, 6))

    def normal(*shape):
        return torch.randn(*shape, generator=made, dtype=torch.float64)

    new = -normal(rows, width).abs() - 0.01
    old = (new + draw(st.sampled_from([0.0, 0.1, 1.0])) * normal(rows, width)).clamp(max=-0.001)
    advantages = normal(rows, 1 if per_row else width)
    advantages[0, 0] *= draw(st.sampled_from([0.0, 1.0]))
    mask = draw(masks(rows, width))
    assume(empty or any(spec_kept(mask)))
    for x in (new, old):
        x[~mask.bool()] = draw(garbage) if empty else 7.0
    return new, old, advantages, mask, made


def agree(ours, expected, gradient, slopes, mask):
    """Values and gradients at the kept positions."""
    for b, where in enumerate(spec_kept(mask)):
        for t in where:
            close(ours[b, t], expected[b][t], 1e-12 * (1 + abs(expected[b][t])))
            close(gradient[b, t], slopes[b][t], 1e-12 * (1 + abs(slopes[b][t])))


def per_token(spec, new, old, advantages, mask, weights):
    """Nested lists of losses and weighted slopes of a loss that knows one token: ``spec(logp, old, a)`` gives both."""
    losses, slopes = torch.zeros(new.shape).tolist(), torch.zeros(new.shape).tolist()
    for b, where in enumerate(spec_kept(mask)):
        for t in where:
            losses[b][t], slope = spec(new[b, t].item(), old[b, t].item(), advantages[b, t].item())
            slopes[b][t] = slope * weights[b, t].item()
    return losses, slopes


def per_row(spec, new, old, advantages, mask, weights):
    """The same for a loss of rows: ``spec(logps, olds, a)`` gives the tokens' losses and their slopes by each token."""
    losses, slopes = torch.zeros(new.shape).tolist(), torch.zeros(new.shape).tolist()
    for b, where in enumerate(spec_kept(mask)):
        if where:
            total = math.fsum(weights[b].tolist())
            row, of_token = spec(
                [new[b, t].item() for t in where], [old[b, t].item() for t in where], advantages[b, 0].item()
            )
            for i, t in enumerate(where):
                losses[b][t] = row[i]
                slopes[b][t] = of_token[i](weights[b, t].item(), total)
    return losses, slopes


def spec_sapo(tau_positive, tau_negative):
    def spec(logp, old, a):
        tau, r = tau_positive if a > 0 else tau_negative, math.exp(logp - old)
        s = 1 / (1 + math.exp(-tau * (r - 1)))
        return -a * 4 / tau * s, -a * 4 * s * (1 - s) * r

    return spec


@generated
@given(batches(), st.sampled_from([(1.0, 1.05), (2, 0.5), (0.1, 3.0)]))
def test_sapo_loss(batch, taus):
    new, old, advantages, mask, _ = batch
    options = dict(zip(("tau_positive", "tau_negative"), taus, strict=True))
    ours, gradient, weights = with_gradient(sapo_loss, new, old, advantages, **options)
    agree(ours, *mixed(per_token(spec_sapo(*taus), new, old, advantages, mask, weights), gradient), mask)


def mixed(losses_and_slopes, gradient):
    """(losses, gradient, slopes), in the order in which ``agree`` takes them."""
    losses, slopes = losses_and_slopes
    return losses, gradient, slopes


def spec_dppo(low, high, divergence, cap):
    def spec(logp, old, a):
        p, o = math.exp(logp), math.exp(old)
        moved = abs(p - o)
        if divergence == "kl":
            moved = o * math.log(o / p) + (1 - o) * math.log((1 - o) / (1 - p))
        if (a > 0 and p > o and moved > high) or (a < 0 and p < o and moved > low):
            return 0.0, 0.0
        weight = p / o if cap is None else min(p / o, cap)
        return (-a * p / o if cap is None else -weight * a * logp), -weight * a

    return spec


@generated
@given(
    batches(),
    st.sampled_from([(0.15, 0.2), (0.05, 0.02), (0.0, 0.5), (0.5, 0.0)]),
    st.sampled_from(["tv", "kl"]),
    st.sampled_from([None, 1.0, 1.2, 20.0]),
)
def test_dppo_loss(batch, bounds, divergence, cap):
    new, old, advantages, mask, _ = batch
    options = {"delta_low": bounds[0], "delta_high": bounds[1], "divergence": divergence, "ratio_cap": cap}
    ours, gradient, weights = with_gradient(dppo_loss, new, old, advantages, **options)
    agree(
        ours,
        *mixed(per_token(spec_dppo(*bounds, divergence, cap), new, old, advantages, mask, weights), gradient),
        mask,
    )


def spec_covariances(new, advantages, where):
    """[(covariance, row, position)] of the kept tokens."""
    a = [advantages[b, t].item() for b, t in where]
    logps = [new[b, t].item() for b, t in where]
    mean_a, mean_logp = math.fsum(a) / len(where), math.fsum(logps) / len(where)
    return [((x - mean_a) * (y - mean_logp), *place) for x, y, place in zip(a, logps, where, strict=True)]


def spec_clipped(r, a, low, high):
    """(loss, slope by logp) of PPO, and whether the clip has stopped the token."""
    if (a > 0 and r > 1 + high) or (a < 0 and r < 1 - low):
        return -a * min(max(r, 1 - low), 1 + high), 0.0, True
    return -a * r, -a * r, False


@generated
@given(
    batches(empty=False),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.sampled_from([(-0.5, 0.5), (0.0, 9.0), (1.0, 5.0)]),
    st.sampled_from([(0.2, 0.2), (0.5, 0.1)]),
)
def test_clip_cov_loss(batch, share, bounds, clip):
    new, old, advantages, mask, made = batch
    scores = torch.rand(new.shape, generator=made, dtype=torch.float64)
    options = {"share": share, "cov_low": bounds[0], "cov_high": bounds[1], "clip_low": clip[0], "clip_high": clip[1]}
    ours, gradient, weights = with_gradient(clip_cov_loss, new, old, advantages, mask, scores, **options)
    where = [(b, t) for b, row in enumerate(spec_kept(mask)) for t in row]
    ppo = {
        (b, t): spec_clipped(math.exp(new[b, t].item() - old[b, t].item()), advantages[b, t].item(), *clip)
        for b, t in where
    }
    candidates = [
        (scores[b, t].item(), b, t)
        for cov, b, t in spec_covariances(new, advantages, where)
        if bounds[0] < cov < bounds[1] and not ppo[b, t][2]
    ]
    taken = [place[1:] for place in sorted(candidates, reverse=True)[: max(1, math.floor(share * len(where)))]]
    for b, t in where:
        loss, slope, _ = (0.0, 0.0, False) if (b, t) in taken else ppo[b, t]
        close(ours[b, t], loss, 1e-12 * (1 + abs(loss)))
        close(gradient[b, t], slope * weights[b, t].item(), 1e-12 * (1 + abs(slope)))


@generated
@given(batches(empty=False), st.sampled_from([0.0, 0.3, 0.5, 1.0]), st.sampled_from([0, 0.1, 2.0]))
def test_kl_cov_loss(batch, share, coef):
    new, old, advantages, mask, _ = batch
    where = [(b, t) for b, row in enumerate(spec_kept(mask)) for t in row]
    assume(len(where) != 2)  # two tokens have the same covariance
    ours, gradient, weights = with_gradient(kl_cov_loss, new, old, advantages, mask, share=share, coef=coef)
    ordered = sorted(spec_covariances(new, advantages, where), reverse=True)
    held = [place[1:] for place in ordered[: max(1, math.floor(share * len(where)))]]
    for b, t in where:
        d, a = new[b, t].item() - old[b, t].item(), advantages[b, t].item()
        loss, slope = -a * math.exp(d), -a * math.exp(d)
        if (b, t) in held:
            loss, slope = loss + coef * abs(d), slope + coef * ((d > 0) - (d < 0))
        close(ours[b, t], loss, 1e-12 * (1 + abs(loss)))
        close(gradient[b, t], slope * weights[b, t].item(), 1e-12 * (1 + abs(slope)))


def spec_gmpo(low, high):
    def spec(logps, olds, a):
        d = [x - y for x, y in zip(logps, olds, strict=True)]
        clipped = [min(x, high) if a > 0 else max(x, -low) for x in d]
        loss = -a * math.exp(math.fsum(clipped) / len(d))
        on = [x == y for x, y in zip(d, clipped, strict=True)]
        return [loss] * len(d), [lambda own, total, go=go: total * loss / len(d) * go for go in on]

    return spec


@generated
@given(batches(per_row=True), st.sampled_from([(0.4, 0.4), (0.1, 0.3), (0, 0)]))
def test_gmpo_loss(batch, bounds):
    new, old, advantages, mask, _ = batch
    options = {"log_clip_low": bounds[0], "log_clip_high": bounds[1]}
    ours, gradient, weights = with_gradient(gmpo_loss, new, old, advantages, mask, **options)
    assert ours.shape == new.shape
    assume(bounds != (0, 0) or not torch.equal(new, old))  # at the bound itself either slope is right
    agree(ours, *mixed(per_row(spec_gmpo(*bounds), new, old, advantages, mask, weights), gradient), mask)


def spec_luspo(low, high):
    def spec(logps, olds, a):
        n = len(logps)
        s = math.exp(math.fsum(x - y for x, y in zip(logps, olds, strict=True)) / n)
        loss, slope, _ = spec_clipped(s, a, low, high)
        return [n * loss] * n, [lambda own, total: total * slope] * n  # n * slope / n

    return spec


@generated
@given(batches(per_row=True), st.sampled_from([(2e-3, 2.5e-3), (0.2, 0.3)]))
def test_luspo_loss(batch, clip):
    new, old, advantages, mask, _ = batch
    options = {"clip_low": clip[0], "clip_high": clip[1]}
    ours, gradient, weights = with_gradient(luspo_loss, new, old, advantages, mask, **options)
    agree(ours, *mixed(per_row(spec_luspo(*clip), new, old, advantages, mask, weights), gradient), mask)


def spec_vespo(k_positive, lambda_positive, k_negative, lambda_negative):
    def spec(logps, olds, a):
        k, lam = (k_positive, lambda_positive) if a >= 0 else (k_negative, lambda_negative)
        w = math.exp(math.fsum(x - y for x, y in zip(logps, olds, strict=True)))
        phi = w**k * math.exp(lam - lam * w)
        return [-phi * a * logp for logp in logps], [lambda own, total: -phi * a * own] * len(logps)

    return spec


@generated
@given(batches(per_row=True), st.sampled_from([(2.0, 3.0, 3.0, 2.0), (1, 0.5, 0, 0), (0.3, 0.2, 0.1, 1.0)]))
def test_vespo_loss(batch, numbers):
    new, old, advantages, mask, _ = batch
    options = dict(zip(("k_positive", "lambda_positive", "k_negative", "lambda_negative"), numbers, strict=True))
    ours, gradient, weights = with_gradient(vespo_loss, new, old.nan_to_num(0, 0, 0), advantages, mask, **options)
    agree(ours, *mixed(per_row(spec_vespo(*numbers), new, old, advantages, mask, weights), gradient), mask)


OF_TOKENS = {
    "sapo": sapo_loss,
    "dppo": lambda new, old, a: dppo_loss(new, old, a, delta_low=0.3, delta_high=0.3),
    "dppo-kl": lambda new, old, a: dppo_loss(
        new, old, a, delta_low=0.3, delta_high=0.3, divergence="kl", ratio_cap=1.5
    ),
}
OF_ROWS = {
    "gmpo": gmpo_loss,
    "luspo": lambda *batch: luspo_loss(*batch, clip_low=0.5, clip_high=0.5),
    "vespo": vespo_loss,
    "kl_cov": lambda *batch: kl_cov_loss(*batch, share=0.5, coef=1.0),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*OF_TOKENS, *OF_ROWS])
def test_every_dtype_gives_the_result_of_float64(name, dtype):
    """Ratios 1.1, 0.9, 1.2, 0.8, far from every bound; what is left is rounding, and sums are in at least float32."""
    new = torch.tensor([[0.55, 0.18], [0.36, 0.32]]).log().to(dtype)
    old, a = torch.tensor([[0.50, 0.20], [0.30, 0.40]]).log().to(dtype), torch.tensor([[1.0], [-0.5]], dtype=dtype)
    mask = () if name in OF_TOKENS else (torch.ones(2, 2),)
    function = (OF_TOKENS | OF_ROWS)[name]
    ours, gradient, _ = with_gradient(function, new, old, a, *mask)
    exact, slopes, exact_weights = with_gradient(function, new.double(), old.double(), a.double(), *mask)
    assert ours.dtype in (dtype, computed_in(dtype))
    close(ours, exact.tolist(), (20 * eps(dtype) * exact.abs()).tolist())
    close(gradient, slopes.tolist(), (20 * eps(dtype) * exact_weights.max()).item())
