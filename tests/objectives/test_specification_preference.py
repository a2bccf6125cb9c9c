"""Preference losses against plain loops, values and the gradients of all their arguments. Tolerances: test_specification.py.

Every loss here is a function of one number x per pair. Differences of log-probs are exact in no dtype: they are rounded
by an eps of what they are made of, up to hundreds of nats, and the loss passes that on with a slope of at most 1 (in x).
"""

import math

import pytest
import torch
from generated import DTYPES, close, coarsest, computed_in, eps, generated, least, numbers, weights_for
from hypothesis import given, settings
from hypothesis import strategies as st

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

pytestmark = pytest.mark.slow

betas = st.sampled_from([0.1, 0.01, 0.5, 2.0, 1])


def softplus(x):
    """log(1 + e^x) = -log sigmoid(-x), without overflow."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def sigmoid(x):
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))


@st.composite
def logprobs(draw, how_many, scales=(1.0, 30.0, 400.0)):
    """So many (pairs,) of log-probs of one dtype, from a few to hundreds of nats, some of them equal."""
    dtype = draw(st.sampled_from(DTYPES))
    pairs = draw(st.integers(1, 5))
    made = [draw(numbers((pairs,), dtype, scales=scales, high=0.0)) for _ in range(how_many)]
    if draw(st.booleans()):
        made[-1] = made[0].clone()
    return made


@st.composite
def pairs_and_references(draw):
    """(chosen, rejected, ref_chosen, ref_rejected); the reference may come in another dtype."""
    chosen, rejected, ref_chosen, ref_rejected = draw(logprobs(4))
    other = draw(st.sampled_from([chosen.dtype, *DTYPES]))
    return chosen, rejected, ref_chosen.to(other), ref_rejected.to(other)


def check(ours, arguments, expected, slopes, within, slack):
    """One result per pair, and its slope in each of the arguments, each stored in the dtype of its argument."""
    weights = weights_for(ours)
    gradients = torch.autograd.grad(ours, arguments, weights, allow_unused=True)
    close(ours, expected, within)
    for argument, gradient, slope in zip(arguments, gradients, slopes, strict=True):
        w = weights.tolist()
        exact = [a * b for a, b in zip(w, slope, strict=True)]
        off = [a * b + eps(argument.dtype) * abs(c) for a, b, c in zip(w, slack, exact, strict=True)]
        close(gradient, exact, [x + least(argument.dtype) for x in off])


def of_pairs(*tensors):
    """The numbers of each pair, and the dtype of the result."""
    dtype = tensors[0].dtype
    for tensor in tensors:
        dtype = torch.promote_types(dtype, tensor.dtype)
    return list(zip(*(tensor.tolist() for tensor in tensors), strict=True)), computed_in(dtype)


# DPO and its relatives: (loss, slope) as functions of margin, beta and label smoothing

FAMILY = {
    dpo_loss: lambda m, b, e: (softplus(-b * m), -b * sigmoid(-b * m)),
    cdpo_loss: lambda m, b, e: (
        (1 - e) * softplus(-b * m) + e * softplus(b * m),
        -(1 - e) * b * sigmoid(-b * m) + e * b * sigmoid(b * m),
    ),
    robust_dpo_loss: lambda m, b, e: (
        ((1 - e) * softplus(-b * m) - e * softplus(b * m)) / (1 - 2 * e),
        (-(1 - e) * b * sigmoid(-b * m) - e * b * sigmoid(b * m)) / (1 - 2 * e),
    ),
    ipo_loss: lambda m, b, e: ((m - 1 / (2 * b)) ** 2, 2 * (m - 1 / (2 * b))),
    hinge_loss: lambda m, b, e: (max(0.0, 1 - b * m), -b if b * m < 1 else 0.0),
}
SIGNS = (1, -1, -1, 1)  # of the margin in chosen, rejected, ref_chosen, ref_rejected


@generated
@given(pairs_and_references())
def test_preference_margin(case):
    arguments = [x.requires_grad_() for x in case]
    ours = preference_margin(*arguments)
    rows, dtype = of_pairs(*case)
    assert ours.dtype == dtype
    expected = [(c - r) - (rc - rr) for c, r, rc, rr in rows]
    slopes = [[sign] * len(rows) for sign in SIGNS]
    # Three differences, none larger than all four together; the slopes are exact.
    check(ours, arguments, expected, slopes, [2 * coarsest(*case) * -sum(row) for row in rows], [0.0] * len(rows))


@generated
@given(pairs_and_references(), st.sampled_from(list(FAMILY)), betas, st.sampled_from([0.0, 0.1, 0.4, 0]))
def test_dpo_and_its_relatives(case, function, beta, smoothing):
    arguments = [x.requires_grad_() for x in case]
    options = {"label_smoothing": smoothing} if function in (cdpo_loss, robust_dpo_loss) else {}
    ours = function(*arguments, beta=beta, **options)
    rows, dtype = of_pairs(*case)
    assert ours.dtype == dtype
    unit, expected, slopes, within, slack = coarsest(*case), [], [], [], []
    for row in rows:
        c, r, rc, rr = row
        m = (c - r) - (rc - rr)
        loss, slope = FAMILY[function](m, beta, smoothing)
        off = 2 * unit * -sum(row)  # of the margin, as above
        x, off_x = beta * m, beta * off + unit * abs(beta * m)
        if function is ipo_loss:
            target = 1 / (2 * beta)  # rounded, then subtracted, then squared
            off_difference = off + unit * (abs(m) + target)
            within.append((2 * abs(m - target) + off_difference) * off_difference + unit * loss)
            slack.append(2 * off_difference + 2 * unit * abs(slope))
        elif function is hinge_loss:
            within.append(off_x + unit)
            slack.append(beta if abs(1 - x) <= off_x + unit else unit * beta)  # at the kink either side is right
        else:
            scale = 1 / (1 - 2 * smoothing) if function is robust_dpo_loss else 1
            # -log sigmoid has a slope of at most 1, and its slope one of at most 1/4; a few roundings of its terms.
            terms = softplus(-x) + (smoothing * softplus(x) if options else 0)
            within.append(scale * (off_x * (1 + smoothing) + 6 * unit * terms) + least(dtype))
            slack.append(scale * beta * (off_x + 6 * unit))
        expected.append(loss)
        slopes.append(slope)
    check(ours, arguments, expected, [[sign * s for s in slopes] for sign in SIGNS], within, slack)


@settings(generated, max_examples=30)
@given(pairs_and_references(), betas)
def test_without_label_smoothing_all_three_are_dpo_and_with_a_half_cdpo_has_two_equal_terms(case, beta):
    dpo = dpo_loss(*case, beta=beta)
    assert cdpo_loss(*case, beta=beta, label_smoothing=0).tolist() == dpo.tolist()
    assert robust_dpo_loss(*case, beta=beta, label_smoothing=0).tolist() == dpo.tolist()
    half = cdpo_loss(*case, beta=beta, label_smoothing=0.5)
    other_way = cdpo_loss(case[1], case[0], case[3], case[2], beta=beta, label_smoothing=0.5)
    assert half.tolist() == pytest.approx(other_way.tolist(), rel=1e-5)


@generated
@given(logprobs(2), betas)
def test_implicit_reward(case, beta):
    arguments = [x.requires_grad_() for x in case]
    ours = implicit_reward(*arguments, beta=beta)
    rows, dtype = of_pairs(*case)
    assert ours.dtype == dtype
    expected = [beta * (logp - ref) for logp, ref in rows]
    slopes = [[beta] * len(rows), [-beta] * len(rows)]
    within = [2 * eps(dtype) * abs(value) for value in expected]  # one difference, one product
    check(ours, arguments, expected, slopes, within, [eps(dtype) * beta] * len(rows))


# Losses of one difference


@generated
@given(logprobs(3, scales=(0.1, 3.0, 100.0)), st.booleans())
def test_bradley_terry_loss(case, rated):
    chosen, rejected, margin = case
    chosen, margin = -chosen, -margin  # rewards of either sign; a margin is at least 0
    arguments = [x.requires_grad_() for x in ((chosen, rejected, margin) if rated else (chosen, rejected))]
    ours = bradley_terry_loss(chosen, rejected, margin=margin if rated else None)
    rows, dtype = of_pairs(*arguments)
    assert ours.dtype == dtype
    expected, slopes, within = [], [], []
    for row in rows:
        x = row[0] - row[1] - (row[2] if rated else 0)
        off = 2 * eps(dtype) * sum(map(abs, row))
        expected.append(softplus(-x))
        slopes.append(-sigmoid(-x))
        within.append(off + 4 * eps(dtype) * softplus(-x) + least(dtype))
    slack = [w + 4 * eps(dtype) for w in within]
    check(ours, arguments, expected, [[s * v for v in slopes] for s in (1, -1, -1)[: len(arguments)]], within, slack)


@generated
@given(logprobs(2, scales=(0.1, 1.0, 10.0)), betas, st.sampled_from([0.0, 1.0, 0.5, 3]))
def test_simpo_loss(case, beta, gamma):
    arguments = [x.requires_grad_() for x in case]
    ours = simpo_loss(*arguments, beta=beta, gamma=gamma)
    rows, dtype = of_pairs(*case)
    assert ours.dtype == dtype
    expected, slopes, within = [], [], []
    for chosen, rejected in rows:
        x = beta * (chosen - rejected) - gamma
        # Difference, product, difference: three roundings.
        off = 2 * eps(dtype) * (beta * (abs(chosen) + abs(rejected)) + gamma)
        expected.append(softplus(-x))
        slopes.append(-beta * sigmoid(-x))
        within.append(off + 4 * eps(dtype) * softplus(-x) + least(dtype))
    slack = [beta * (w + 4 * eps(dtype)) for w in within]
    check(ours, arguments, expected, [slopes, [-s for s in slopes]], within, slack)


@generated
@given(logprobs(2, scales=(1e-3, 0.3, 3.0, 60.0)), betas)
def test_orpo_loss(case, beta):
    arguments = [x.requires_grad_() for x in case]
    ours = orpo_loss(*arguments, beta=beta)
    rows, dtype = of_pairs(*case)
    assert ours.dtype == dtype
    tiny = torch.finfo(dtype).tiny
    expected, to_chosen, to_rejected, within, slack_chosen, slack_rejected = [], [], [], [], [], []
    for chosen, rejected in rows:
        odds = {a: min(a, -tiny) - math.log(-math.expm1(min(a, -tiny))) for a in (chosen, rejected)}
        growth = {a: 0.0 if a > -tiny else -1 / math.expm1(a) for a in (chosen, rejected)}  # d log odds / d a
        x = odds[chosen] - odds[rejected]
        # Of each log-odds: expm1, log and the difference; then one more difference.
        off = 3 * eps(dtype) * (2 + abs(chosen) + abs(rejected) + abs(odds[chosen]) + abs(odds[rejected]))
        pull = beta * sigmoid(-x)
        expected.append(-chosen + beta * softplus(-x))
        within.append(beta * off + 6 * eps(dtype) * (-chosen + beta * softplus(-x)) + least(dtype))
        to_chosen.append(-1 - pull * growth[chosen])
        to_rejected.append(pull * growth[rejected])
        slack_chosen.append(4 * eps(dtype) + pull * growth[chosen] * (2 * off + 6 * eps(dtype)))
        slack_rejected.append(pull * growth[rejected] * (2 * off + 6 * eps(dtype)))
    weights = weights_for(ours)
    close(ours, expected, within)
    gradients = torch.autograd.grad(ours, arguments, weights)
    for gradient, slopes, slack, argument in zip(
        gradients, (to_chosen, to_rejected), (slack_chosen, slack_rejected), arguments, strict=True
    ):
        exact = [w * s for w, s in zip(weights.tolist(), slopes, strict=True)]
        # float16 ends at 65504: an odds' growth of 1 / (1 - p) beyond that is inf there.
        most = torch.finfo(argument.dtype).max
        inside = [i for i, value in enumerate(exact) if abs(value) < most]
        off = [weights[i].item() * slack[i] + eps(argument.dtype) * abs(exact[i]) for i in inside]
        close(gradient[inside], [exact[i] for i in inside], [x + least(argument.dtype) for x in off])


def test_orpo_of_a_certain_and_of_an_impossible_completion():
    """p = 1 has infinite odds, capped at 1 / tiny; p = e^-200 has its own log-prob as log-odds."""
    certain, impossible = torch.zeros(1), torch.full((1,), -200.0)
    assert orpo_loss(certain, impossible).item() < 1e-30
    assert orpo_loss(impossible, impossible).item() == pytest.approx(200 + 0.1 * math.log(2))
    odds = -math.log(torch.finfo(torch.float32).tiny)  # 87.3
    assert orpo_loss(impossible, certain).item() == pytest.approx(200 + 0.1 * (200 + odds), rel=1e-6)


# KTO: no pairs


@generated
@given(logprobs(2), betas, st.sampled_from([0.0, 0.7, 5.0]), st.sampled_from([(1.0, 1.0), (2, 0.5), (0, 1)]), st.data())
def test_kto_loss(case, beta, kl, weights, data):
    arguments = [x.requires_grad_() for x in case]
    marked = data.draw(st.lists(st.booleans(), min_size=len(case[0]), max_size=len(case[0])))
    point = torch.tensor(kl, dtype=computed_in(case[0].dtype), requires_grad=True)
    good, bad = weights
    ours = kto_loss(*arguments, torch.tensor(marked), point, beta=beta, desirable_weight=good, undesirable_weight=bad)
    rows, dtype = of_pairs(*case)
    assert ours.dtype == dtype
    expected, slopes, within, slack = [], [], [], []
    for (logp, ref), desirable in zip(rows, marked, strict=True):
        d = logp - ref - point.item()
        sign, weight = (1, good) if desirable else (-1, bad)
        x = sign * beta * d
        expected.append(weight * (1 - sigmoid(x)))
        slopes.append(-sign * weight * beta * sigmoid(x) * sigmoid(-x))
        # Of x: two differences and a product. A sigmoid has a slope of at most 1/4, its slope one of at most 1/10.
        off = 3 * eps(dtype) * beta * (abs(logp) + abs(ref) + point.item())
        within.append(weight * (off / 4 + 3 * eps(dtype)))
        slack.append(weight * beta * (off / 10 + 4 * eps(dtype)))
    check(ours, [*arguments], expected, [slopes, [-s for s in slopes]], within, slack)
    assert torch.autograd.grad(ours.sum(), point, allow_unused=True)[0] is None


@generated
@given(logprobs(2))
def test_kto_kl(case):
    arguments = [x.requires_grad_() for x in case]
    ours = kto_kl(*arguments)
    rows, dtype = of_pairs(*case)
    assert ours.dtype == dtype
    assert not ours.requires_grad
    differences = [logp - ref for logp, ref in rows]
    # A difference per row, an addition per row, a division.
    within = (2 + len(rows)) * eps(dtype) * sum(map(abs, differences)) / len(rows)
    close(ours, max(0.0, math.fsum(differences) / len(rows)), within)


# Extremes


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("margin", [-10_000.0, 10_000.0])
def test_margins_of_ten_thousand_nats_are_finite_in_value_and_gradient(dtype, margin):
    """exp(1000) overflows, log(sigmoid(-1000)) would be log(0). Lost by x, the loss is x and its slope -beta; won, 0."""
    chosen = torch.tensor([margin], dtype=dtype).clamp(max=0).requires_grad_()
    rejected = torch.tensor([-margin], dtype=dtype).clamp(max=0)
    zero = torch.zeros(1, dtype=dtype)
    m = chosen.item() - rejected.item()  # as this dtype rounds it
    for function, loss, slope in (
        (dpo_loss, max(0.0, -0.1 * m), -0.1 * (m < 0)),
        (cdpo_loss, 0.09 * -m if m < 0 else 0.01 * m, -0.09 if m < 0 else 0.01),
        (robust_dpo_loss, (0.09 * -m if m < 0 else -0.01 * m) / 0.8, (-0.09 if m < 0 else -0.01) / 0.8),
        (ipo_loss, (m - 5) ** 2, 2 * (m - 5)),
        (hinge_loss, max(0.0, 1 - 0.1 * m), -0.1 * (m < 0)),
    ):
        ours = function(chosen, rejected, zero, zero)
        (gradient,) = torch.autograd.grad(ours, chosen)
        assert ours.item() == pytest.approx(loss, rel=1e-6)
        assert gradient.item() == pytest.approx(slope, rel=1e-6 + eps(dtype))


def test_differences_of_half_precision_log_probs_are_taken_in_float32():
    """In bfloat16 -300 and -301 are -300 and -302, and 300 + 301 would be rounded to 600; float16 ends at 65504."""
    chosen, rejected = torch.tensor([-300.0]).bfloat16(), torch.tensor([301.0]).bfloat16()
    assert preference_margin(chosen, rejected, rejected * 0, rejected * 0).item() == -300 - rejected.item()
    far = torch.tensor([-60_000.0]).half()
    assert preference_margin(far, -far, far * 0, far * 0).item() == 2 * far.item()
