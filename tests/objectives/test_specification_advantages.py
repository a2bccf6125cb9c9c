"""Advantages against plain loops: groups, batches and tokens. Tolerances: see test_specification.py."""

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
    masks,
    often,
    spec_kept,
)
from hypothesis import given
from hypothesis import strategies as st

from reference.objectives import (
    batch_advantages,
    dead_group_share,
    group_advantages,
    reinforce_plus_plus_advantages,
    reinforce_plus_plus_baseline_advantages,
    rloo_advantages,
    whiten,
)

pytestmark = pytest.mark.slow

COMMON = [0.0, 1.0, -1.0, 0.25, 0.1, 0.7, -2.0, 1e-3, 1e4, -1e4]  # some exact in every dtype, some in none


@st.composite
def groups_of_rewards(draw, least_size=1, least_groups=1):
    """(rewards, group_size): rewards that repeat, rewards that do not, and groups that are all equal."""
    dtype = draw(st.sampled_from(DTYPES))
    size, groups = draw(st.integers(least_size, 6)), draw(st.integers(least_groups, 4))
    reward = draw(st.sampled_from([st.sampled_from(COMMON), st.integers(0, 1), st.floats(-3, 3, width=16)]))
    group = st.lists(reward, min_size=size, max_size=size) | reward.map(lambda r: [r] * size)
    rewards = [r for _ in range(groups) for r in draw(group)]
    return torch.tensor(rewards, dtype=dtype), size


def grouped(rewards, size):
    numbers = rewards.tolist()
    return [numbers[i : i + size] for i in range(0, len(numbers), size)]


def spec_deviation(numbers, ddof):
    mean = math.fsum(numbers) / len(numbers)
    return math.sqrt(math.fsum((x - mean) ** 2 for x in numbers) / (len(numbers) - ddof))


def roundings(numbers, dtype):
    """How far off a mean, a sum's share or a standard deviation of these numbers may be.

    Half precision is added up in float32, or wider; each addition is off by an eps of the largest number. Then the result is
    rounded to the dtype itself.
    """
    largest = max(map(abs, numbers))
    return largest * (eps(dtype) + len(numbers) * eps(computed_in(dtype))) + least(dtype)


def check_centred(ours, groups, spreads, added, dtype, everything):
    """Each reward minus its group's mean, divided by the group's spread plus eps (None: by nothing)."""
    position = 0
    for group, spread in zip(groups, spreads, strict=True):
        mean = math.fsum(group) / len(group)
        for r in group:
            actual, position = ours[position], position + 1
            if len(set(group)) == 1:
                assert actual.item() == 0.0  # exactly, whatever the mean is rounded to
                continue
            centred = r - mean
            # The mean, then the difference to it, which is rounded as well.
            off = roundings(group, dtype) + eps(dtype) * abs(centred)
            if spread is None:
                close(actual, centred, off)
                continue
            divisor = spread + added
            spread_off = roundings(everything or group, dtype) + eps(dtype) * divisor
            if spread_off > divisor / 4:  # rewards so close that rounding decides: only the size is sure
                assert abs(actual.item()) <= 2 * len(everything or group)
                continue
            # (c + off) / (s - spread_off), to first order twice over, and the quotient's own rounding.
            relative = spread_off / (divisor - spread_off)
            result = abs(centred) / divisor
            close(
                actual,
                centred / divisor,
                off / divisor * (1 + relative) + result * (relative + eps(dtype)) + least(dtype),
            )


epsilons = st.sampled_from([None, 1e-9, 1e-6, 0.5, 0])


@often
@given(groups_of_rewards(), st.sampled_from(["group", "batch", "none"]), st.sampled_from([0, 1]), epsilons)
def test_group_advantages(case, scale, ddof, added):
    rewards, size = case
    if size == 1:
        scale = "none"
    options = {} if added is None else {"eps": added}
    added = 1e-4 if added is None else added
    ours = group_advantages(rewards, group_size=size, scale=scale, ddof=ddof, **options)
    assert ours.dtype == computed_in(rewards.dtype)
    groups, everything = grouped(rewards, size), None
    if scale == "batch":
        everything = rewards.tolist()
        spreads = [spec_deviation(everything, ddof)] * len(groups)
    else:
        spreads = [spec_deviation(group, ddof) if scale == "group" else None for group in groups]
    check_centred(ours, groups, spreads, added, ours.dtype, everything)


def test_group_advantages_by_default_are_grpos():
    """Divided by the group's std with ddof 1, plus 1e-4."""
    ours = group_advantages(torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=torch.float64), group_size=4)
    close(ours, [0.75 / (0.5 + 1e-4)] + [-0.25 / (0.5 + 1e-4)] * 3, 1e-15)


@pytest.mark.parametrize("size", [2, 4, 8, 64])
def test_one_success_among_the_group_gets_what_the_docstring_says(size):
    rewards = torch.tensor([1.0] + [0.0] * (size - 1), dtype=torch.float64)
    close(group_advantages(rewards, group_size=size, eps=0)[0], (size - 1) / math.sqrt(size), 1e-14)
    close(group_advantages(rewards, group_size=size, scale="none")[0], (size - 1) / size, 1e-15)
    close(rloo_advantages(rewards, group_size=size), [1.0] + [-1 / (size - 1)] * (size - 1), 1e-15)


@generated
@given(groups_of_rewards(least_size=2), st.sampled_from([0, 1]), epsilons)
def test_batch_advantages(case, ddof, added):
    rewards, _ = case
    options = {} if added is None else {"eps": added}
    added = 1e-4 if added is None else added
    ours = batch_advantages(rewards, ddof=ddof, **options)
    assert ours.dtype == computed_in(rewards.dtype)
    everything = rewards.tolist()
    check_centred(ours, [everything], [spec_deviation(everything, ddof)], added, ours.dtype, None)


@generated
@given(groups_of_rewards(least_size=2))
def test_rloo_advantages(case):
    rewards, size = case
    ours = rloo_advantages(rewards, group_size=size)
    dtype = computed_in(rewards.dtype)
    assert ours.dtype == dtype
    expected, within = [], []
    for group in grouped(rewards, size):
        for i, r in enumerate(group):
            others = group[:i] + group[i + 1 :]
            expected.append(r - math.fsum(others) / (size - 1))
            # The sum of all, what is left of it without r, the share, and the difference: each rounded to the dtype.
            share = size / (size - 1)  # at most 2: the sums are up to `size` times as large as a reward
            off = share * (roundings(group, dtype) + eps(dtype) * max(map(abs, group)))
            within.append((off + 2 * eps(dtype) * max(map(abs, group))) * (len(set(group)) > 1))  # a dead one is exact
    close(ours, expected, within)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [0.1, 0.7, -1e4, 1e-3, 6e-8])
@pytest.mark.parametrize("added", [0, 1e-9])
def test_equal_rewards_give_exactly_zero_whatever_their_mean_is_rounded_to(value, added, dtype):
    """The mean of 7 times 0.1 is not 0.1: an epsilon of 1e-9 would turn the difference into an advantage of 8."""
    rewards = torch.full((14,), value, dtype=dtype)
    for scale in ("group", "batch", "none"):
        assert group_advantages(rewards, group_size=7, scale=scale, eps=added).tolist() == [0.0] * 14
    assert batch_advantages(rewards, eps=added).tolist() == [0.0] * 14
    assert rloo_advantages(rewards[:12], group_size=3).tolist() == [0.0] * 12
    assert whiten(rewards.view(2, 7), torch.ones(2, 7), eps=added or 1e-12).tolist() == [[0.0] * 7] * 2
    assert (
        reinforce_plus_plus_baseline_advantages(rewards, torch.ones(14, 2), group_size=7).tolist() == [[0.0] * 2] * 14
    )
    assert dead_group_share(rewards, group_size=7).item() == 1.0


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_dead_group_stays_at_zero_beside_a_mixed_one(dtype):
    rewards = torch.tensor([0.1] * 7 + [0.0] * 6 + [1.0], dtype=dtype)
    for scale in ("group", "batch", "none"):
        ours = group_advantages(rewards, group_size=7, scale=scale)
        assert ours[:7].tolist() == [0.0] * 7
        assert (ours[7:13] < 0).all()
        assert ours[13] > 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("unit", [1e-30, 1e-12, 1e12, 1e30])
def test_advantages_do_not_depend_on_the_unit_of_the_reward(unit, dtype):
    """1e30 squared is beyond float32, 1e-30 squared below it."""
    rewards = torch.tensor([unit, 0.0, 0.0, 0.0], dtype=dtype)
    unit = rewards[0].item()
    within = 4 * eps(dtype)
    close(group_advantages(rewards, group_size=4, eps=0), [1.5, -0.5, -0.5, -0.5], 1.5 * within)
    close(batch_advantages(rewards, eps=0), [1.5, -0.5, -0.5, -0.5], 1.5 * within)
    close(rloo_advantages(rewards, group_size=4) / unit, [1.0, -1 / 3, -1 / 3, -1 / 3], within)


def test_rloo_advantages_of_float16_rewards_whose_sum_float16_cannot_hold():
    rewards = torch.tensor([10_000.0] * 7 + [0.0], dtype=torch.float16)
    expected = [10_000 / 7] * 7 + [-10_000.0]
    close(rloo_advantages(rewards, group_size=8), expected, 4 * eps(torch.float32) * 10_000)


# Whitening


def spec_whiten(kept, shift_mean, ddof, added, dtype, input_off=0.0):
    """(expected, how far off): of the kept numbers, which are themselves off by up to ``input_off``.

    The mean is off by one rounding of the largest number per addition, and so is each difference to it: `off`. Divided by
    the root s, that is off / s. In s itself it shows once more, relative to s, with a rounding per square.
    """
    n = len(kept)
    mean = math.fsum(kept) / n
    root = math.sqrt(math.fsum((x - mean) ** 2 for x in kept) / (n - ddof) + added)
    largest = max(map(abs, kept))
    off = 2 * input_off + (n + 2) * eps(dtype) * largest
    expected, within = [], []
    for x in kept:
        z = (x - mean) / root
        expected.append(z if shift_mean else z + mean)
        relative = off / root * n / (n - ddof) + (n + 4) * eps(dtype)
        # The mean added back, with its own error and a rounding.
        again = 0.0 if shift_mean else off + eps(dtype) * abs(expected[-1])
        within.append(off / root + abs(z) * relative + again)
    return expected, within


def check_kept(ours, mask, expected, within):
    """``expected`` and ``within`` list the kept entries, row after row; the others are 0 exactly."""
    kept = [(b, t) for b, where in enumerate(spec_kept(mask)) for t in where]
    close(torch.stack([ours[at] for at in kept]), expected, within)
    assert (ours[~mask.bool()] == 0).all()


@st.composite
def kept_numbers(draw, enough):
    """Numbers and a mask that keeps at least so many of them, garbage elsewhere."""
    x, mask = draw(losses_and_masks().filter(lambda case: case[0].numel() >= enough))
    for at in range(enough):
        if mask.view(-1)[at] == 0:
            mask.view(-1)[at], x.view(-1)[at] = 1, draw(st.sampled_from([-1.5, 0.5, 0.1]))
    return x, mask


@often
@given(kept_numbers(2), st.booleans(), st.sampled_from([0, 1]), st.sampled_from([None, 1e-5, 0.5, 0]))
def test_whiten(case, shift_mean, ddof, added):
    x, mask = case
    kept = [x[b, t].item() for b, where in enumerate(spec_kept(mask)) for t in where]
    if added == 0 and len(set(kept)) == 1:
        added = None
    options = {} if added is None else {"eps": added}
    added = 1e-8 if added is None else added
    ours = whiten(x.requires_grad_(), mask, shift_mean=shift_mean, ddof=ddof, **options)
    assert ours.dtype == computed_in(x.dtype)
    assert not ours.requires_grad
    expected, within = spec_whiten(kept, shift_mean, ddof, added, ours.dtype)
    if len(set(kept)) == 1:  # exactly 0, or the mean, rounded once per addition
        within = [0.0 if shift_mean else (len(kept) + 1) * eps(ours.dtype) * abs(kept[0])] * len(kept)
    check_kept(ours, mask, expected, within)


@pytest.mark.parametrize("dtype", DTYPES)
def test_whiten_of_one_token_is_zero_with_ddof_0(dtype):
    x, mask = torch.tensor([[NAN, 0.7, INF]], dtype=dtype), torch.tensor([[0, 1, 0]])
    assert whiten(x, mask, ddof=0).tolist() == [[0.0, 0.0, 0.0]]
    assert whiten(x, mask, ddof=0, shift_mean=False).tolist() == [[0.0, x[0, 1].item(), 0.0]]


@pytest.mark.parametrize("shift_mean", [True, False])
def test_whiten_of_equal_numbers_is_zero_or_their_mean_without_an_eps_too(shift_mean):
    x = torch.full((1, 7), 0.5)
    assert whiten(x, torch.ones(1, 7), shift_mean=shift_mean, eps=0).tolist() == [[0.0 if shift_mean else 0.5] * 7]


def test_whiten_of_float16_adds_up_in_float32():
    x = torch.tensor([[40_000.0, 40_000.0, 40_000.0, 40_064.0]], dtype=torch.float16)
    expected, within = spec_whiten(x[0].tolist(), True, 1, 1e-8, torch.float32)
    close(whiten(x, torch.ones(1, 4)), [expected], [within])


# REINFORCE++


@generated
@given(kept_numbers(2), st.sampled_from([None, 1, 0.9, 0.0]))
def test_reinforce_plus_plus_advantages(case, gamma):
    """The return of each kept token, the gaps skipped, whitened with ddof 1 and eps 1e-8 over all of them."""
    rewards, mask = case
    options = {} if gamma is None else {"gamma": gamma}
    gamma = 1.0 if gamma is None else gamma
    ours = reinforce_plus_plus_advantages(rewards.requires_grad_(), mask, **options)
    assert ours.dtype == computed_in(rewards.dtype)
    assert not ours.requires_grad
    returns, size, steps = [], 0.0, 0
    for b, where in enumerate(spec_kept(mask)):
        for i in range(len(where)):
            terms = [gamma**j * rewards[b, t].item() for j, t in enumerate(where[i:])]
            returns.append(math.fsum(terms))
            size, steps = max(size, sum(map(abs, terms))), max(steps, len(where))
    expected, within = spec_whiten(returns, True, 1, 1e-8, ours.dtype, 1.5 * steps * eps(ours.dtype) * size)
    check_kept(ours, mask, expected, within)


@often
@given(groups_of_rewards(least_size=2), st.data())
def test_reinforce_plus_plus_baseline_advantages(case, data):
    """The reward minus the mean of its group, one per completion, whitened over the tokens that carry it."""
    rewards, size = case
    mask = data.draw(masks(len(rewards), data.draw(st.integers(2, 5))))
    mask[0, :2] = 1
    ours = reinforce_plus_plus_baseline_advantages(rewards, mask, group_size=size)
    assert ours.dtype == computed_in(rewards.dtype)
    centred, off = [], 0.0
    for group in grouped(rewards, size):
        mean = math.fsum(group) / size
        dead = len(set(group)) == 1
        centred += [0.0 if dead else r - mean for r in group]
        if not dead:
            off = max(off, roundings(group, rewards.dtype) + eps(rewards.dtype) * max(abs(r - mean) for r in group))
    kept = [centred[b] for b, where in enumerate(spec_kept(mask)) for _ in where]
    expected, within = spec_whiten(kept, True, 1, 1e-8, ours.dtype, off)
    check_kept(ours, mask, expected, within)
