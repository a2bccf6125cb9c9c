"""The KL estimators against plain loops: value and gradient, one number at a time. Tolerances: see test_specification.py."""

import math
from fractions import Fraction

import pytest
import torch
from generated import (
    DTYPES,
    INF,
    NAN,
    cap,
    close,
    computed_in,
    eps,
    generated,
    largest,
    least,
    losses_and_masks,
    numbers,
    often,
    shapes,
    spec_kept,
    spec_log_softmax,
    two_policies,
    weights_for,
    with_gradient,
    zeros,
)
from hypothesis import given
from hypothesis import strategies as st

from reference.objectives import (
    adaptive_kl_coef,
    kl_abs,
    kl_charge,
    kl_full,
    kl_k1,
    kl_k2,
    kl_k3,
    kl_penalty,
    kl_straight_through,
    kl_unbiased,
)

pytestmark = pytest.mark.slow

BY_NAME = {"k1": kl_k1, "k2": kl_k2, "k3": kl_k3, "abs": kl_abs}


def spec_estimate(name, d, dtype):
    """(value, its slope in d, how far off the value may be, how far off the slope may be) of one log-ratio d.

    d is rounded once, a relative eps / 2. k1 and abs do nothing else to it. k2 squares it, which doubles that, and
    rounds again. k3 at e = -d: the error of d moves expm1(e) by |e| exp(e) eps / 2 and expm1 itself, at most
    |e| max(1, exp(e)), is off by an eps; then two roundings more.
    """
    if name == "k3":
        e = min(-d, cap(dtype))  # beyond, the value stays and there is no slope
        grown = max(1.0, math.exp(e))
        slope = -math.expm1(e) if e == -d else 0.0
        errors = (3 * eps(dtype) * abs(e) * grown, 3 * eps(dtype) * (1 + abs(e)) * grown) if e > -INF else (0.0, 0.0)
        return math.expm1(e) - e, slope, *errors
    off = eps(dtype) * abs(d) if math.isfinite(d) else 0.0
    if name == "k2":
        return d * d / 2, d if math.isfinite(d) else 0.0, off * abs(d), 2 * off  # no slope at infinity
    return (d, 1.0, off, 0.0) if name == "k1" else (abs(d), (d > 0) - (d < 0), off, 0.0)


def check(result, gradient, weights, spec, dtype, unclear=()):
    """``spec[b][t]``: (value, slope, and how far off they may be); ``unclear``: (b, t) on a kink, with either slope."""
    overflow = torch.finfo(dtype).max
    slope_of = {(b, t): spec[b][t][1] * weights[b, t].item() for b in range(len(spec)) for t in range(len(spec[0]))}
    close(
        result,
        [[x if abs(x) <= overflow else math.copysign(INF, x) for x, *_ in row] for row in spec],
        [[off + least(dtype) for _, _, off, _ in row] for row in spec],
    )
    clear = [at for at in slope_of if at not in unclear]
    if not clear:
        return
    # The slope times the weight, rounded once more.
    within = [
        spec[b][t][3] * abs(weights[b, t].item())
        + (eps(dtype) * abs(slope_of[b, t]) if math.isfinite(slope_of[b, t]) else 0.0)
        + least(dtype)
        for b, t in clear
    ]
    close(torch.stack([gradient[at] for at in clear]), [slope_of[at] for at in clear], within)


def differences(new, other):
    return [[a - b for a, b in zip(x, y, strict=True)] for x, y in zip(new.tolist(), other.tolist(), strict=True)]


@generated
@given(two_policies(), st.sampled_from(sorted(BY_NAME)))
def test_the_four_estimators(case, name):
    new, ref = case
    ours, gradient, weights = with_gradient(BY_NAME[name], new, ref)
    assert ours.dtype == gradient.dtype == new.dtype
    if name != "k1":
        assert (ours >= 0).all()
    check(
        ours, gradient, weights, [[spec_estimate(name, d, new.dtype) for d in row] for row in differences(new, ref)],
        new.dtype,
    )  # fmt: skip


FAR = [0.0, 0.5, 8.0, 9.0, 66.0, 67.0, 530.0, 535.0, 1e4, INF]  # either side of each dtype's cap: 8.3, 66.5 and 532


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_the_four_estimators_of_policies_that_have_nothing_in_common(name, dtype):
    """A log-prob may be -inf on one side. Nothing is NaN; what exceeds the dtype is inf; k3 stops at its cap."""
    low, zero = -torch.tensor([FAR], dtype=dtype), torch.zeros(1, len(FAR), dtype=dtype)
    for new, ref in ((low, zero), (zero, low)):
        ours, gradient, weights = with_gradient(BY_NAME[name], new, ref)
        spec = [[spec_estimate(name, d, dtype) for d in row] for row in differences(new, ref)]
        check(ours, gradient, weights, spec, dtype)


@generated
@given(
    two_policies(),
    st.sampled_from(sorted(BY_NAME)),
    st.sampled_from([None, 0.05, 0.3, 1.0, 2.5, 20]),
    st.sampled_from([None, 0.05, 0.3, 1, 2.5, 10.0]),
)
def test_kl_penalty(case, name, max_log_ratio, max_kl):
    new, ref = case
    dtype = new.dtype
    ours, gradient, weights = with_gradient(
        kl_penalty, new, ref, estimator=name, max_log_ratio=max_log_ratio, max_kl=max_kl
    )
    assert ours.dtype == dtype
    spec, unclear = [], []
    for b, row in enumerate(differences(new, ref)):
        spec.append([])
        for t, d in enumerate(row):
            clipped = d if max_log_ratio is None else min(max(d, -max_log_ratio), max_log_ratio)
            value, slope, value_off, slope_off = spec_estimate(name, clipped, dtype)
            if clipped != d:
                slope, slope_off = 0.0, 0.0
            if max_log_ratio is not None and abs(abs(d) - max_log_ratio) <= 2 * eps(dtype) * max_log_ratio:
                unclear.append((b, t))
            if max_kl is not None:
                # Within a rounding of the bound, either side of it is right. The bound itself is rounded once.
                if abs(abs(value) - max_kl) <= value_off + eps(dtype) * max_kl + least(dtype):
                    unclear.append((b, t))
                if abs(value) > max_kl:
                    value, slope, value_off, slope_off = math.copysign(max_kl, value), 0.0, eps(dtype) * max_kl, 0.0
                else:
                    value_off += eps(dtype) * max_kl * (abs(value) + value_off >= max_kl)
            spec[-1].append((value, slope, value_off, slope_off))
    check(ours, gradient, weights, spec, dtype, unclear)


def test_kl_penalty_by_default_is_k3_without_clamps():
    new, ref = torch.tensor([[-1.0, -50.0]]), torch.tensor([[-50.0, -1.0]])
    close(
        kl_penalty(new, ref),
        [[math.expm1(-49.0) + 49, math.expm1(49.0) - 49]],
        [[2e-5, 4 * 49 * 1.2e-7 * math.exp(49)]],
    )


@generated
@given(two_policies(), st.sampled_from(["k1", "k2", "k3"]), st.data())
def test_kl_unbiased(case, name, data):
    new, ref = case
    dtype = new.dtype
    moved = data.draw(numbers(new.shape, torch.float64, scales=(0.0, 0.1, 1.0), low=-4.0, high=4.0))
    old = (new.double() + moved).to(dtype)
    ours, gradient, weights = with_gradient(kl_unbiased, new, ref, old, estimator=name)
    assert ours.dtype == dtype
    spec = []
    for row, log_ratios in zip(differences(new, ref), differences(new, old), strict=True):
        spec.append([])
        for d, log_ratio in zip(row, log_ratios, strict=True):
            k, slope, k_off, slope_off = spec_estimate(name, d, dtype)
            r = math.exp(log_ratio)
            # r is off by |log r| eps (its exponent is rounded once), exp and up to three products by one eps each.
            r_off = (4 + abs(log_ratio)) * eps(dtype)
            total, total_off = r * slope, r * (slope_off + abs(slope) * r_off)
            if name != "k2":  # r is differentiated too: dr/dlogp = r
                total, total_off = total + r * k, total_off + r * (k_off + abs(k) * r_off)
            spec[-1].append((r * k, total, r * (k_off + abs(k) * r_off), total_off + eps(dtype) * abs(total)))
    check(ours, gradient, weights, spec, dtype)


@generated
@given(two_policies(), st.sampled_from(["k1", "k2", "k3"]))
def test_kl_unbiased_on_policy_has_the_value_of_the_estimator_and_the_slope_of_the_kl(case, name):
    """r is 1 exactly: the value is k; the slope is k + k' for k1 and k3, d for k2."""
    new, ref = case
    ours, gradient, weights = with_gradient(kl_unbiased, new, ref, new.clone(), estimator=name)
    assert torch.equal(ours, BY_NAME[name](new, ref))
    spec = []
    for row in differences(new, ref):
        spec.append([])
        for d in row:
            k, slope, k_off, slope_off = spec_estimate(name, d, new.dtype)
            if name != "k2":
                slope, slope_off = k + slope, 2 * eps(new.dtype) * (abs(k) + abs(slope)) + k_off + slope_off
            spec[-1].append((k, slope, k_off, slope_off))
    check(ours, gradient, weights, spec, new.dtype)


@generated
@given(two_policies(), st.sampled_from(["k1", "k3", "abs"]))
def test_kl_straight_through_has_one_estimators_value_and_the_slope_of_k2(case, name):
    new, ref = case
    ours, gradient, weights = with_gradient(kl_straight_through, new, ref, estimator=name)
    assert torch.equal(ours, BY_NAME[name](new, ref))
    spec = [
        [
            (spec_estimate(name, d, new.dtype)[0], d, spec_estimate(name, d, new.dtype)[2], 2 * eps(new.dtype) * abs(d))
            for d in row
        ]
        for row in differences(new, ref)
    ]
    check(ours, gradient, weights, spec, new.dtype)


# The whole distribution


@st.composite
def two_distributions(draw):
    """Logits of a policy and a reference. Either may forbid tokens (-inf), the reference only what the policy forbids."""
    dtype = draw(st.sampled_from(DTYPES))
    batch, time = draw(shapes())
    vocab = draw(st.integers(1, 5))
    scale = draw(st.sampled_from([1e-3, 1.0, 20.0]))
    logits = draw(numbers((batch, time, vocab), dtype, scales=(scale,)))
    ref_logits = draw(numbers((batch, time, vocab), dtype, scales=(scale,)))
    for b, t, v in draw(st.lists(st.tuples(*(st.integers(0, n - 1) for n in (batch, time, vocab))), max_size=4)):
        if v > 0:
            logits[b, t, v] = -INF
            if draw(st.booleans()):
                ref_logits[b, t, v] = -INF
    logits[:, -1] = draw(st.sampled_from([0.0, NAN, -INF]))  # the last position scores nothing
    return logits, ref_logits, draw(st.sampled_from([1.0, 0.5, 1.7, 2]))


@generated
@given(two_distributions())
def test_kl_full(case):
    logits, ref_logits, temperature = case
    logits, ref_logits = logits.requires_grad_(), ref_logits.requires_grad_()
    ours = kl_full(logits, ref_logits, temperature=temperature)
    weights = weights_for(ours)
    gradient, to_ref = torch.autograd.grad(ours, (logits, ref_logits), weights)

    batch, time, vocab = logits.shape
    expected = zeros(batch, time - 1)
    slope = zeros(batch, time, vocab)
    ref_slope = zeros(batch, time, vocab)
    apart = 0.0  # the largest |log p - log q|
    for b in range(batch):
        for t in range(time - 1):
            logp = spec_log_softmax(logits[b, t].tolist(), temperature)
            logq = spec_log_softmax(ref_logits[b, t].tolist(), temperature)
            alive = [v for v in range(vocab) if logp[v] > -INF]
            kl = math.fsum(math.exp(logp[v]) * (logp[v] - logq[v]) for v in alive)
            expected[b][t] = kl
            apart = max([apart, *(abs(logp[v] - logq[v]) for v in alive)])
            w = weights[b, t].item()
            for v in range(vocab):
                p, q = math.exp(logp[v]), math.exp(logq[v])
                slope[b][t][v] = w * p * (logp[v] - logq[v] - kl) / temperature if v in alive else 0.0
                ref_slope[b][t][v] = w * (q - p) / temperature

    assert ours.dtype == computed_in(logits.dtype)
    assert gradient.dtype == to_ref.dtype == logits.dtype
    unit = eps(ours.dtype)
    # Each log-softmax as for the log-probs: 8 roundings of the largest logit. p is off by the same, relatively.
    rounding = 8 * unit * (2 + largest(logits[:, :-1], temperature) + largest(ref_logits, temperature))
    # p sums to 1, so the sum is off by what a log-ratio is off, by what p is, and by a rounding per addition.
    close(ours, expected, rounding + (rounding + (vocab + 3) * unit) * apart)
    # p (1 + log-ratio) - p (1 + KL): each as above, of numbers up to 1 + apart; stored in the dtype of the logits.
    slack = 2 * (rounding + (vocab + 3) * unit) * (1 + apart)
    largest_slope = max(abs(x) for rows in slope for row in rows for x in row)
    close(gradient, slope, slack / temperature + eps(logits.dtype) * largest_slope + least(logits.dtype))
    close(to_ref, ref_slope, (2 * rounding + 4 * unit + eps(logits.dtype)) / temperature + least(logits.dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_kl_full_is_infinite_where_only_the_reference_forbids_a_token(dtype):
    logits = torch.tensor([[[0.0, 0.0], [0.0, 0.0]]], dtype=dtype)
    ref_logits = torch.tensor([[[0.0, -INF], [0.0, 0.0]]], dtype=dtype)
    assert kl_full(logits, ref_logits).tolist() == [[INF]]
    close(kl_full(ref_logits, logits), [[math.log(2)]], 2 * eps(computed_in(dtype)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_kl_full_of_distributions_a_thousand_nats_apart(dtype):
    """p is 1 on a token whose log q is -1000: the KL is 1000 nats, and neither exp nor log is taken of it."""
    logits = torch.tensor([[[1000.0, 0.0], [0.0, 0.0]]], dtype=dtype)
    close(kl_full(logits, logits.flip(2)), [[1000.0]], 0.0)
    assert kl_full(logits, logits).tolist() == [[0.0]]


def test_kl_full_of_a_forbidden_token_whose_probability_underflows_is_finite():
    """exp(-200) is 0 in float32, and 0 times an infinite log-ratio is not a number; p log p -> 0 as p -> 0."""
    logits, ref_logits = torch.tensor([[[0.0, -200.0], [0.0, 0.0]]]), torch.tensor([[[0.0, -INF], [0.0, 0.0]]])
    ours, gradient, _ = with_gradient(kl_full, logits, ref_logits)
    assert ours.tolist() == [[0.0]]
    assert gradient.tolist() == [[[0.0, 0.0], [0.0, 0.0]]]


@pytest.mark.parametrize(("ref", "dtype"), [(-INF, torch.float32), (-400.0, torch.float16)])
def test_kl_straight_through_keeps_the_value_of_its_estimator_where_k2_is_infinite(ref, dtype):
    new, ref = torch.tensor([[0.0]], dtype=dtype), torch.tensor([[ref]], dtype=dtype)
    assert kl_straight_through(new, ref, estimator="k1").item() == kl_k1(new, ref).item()


# KL in the reward


@often
@given(losses_and_masks(), st.sampled_from(["own", "to_go", "sequence"]))
def test_kl_charge(case, credit):
    kl, mask = case
    ours = kl_charge(kl.requires_grad_(), mask, credit=credit)
    assert ours.dtype == computed_in(kl.dtype)
    assert not ours.requires_grad
    batch, pred = kl.shape
    expected, within = zeros(batch, pred), zeros(batch, pred)
    for b, where in enumerate(spec_kept(mask)):
        for t in where:
            counted = {"own": [t], "to_go": [s for s in where if s >= t], "sequence": where}[credit]
            terms = [kl[b, s].item() for s in counted]
            expected[b][t] = math.fsum(terms)
            # One rounding per addition, each of at most the sum of the magnitudes. One term is exact.
            within[b][t] = (len(terms) - 1) * eps(ours.dtype) * sum(map(abs, terms))
    close(ours, expected, within)


@pytest.mark.parametrize(("credit", "total"), [("to_go", 120_000.0), ("sequence", 120_000.0)])
def test_kl_charge_of_float16_beyond_what_float16_holds(credit, total):
    kl = torch.full((1, 3), 40_000.0, dtype=torch.float16)
    assert kl_charge(kl, torch.ones(1, 3), credit=credit)[0, 0].item() == total


positive = st.floats(1e-6, 1e6)


@generated
@given(positive, st.floats(0.7, 1.3) | st.floats(-1e3, 1e300), positive, st.floats(1.0, 1e6), st.integers(1, 10_000))
def test_adaptive_kl_coef(kl_coef, off_target, target, horizon, num_samples):
    observed_kl = off_target * target
    num_samples = min(num_samples, math.ceil(5 * horizon) - 1)  # more is refused
    ours = adaptive_kl_coef(kl_coef, observed_kl, target=target, horizon=horizon, num_samples=num_samples)
    error = Fraction(observed_kl) / Fraction(target) - 1
    error = min(max(error, Fraction(-1, 5)), Fraction(1, 5))
    step = Fraction(num_samples) / Fraction(horizon)
    # Within the clip the quotient is at most 1.2: two roundings of it, times the step; then three of the result.
    within = 5 * eps(torch.float64) * kl_coef * float(1 + step)
    assert abs(ours - float(Fraction(kl_coef) * (1 + error * step))) <= within
