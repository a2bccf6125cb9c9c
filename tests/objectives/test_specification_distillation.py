"""Distillation, specified: plain loops over tokens of the vocabulary, and over sampled tokens, written from the formulas."""

import math

import pytest
import torch
from calls import X, call, refused, says
from generated import (
    DTYPES,
    INF,
    NAN,
    close,
    computed_in,
    eps,
    generated,
    largest,
    least,
    masks,
    numbers,
    shapes,
    spec_log_softmax,
    two_policies,
    with_gradient,
)
from hypothesis import given
from hypothesis import strategies as st

from reference.objectives import distillation_loss, distillation_rewards, generalised_jsd


@st.composite
def student_and_teacher(draw):
    dtype, vocab = draw(st.sampled_from(DTYPES)), draw(st.integers(1, 5))
    batch, time = draw(shapes())
    pair = [draw(numbers((batch, time, vocab), dtype, scales=(0.1, 1.0, 5.0))) for _ in range(2)]
    for logits in pair:
        for b, t, v in draw(st.lists(st.tuples(*(st.integers(0, n - 1) for n in logits.shape)), max_size=3)):
            if v > 0:
                logits[b, t, v] = -INF
        logits[:, -1] = draw(st.sampled_from([0.0, NAN, -INF]))  # the last position scores nothing
    return *pair, draw(st.sampled_from([1.0, 0.5, 1.7, 2]))


def spec_jsd(s, q, beta):
    """(value, gradient in the student's scaled logits) for two lists of log-probs, with beta strictly between 0 and 1."""
    S, Q = [math.exp(x) for x in s], [math.exp(x) for x in q]
    m = [(1 - beta) * a + beta * b for a, b in zip(S, Q, strict=True)]
    of_student = math.fsum(a * math.log(a / c) for a, c in zip(S, m, strict=True) if a > 0)
    of_teacher = math.fsum(b * math.log(b / c) for b, c in zip(Q, m, strict=True) if b > 0)
    slope = [(1 - beta) * a * (math.log(a / c) - of_student) if a > 0 else 0.0 for a, c in zip(S, m, strict=True)]
    return beta * of_teacher + (1 - beta) * of_student, slope


@pytest.mark.slow
@generated
@given(student_and_teacher(), st.sampled_from([0.01, 0.25, 0.5, 0.9]))
def test_generalised_jsd_between_the_ends(case, beta):
    logits, teacher_logits, temperature = case
    ours, gradient, weights = with_gradient(
        generalised_jsd, logits, teacher_logits, teacher_share=beta, temperature=temperature
    )
    assert ours.dtype == computed_in(logits.dtype) and gradient.dtype == logits.dtype
    batch, time, vocab = logits.shape
    value, slope = torch.zeros(batch, time - 1).double(), torch.zeros(batch, time, vocab).double()
    for b in range(batch):
        for t in range(time - 1):
            rows = (spec_log_softmax(x[b, t].tolist(), temperature) for x in (logits, teacher_logits))
            value[b, t], of_logits = spec_jsd(*rows, beta)
            slope[b, t] = torch.tensor(of_logits, dtype=torch.float64) * weights[b, t].item() / temperature
    apart = 2 * largest(logits[:, :-1], temperature) + 2 * largest(teacher_logits[:, :-1], temperature) + 6
    within = (
        (8 * apart + 4 * vocab) * eps(ours.dtype) * (1 + apart)
    )  # log-softmaxes, their mixture, and vocab additions
    close(ours, value.tolist(), within)
    close(
        gradient,
        slope.tolist(),
        within / temperature + eps(logits.dtype) * slope.abs().amax().item() + least(logits.dtype),
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_generalised_jsd_of_distributions_a_thousand_nats_apart(dtype):
    """m is 1/2 for both tokens: ln 2, whatever the log-ratio, and neither of the two has a slope there."""
    logits = torch.tensor([[[1000.0, 0.0], [0.0, 0.0]]], dtype=dtype)
    ours, gradient, _ = with_gradient(generalised_jsd, logits, logits.flip(2))
    close(ours, [[math.log(2)]], 4 * eps(ours.dtype))
    close(gradient, [[[0.0, 0.0], [0.0, 0.0]]], 4 * eps(ours.dtype))


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_generalised_jsd_at_the_ends(beta):
    """Q = (1/4, 3/4) and S = (1/2, 1/2), at twice their logits and a temperature of 2."""
    student, teacher = (2 * torch.tensor(p).double().log().expand(1, 2, 2) for p in ([0.5, 0.5], [0.25, 0.75]))
    first, second = ([0.25, 0.75], [0.5, 0.5]) if beta == 0 else ([0.5, 0.5], [0.25, 0.75])
    ours = generalised_jsd(student, teacher, teacher_share=beta, temperature=2.0)
    close(ours, [[math.fsum(a * math.log(a / b) for a, b in zip(first, second, strict=True))]], 1e-14)


@pytest.mark.slow
@generated
@given(two_policies(), st.data())
def test_distillation_rewards(case, data):
    new, teacher = case
    mask = data.draw(masks(*new.shape))
    new[~mask.bool()] = teacher[~mask.bool()] = data.draw(st.sampled_from([0.0, NAN, INF, -INF]))
    ours = distillation_rewards(new.requires_grad_(), teacher, mask)
    assert not ours.requires_grad and ours.dtype == computed_in(new.dtype)
    rows = zip(new.tolist(), teacher.tolist(), mask.tolist(), strict=True)
    expected = [[q - p if m == 1 else 0.0 for p, q, m in zip(*row, strict=True)] for row in rows]
    close(ours, expected, 8 * eps(ours.dtype))


@pytest.mark.slow
@generated
@given(two_policies([torch.float32, torch.float64]), st.sampled_from([None, 1.0, 2.0, 1.5]), st.booleans(), st.data())
def test_distillation_loss(case, max_ratio, weighted, data):
    new, teacher = case
    old = (new + data.draw(numbers(new.shape, new.dtype, scales=(0.1, 1.0), low=-3, high=3))) if weighted else None
    options = {"old_logprobs": old, "max_ratio": max_ratio} if weighted else {}
    ours, gradient, weights = with_gradient(distillation_loss, new, teacher, **options)
    value, slope = torch.zeros(new.shape).double(), torch.zeros(new.shape).double()
    for at in torch.cartesian_prod(*(torch.arange(n) for n in new.shape)).view(-1, 2).tolist():
        p, q = new[tuple(at)].item(), teacher[tuple(at)].item()
        w = min(math.exp(p - old[tuple(at)].item()), max_ratio or INF) if weighted else 1.0
        value[tuple(at)], slope[tuple(at)] = w * (p - q) * p, w * (p - q) * weights[tuple(at)].item()
    within = 20 * 8 * 8 * 4 * eps(new.dtype)  # weights to e^3, log-ratios to 8 and log-probs to 8, four roundings
    close(ours, value.tolist(), within)
    close(gradient, slope.tolist(), within)


@pytest.mark.parametrize("beta", [-0.1, 1.1, NAN])
def test_a_share_outside_0_to_1_is_refused(beta):
    says(refused("generalised_jsd", teacher_share=beta), f"teacher_share is {beta}", "between 0 and 1")


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
def test_a_temperature_of_0_and_a_nan_of_either_are_refused_at_every_beta(beta):
    says(refused("generalised_jsd", teacher_share=beta, temperature=0.0), "temperature is 0.0, expected > 0")
    broken = torch.zeros(2, 4, 5)
    broken[1, 2, 4] = NAN
    for argument in ("logits", "teacher_logits"):
        says(
            refused("generalised_jsd", teacher_share=beta, **{argument: broken}),
            "from the logits",
            "NaN at position (1, 2)",
        )


@pytest.mark.parametrize("argument", ["token_logprobs", "teacher_logprobs"])
@pytest.mark.parametrize("value", [NAN, -INF])
def test_a_reward_that_is_no_number_is_refused_where_it_is_kept(argument, value):
    broken = X.clone()
    broken[0, 1] = value
    words = "NaN" if math.isnan(value) else "-inf"
    says(refused("distillation_rewards", **{argument: broken}), f"{argument} is {words} at position (0, 1)")
    mask = torch.tensor([[1, 0, 1], [1, 1, 1]])
    assert call("distillation_rewards", mask=mask, **{argument: broken}).isfinite().all()


def test_a_cap_needs_a_ratio_and_may_not_change_agreement():
    says(refused("distillation_loss", old_logprobs=None, max_ratio=2.0), "max_ratio", "pass both, or neither")
    for value in (0.5, NAN, INF):
        says(refused("distillation_loss", max_ratio=value), f"max_ratio is {value}", "at least 1")
