"""What is added to the loss and to the reward, against plain loops. Tolerances: test_specification.py."""

import math

import pytest
import torch
from generated import (
    DTYPES,
    INF,
    NAN,
    close,
    computed_in,
    eps,
    generated,
    least,
    losses_and_masks,
    numbers,
    spec_kept,
)
from hypothesis import given
from hypothesis import strategies as st

from reference.objectives import (
    kl_penalised_rewards,
    length_penalised_rewards,
    soft_overlong_penalty,
    total_loss,
)

coefficients = st.sampled_from([0.0, 0.01, 0.5, 1, 3.0])
TERMS = {
    "value_loss": ("vf_coef", 1),
    "kl": ("kl_coef", 1),
    "sft_loss": ("sft_coef", 1),
    "entropy": ("entropy_coef", -1),
}


@generated
@given(st.data())
def test_total_loss(data):
    dtype = data.draw(st.sampled_from(DTYPES))
    values = dict(zip(TERMS, data.draw(numbers((4,), dtype)).abs(), strict=True))
    policy = data.draw(numbers((), dtype)).requires_grad_()
    if data.draw(st.booleans()):
        values["kl"] = -values["kl"]  # a sampled KL may be negative
    given_terms, options, terms = {}, {}, [policy.item()]
    for name, (coef_name, sign) in TERMS.items():
        coef = data.draw(coefficients)
        options[coef_name] = coef
        if coef:
            given_terms[name] = values[name].detach().requires_grad_()
            terms.append(sign * coef * values[name].item())
    ours = total_loss(policy, **given_terms, **options)
    assert ours.dtype == dtype
    # The coefficient, each product and each addition are rounded once, of at most the sum of the magnitudes.
    close(ours, math.fsum(terms), 2 * len(terms) * eps(dtype) * sum(map(abs, terms)) + len(terms) * least(dtype))
    gradients = torch.autograd.grad(ours, [policy, *given_terms.values()])
    assert gradients[0].item() == 1.0
    for name, gradient in zip(given_terms, gradients[1:], strict=True):
        coef_name, sign = TERMS[name]
        close(gradient, sign * options[coef_name], eps(dtype) * options[coef_name])


@generated
@given(losses_and_masks(), st.sampled_from(DTYPES), coefficients, st.data())
def test_kl_penalised_rewards(case, dtype, kl_coef, data):
    kl, mask = case
    rewards = data.draw(numbers((len(kl),), dtype))
    ours = kl_penalised_rewards(rewards.requires_grad_(), kl.requires_grad_(), mask, kl_coef=kl_coef)
    assert not ours.requires_grad
    summed = computed_in(kl.dtype)
    assert ours.dtype == torch.promote_types(summed, dtype)
    expected, within = [], []
    for b, where in enumerate(spec_kept(mask)):
        terms = [kl[b, t].item() for t in where]
        expected.append(rewards[b].item() - kl_coef * math.fsum(terms))
        # One rounding per addition of the KL, one for the coefficient, the product and the difference.
        size = abs(rewards[b].item()) + kl_coef * sum(map(abs, terms))
        within.append((3 + len(terms)) * eps(summed) * size)
    close(ours, expected, within)


@generated
@given(st.sampled_from(DTYPES), st.integers(1, 5000), coefficients, st.integers(1, 6), st.data())
def test_length_penalised_rewards(dtype, max_length, length_coef, batch, data):
    rewards = data.draw(numbers((batch,), dtype))
    lengths = data.draw(st.lists(st.integers(0, max_length), min_size=batch, max_size=batch))
    whole = torch.tensor(lengths, dtype=data.draw(st.sampled_from([torch.int64, torch.int32])))
    ours = length_penalised_rewards(rewards.requires_grad_(), whole, length_coef=length_coef, max_length=max_length)
    assert not ours.requires_grad
    prices = [length_coef * length / max_length for length in lengths]
    expected = [r - price for r, price in zip(rewards.tolist(), prices, strict=True)]
    # Coefficient, product, quotient and difference: float32 for the price, whatever the rewards come in.
    within = [4 * eps(torch.float32) * (abs(r) + price) for r, price in zip(rewards.tolist(), prices, strict=True)]
    assert ours.dtype == torch.promote_types(dtype, torch.float32)
    close(ours, expected, within)


@generated
@given(st.integers(1, 5000), st.data())
def test_soft_overlong_penalty(max_length, data):
    buffer = data.draw(st.integers(1, max_length))
    lengths = data.draw(st.lists(st.integers(0, 2 * max_length), min_size=1, max_size=6))
    lengths += [max_length - buffer, max_length, max_length + 1]
    expected = []
    for length in lengths:
        if length <= max_length - buffer:
            expected.append(0.0)
        elif length <= max_length:
            expected.append((max_length - buffer - length) / buffer)
        else:
            expected.append(-1.0)
    ours = soft_overlong_penalty(torch.tensor(lengths), max_length=max_length, buffer=buffer)
    assert ours.dtype == torch.float32
    close(ours, expected, eps(torch.float32))  # one quotient of whole numbers
    assert ours[-3].item() == 0.0
    assert ours[-2:].tolist() == [-1.0, -1.0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_kl_of_a_long_completion_is_added_up_in_float32(dtype):
    """5000 tokens at 1/4 nat are 1250 nats; bfloat16 stops at 64, where adding 1/4 changes nothing any more."""
    kl = torch.full((1, 5000), 0.25, dtype=dtype)
    rewards = torch.tensor([1.0], dtype=dtype)
    assert kl_penalised_rewards(rewards, kl, torch.ones(1, 5000), kl_coef=0.1).item() == pytest.approx(1 - 125)
    huge = torch.full((1, 2), 40_000.0, dtype=torch.float16)
    assert kl_penalised_rewards(torch.zeros(1), huge, torch.ones(1, 2), kl_coef=1).item() == -80_000.0


def test_what_is_masked_out_of_the_kl_costs_nothing():
    kl = torch.tensor([[2.0, NAN, INF], [NAN, NAN, NAN]])
    rewards = torch.tensor([1.0, 1.0])
    assert kl_penalised_rewards(rewards, kl, torch.tensor([[1, 0, 0], [0, 0, 0]]), kl_coef=0.5).tolist() == [0.0, 1.0]
