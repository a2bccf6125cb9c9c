"""Tool use, against plain loops. Tolerances: test_specification.py."""

import itertools
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
    with_gradient,
    zeros,
)
from hypothesis import given
from hypothesis import strategies as st

from reference.objectives import future_loss, keep_call, tool_mask, trajectory_reward

TEXT, EOS, HEADER = 1, 2, 3
prices = st.sampled_from([0.0, 0.01, 0.5, 1, 3.0])


def spec_written(tokens, attended):
    """For each token, whether the assistant writes it: a walk from left to right that knows whether a turn is open."""
    written, is_open = [], False
    for token, visible in zip(tokens, attended, strict=True):
        written.append(bool(visible and is_open))
        if visible and token == HEADER:
            is_open = True
        elif visible and token == EOS:
            is_open = False
    return written


@pytest.mark.parametrize("dtype", [torch.int16, torch.int64])
@pytest.mark.parametrize("mask_dtype", [torch.bool, torch.float32])
@pytest.mark.parametrize("time", [1, 2, 5])
def test_tool_mask_of_every_sequence_and_every_attention_mask(time, mask_dtype, dtype):
    sequences = list(itertools.product((TEXT, EOS, HEADER), repeat=time))
    both = list(itertools.product(sequences, itertools.product((0, 1), repeat=time)))
    tokens = torch.tensor([sequence for sequence, _ in both], dtype=dtype)
    attention = torch.tensor([attended for _, attended in both], dtype=mask_dtype)
    ours = tool_mask(tokens, attention, assistant_token_id=HEADER, eos_token_id=EOS)
    assert ours.dtype == torch.bool
    assert ours.shape == (len(both), time - 1)
    assert ours.tolist() == [spec_written(*case)[1:] for case in both]


def test_an_id_that_the_dtype_of_the_tokens_cannot_hold_is_no_token_of_theirs():
    tokens = torch.tensor([[HEADER, TEXT, EOS, TEXT]], dtype=torch.int16)
    for wrong in ({"assistant_token_id": HEADER + 2**16, "eos_token_id": EOS}, {"assistant_token_id": 7, "eos_token_id": EOS}):  # fmt: skip
        assert not tool_mask(tokens, torch.ones(1, 4), **wrong).any()
    without_end = tool_mask(tokens, torch.ones(1, 4), assistant_token_id=HEADER, eos_token_id=EOS + 2**16)
    assert without_end.tolist() == [[True, True, True]]


@generated
@given(st.sampled_from(DTYPES), st.integers(1, 6), prices, prices, prices, st.data())
def test_trajectory_reward(dtype, batch, call_price, invalid_price, valid_bonus, data):
    success = data.draw(numbers((batch,), dtype))
    calls = data.draw(st.lists(st.integers(0, 9), min_size=batch, max_size=batch))
    invalid = [data.draw(st.integers(0, n)) for n in calls]
    whole = data.draw(st.sampled_from([torch.int8, torch.int64]))
    counts = torch.tensor(calls, dtype=whole), torch.tensor(invalid, dtype=whole)
    options = {"call_price": call_price, "invalid_price": invalid_price, "valid_bonus": valid_bonus}
    ours = trajectory_reward(success.requires_grad_(), *counts, **options)
    assert not ours.requires_grad
    assert ours.dtype == computed_in(dtype)
    expected, within = [], []
    for s, n, bad in zip(success.tolist(), calls, invalid, strict=True):
        terms = [s, -call_price * n, -invalid_price * bad, valid_bonus * (n - bad)]
        expected.append(math.fsum(terms))
        within.append(8 * eps(ours.dtype) * sum(map(abs, terms)))  # three products and three sums
    close(ours, expected, within)


def spec_weight(t):
    """Toolformer's: the weights of all distances, cut at 0, and divided by what they add up to."""
    return max(0.0, 1 - 0.2 * t) / math.fsum(max(0.0, 1 - 0.2 * s) for s in range(100))


@generated
@given(losses_and_masks())
def test_future_loss(case):
    x, mask = case
    ours, gradient, of_row = with_gradient(future_loss, x, mask)
    assert ours.dtype == computed_in(x.dtype)
    expected, within, slopes = [], [], zeros(*x.shape)
    for b, where in enumerate(spec_kept(mask)):
        terms = [-spec_weight(t) * x[b, t].item() for t in where if t < 5]
        expected.append(math.fsum(terms))
        within.append(8 * eps(ours.dtype) * sum(map(abs, terms)))
        for t in where:
            slopes[b][t] = -spec_weight(t) * of_row[b].item()
    close(ours, expected, within)
    # A weight and a product are rounded in float32 or more, the gradient once more in the dtype of x.
    sizes = torch.tensor(slopes, dtype=torch.float64).abs()
    close(gradient, slopes, ((eps(x.dtype) + 4 * eps(ours.dtype)) * sizes + least(x.dtype)).tolist())


@pytest.mark.parametrize("value", [0.0, -1.0, NAN, INF, -INF])
@pytest.mark.parametrize("dtype", DTYPES)
def test_behind_the_fifth_token_there_may_be_anything(dtype, value):
    x = torch.full((2, 9), -1.0, dtype=dtype)
    x[:, 5:] = value
    ours, gradient, _ = with_gradient(future_loss, x, torch.ones(2, 9))
    close(ours, [1.0, 1.0], [4 * eps(ours.dtype)] * 2)
    assert (gradient[:, :5] < 0).all() and (gradient[:, 5:] == 0).all()


@generated
@given(st.lists(st.sampled_from(DTYPES), min_size=3, max_size=3), st.integers(1, 6), st.sampled_from([0, 0.25, 1.0, 2]), st.data())  # fmt: skip
def test_keep_call(dtypes, batch, threshold, data):
    """Losses are small multiples of 1/4, exact in every dtype, so that many gains are exactly the threshold."""
    quarters = st.lists(st.integers(0, 12).map(lambda n: n / 4), min_size=batch, max_size=batch)
    losses = [data.draw(quarters) for _ in range(3)]
    ours = keep_call(*(torch.tensor(x, dtype=d) for x, d in zip(losses, dtypes, strict=True)), threshold=threshold)
    assert ours.dtype == torch.bool
    for keep, with_result, without_result, without_call in zip(ours.tolist(), *losses, strict=True):
        best_without = without_call if without_call < without_result else without_result
        assert keep == (best_without - with_result >= threshold)


@pytest.mark.parametrize(("threshold", "kept"), [(99.96, True), (99.98, False)])
def test_a_gain_is_computed_in_float32(threshold, kept):
    """100 - 0.03 is 100 in float16, and 99.97 in float32."""
    without, with_result = torch.tensor([100.0], dtype=torch.float16), torch.tensor([0.03], dtype=torch.float16)
    assert (without - with_result).item() == 100
    assert keep_call(with_result, without, without, threshold=threshold).item() is kept
