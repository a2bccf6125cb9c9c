"""The newer preference losses against plain loops, values and gradients. Tolerances: test_specification_preference.py."""

import math

import pytest
import torch
from generated import DTYPES, coarsest, computed_in, eps, generated, least, masks, numbers, spec_kept, weights_for
from hypothesis import given
from hypothesis import strategies as st
from test_specification_preference import SIGNS, betas, check, of_pairs, pairs_and_references, sigmoid, softplus

from reference.objectives import (
    aot_loss,
    apo_down_loss,
    apo_zero_loss,
    bco_loss,
    exo_loss,
    ld_dpo_loss,
    nca_loss,
    sppo_loss,
)

pytestmark = pytest.mark.slow


def slope_of_sigmoid(x):
    return sigmoid(x) * sigmoid(-x)


# (loss, slope by a, slope by b) of the implicit rewards a and b, and the sum of the terms that are added up
OF_REWARDS = {
    apo_zero_loss: lambda a, b: (1 - sigmoid(a) + sigmoid(b), -slope_of_sigmoid(a), slope_of_sigmoid(b)),
    apo_down_loss: lambda a, b: (
        sigmoid(a) + 1 - sigmoid(a - b),
        slope_of_sigmoid(a) - slope_of_sigmoid(a - b),
        slope_of_sigmoid(a - b),
    ),
    nca_loss: lambda a, b: (
        softplus(-a) + softplus(a) / 2 + softplus(b) / 2,
        -sigmoid(-a) + sigmoid(a) / 2,
        sigmoid(b) / 2,
    ),
    bco_loss: lambda a, b: (softplus(-a) + softplus(b), -sigmoid(-a), sigmoid(b)),
}


@generated
@given(pairs_and_references(), st.sampled_from(list(OF_REWARDS)), betas, st.sampled_from([None, 0.0, 1.5, -0.25]))
def test_losses_of_the_two_implicit_rewards(case, function, beta, shift):
    arguments = [x.requires_grad_() for x in case]
    options = {}
    if function is bco_loss and shift is not None:
        options = {"shift": torch.tensor(shift)}
    ours = function(*arguments, beta=beta, **options)
    rows, dtype = of_pairs(*case)
    assert ours.dtype == dtype
    unit, expected, by_chosen, by_rejected, within, slack = coarsest(*case), [], [], [], [], []
    for c, r, rc, rr in rows:
        a, b = beta * (c - rc), beta * (r - rr)
        if options:
            a, b = a - shift, b - shift
        loss, slope_a, slope_b = OF_REWARDS[function](a, b)
        # Of a and b: a difference, a product, a shift, and a - b. The losses have slopes of at most 3/2 in both, their
        # slopes of at most 3/8; then a few roundings of the terms.
        off = 4 * unit * (beta * -(c + r + rc + rr) + abs(shift or 0))
        expected.append(loss)
        by_chosen.append(beta * slope_a)
        by_rejected.append(beta * slope_b)
        within.append(1.5 * off + 8 * unit * (abs(loss) + 1))
        slack.append(beta * (off + 8 * unit))
    slopes = [by_chosen, by_rejected, [-s for s in by_chosen], [-s for s in by_rejected]]
    check(ours, arguments, expected, slopes, within, slack)


rates = st.sampled_from([None, 0.0, 0.25, 0.5, 1.0])


@generated
@given(pairs_and_references(), betas, rates, rates)
def test_sppo_loss(case, beta, chosen_rate, rejected_rate):
    arguments = [x.requires_grad_() for x in case]
    options = {
        name: torch.full_like(case[0], rate)
        for name, rate in (("chosen_win_rates", chosen_rate), ("rejected_win_rates", rejected_rate))
        if rate is not None
    }
    ours = sppo_loss(*arguments, beta=beta, **options)
    rows, dtype = of_pairs(*case)
    assert ours.dtype == dtype
    targets = [
        ((1.0 if chosen_rate is None else chosen_rate) - 0.5) / beta,
        ((0.0 if rejected_rate is None else rejected_rate) - 0.5) / beta,
    ]
    # A target of given rates is computed in their dtype, at least in float32 where it meets the log-ratio.
    unit = max(coarsest(*case), eps(case[0].dtype) if options else 0.0)
    expected, by_chosen, by_rejected, within, slack = [], [], [], [], []
    for c, r, rc, rr in rows:
        differences = [d - t for d, t in zip((c - rc, r - rr), targets, strict=True)]
        off = [4 * unit * (abs(x) + abs(t)) for x, t in zip((c + rc, r + rr), targets, strict=True)]
        loss = sum(d * d for d in differences)
        expected.append(loss)
        by_chosen.append(2 * differences[0])
        by_rejected.append(2 * differences[1])
        within.append(sum((2 * abs(d) + o) * o for d, o in zip(differences, off, strict=True)) + 4 * unit * loss)
        slack.append(2 * max(off) + 4 * unit * max(map(abs, differences)))
    slopes = [by_chosen, by_rejected, [-s for s in by_chosen], [-s for s in by_rejected]]
    check(ours, arguments, expected, slopes, within, slack)


@generated
@given(pairs_and_references(), betas, st.sampled_from([1e-3, 0.1, 0.4, 0.5]))
def test_exo_loss(case, beta, smoothing):
    arguments = [x.requires_grad_() for x in case]
    ours = exo_loss(*arguments, beta=beta, label_smoothing=smoothing)
    rows, dtype = of_pairs(*case)
    assert ours.dtype == dtype
    unit, expected, slopes, within, slack = coarsest(*case), [], [], [], []
    target = math.log((1 - smoothing) / smoothing)
    for row in rows:
        x = beta * ((row[0] - row[1]) - (row[2] - row[3]))
        right, wrong = sigmoid(x), sigmoid(-x)
        first = right * (-softplus(-x) - math.log(1 - smoothing))
        second = wrong * (-softplus(x) - math.log(smoothing))
        expected.append(first + second)
        slopes.append(beta * right * wrong * (x - target))
        # q (1 - q) (x - target) and its slope are at most (1 + target) / 2; q times a log is rounded with both factors.
        off = 4 * unit * beta * -sum(row)
        roundings = 8 * unit * (1 + target + right * softplus(-x) + wrong * softplus(x))
        within.append((1 + target) * off + roundings + least(dtype))
        slack.append(beta * ((1 + target) * off + (1 + target) * 8 * unit))
    check(ours, arguments, expected, [[sign * s for s in slopes] for sign in SIGNS], within, slack)


@st.composite
def tokens_of_pairs(draw):
    """Four (pairs, pred) of log-probs of one dtype and the two masks; what is not kept may be NaN or infinite."""
    dtype, rows, width = draw(st.sampled_from(DTYPES)), draw(st.integers(1, 4)), draw(st.integers(1, 6))
    two_masks = [draw(masks(rows, width)) for _ in range(2)]
    made = [draw(numbers((rows, width), dtype, scales=(0.3, 3.0), high=0.0)) for _ in range(4)]
    for x, mask in zip(made, two_masks * 2, strict=True):
        x[~mask.bool()] = draw(st.sampled_from([0.0, math.nan, math.inf, -math.inf]))
    return made, two_masks


@generated
@given(tokens_of_pairs(), betas, st.sampled_from([0.0, 0.25, 0.7, 1]), st.sampled_from(["both", "policy"]))
def test_ld_dpo_loss(case, beta, alpha, discounted):
    made, two_masks = case
    arguments = [x.requires_grad_() for x in made]
    ours = ld_dpo_loss(*arguments, *two_masks, ld_alpha=alpha, beta=beta, discounted=discounted)
    dtype = arguments[0].dtype
    assert ours.dtype == computed_in(dtype)
    gradients = torch.autograd.grad(ours, arguments, weights := weights_for(ours))
    unit, places = eps(ours.dtype), [spec_kept(mask) for mask in two_masks]
    for b in range(len(ours)):
        shared = min(len(places[0][b]), len(places[1][b]))
        margin, size, factors = 0.0, 0.0, []
        for i, x in enumerate(arguments):
            factor = 1.0 if i >= 2 and discounted == "policy" else alpha
            factors.append({t: 1.0 if n < shared else factor for n, t in enumerate(places[i % 2][b])})
            margin += SIGNS[i] * math.fsum(f * x[b, t].item() for t, f in factors[-1].items())
            size += math.fsum(abs(x[b, t].item()) for t in factors[-1])
        off = beta * 12 * unit * size  # at most six tokens a row, four rows and a product
        assert abs(ours[b].item() - softplus(-beta * margin)) <= off + 6 * unit * softplus(-beta * margin)
        for i, gradient in enumerate(gradients):
            for t in range(gradient.shape[1]):
                slope = -beta * sigmoid(-beta * margin) * SIGNS[i] * factors[i].get(t, 0.0) * weights[b].item()
                allowed = (beta * off + 8 * unit * beta) * factors[i].get(t, 0.0) + 2 * eps(dtype) * abs(slope)
                assert abs(gradient[b, t].item() - slope) <= allowed + (least(dtype) if t in factors[i] else 0)


@st.composite
def quarters(draw):
    """Four (pairs,) of multiples of 1/4, whose differences are exact in every dtype, so that equal ranks are equal."""
    dtype, pairs = draw(st.sampled_from(DTYPES)), draw(st.integers(1, 6))
    row = st.lists(st.integers(-12, 0), min_size=pairs, max_size=pairs)
    return [torch.tensor([n / 4 for n in draw(row)], dtype=dtype) for _ in range(4)]


@generated
@given(quarters(), betas, st.sampled_from([0.0, 0.1, 0.5]), st.booleans())
def test_aot_loss(case, beta, smoothing, paired):
    arguments = [x.requires_grad_() for x in case]
    ours = aot_loss(*arguments, beta=beta, label_smoothing=smoothing, paired=paired)
    dtype = case[0].dtype
    assert ours.dtype == computed_in(dtype)
    c, r, rc, rr = (x.tolist() for x in case)
    n = range(len(c))
    x, y = ([c[i] - r[i] for i in n], [rc[i] - rr[i] for i in n]) if paired else (
        [c[i] - rc[i] for i in n], [r[i] - rr[i] for i in n])  # fmt: skip
    partner = dict(zip(sorted(n, key=x.__getitem__), sorted(n, key=y.__getitem__), strict=True))
    weights, unit = weights_for(ours), eps(ours.dtype)
    of_x, of_y = [0.0] * len(c), [0.0] * len(c)
    for i, j in partner.items():
        d = beta * (x[i] - y[j])
        loss = (1 - smoothing) * softplus(-d) + smoothing * softplus(d)
        assert abs(ours[i].item() - loss) <= 8 * unit * (loss + abs(d))
        slope = -(1 - smoothing) * beta * sigmoid(-d) + smoothing * beta * sigmoid(d)
        of_x[i], of_y[j] = slope * weights[i].item(), -slope * weights[i].item()
    expected = {True: (of_x, [-s for s in of_x], of_y, [-s for s in of_y])}
    expected[False] = of_x, of_y, [-s for s in of_x], [-s for s in of_y]
    gradients = torch.autograd.grad(ours, arguments, weights)
    for gradient, slopes in zip(gradients, expected[paired], strict=True):
        for mine, slope in zip(gradient.tolist(), slopes, strict=True):
            assert abs(mine - slope) <= 16 * unit * beta * (1 + 6 * beta) + eps(dtype) * abs(slope)


# Extremes


FAR = {  # whether the pair is won: (function, options, loss, slope by chosen) at rewards of 1000 and -1000, or the other way
    False: [
        (apo_zero_loss, {}, 2.0, 0.0),
        (apo_down_loss, {}, 1.0, 0.0),
        (nca_loss, {}, 1500.0, -0.1),
        (bco_loss, {}, 2000.0, -0.1),
        (exo_loss, {"label_smoothing": 0.1}, -math.log(0.1), 0.0),
        (aot_loss, {}, 2000.0, -0.1),
    ],
    True: [
        (apo_zero_loss, {}, 0.0, 0.0),
        (apo_down_loss, {}, 1.0, 0.0),
        (nca_loss, {}, 500.0, 0.05),
        (bco_loss, {}, 0.0, 0.0),
        (exo_loss, {"label_smoothing": 0.1}, -math.log(0.9), 0.0),
        (aot_loss, {}, 0.0, 0.0),
    ],
}


@pytest.mark.parametrize("won", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rewards_of_a_thousand_are_finite_in_value_and_gradient(dtype, won):
    near, far = torch.zeros(1, dtype=dtype), torch.full((1,), -10_000.0, dtype=dtype)
    chosen, rejected = (near, far) if won else (far, near)
    for function, options, loss, slope in FAR[won]:
        leaf = chosen.clone().requires_grad_()
        ours = function(leaf, rejected, far if won else near, near if won else far, **options)
        (gradient,) = torch.autograd.grad(ours, leaf)
        assert ours.item() == pytest.approx(loss, rel=1e-6, abs=1e-6), function.__name__
        assert gradient.item() == pytest.approx(slope, rel=1e-6, abs=1e-9), function.__name__
