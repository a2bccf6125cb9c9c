"""Newer advantages, specified: plain loops over groups, kinds and tokens, written from the formulas, and refusals."""

import math

import pytest
import torch
from calls import REWARDS, refusal, refused, says
from generated import DTYPES, INF, NAN, close, computed_in, eps, generated, spec_kept
from hypothesis import given
from hypothesis import strategies as st

from reference.objectives import gdpo_advantages, maxrl_advantages

EIGHTHS = st.integers(0, 16).map(lambda whole: whole / 8)  # exact in every dtype


@st.composite
def several_rewards(draw, kinds):
    """(rows of rewards as numbers, group_size, dtype), some kinds equal within a group."""
    size, groups = draw(st.integers(2, 4)), draw(st.integers(1, 3))
    group = st.lists(EIGHTHS, min_size=size, max_size=size) | EIGHTHS.map(lambda r: [r] * size)
    columns = [[r for _ in range(groups) for r in draw(group)] for _ in range(kinds)]
    return [list(row) for row in zip(*columns, strict=True)], size, draw(st.sampled_from(DTYPES))


def normalised(numbers, small):
    """(x - mean) / (std + small), and 0 where all are equal."""
    mean = math.fsum(numbers) / len(numbers)
    std = math.sqrt(math.fsum((x - mean) ** 2 for x in numbers) / (len(numbers) - 1))
    return [0.0 if max(numbers) == min(numbers) else (x - mean) / (std + small) for x in numbers]


@pytest.mark.slow
@generated
@given(several_rewards(1))
def test_maxrl_advantages(case):
    rewards, size, dtype = case
    rewards = [r for (r,) in rewards]
    expected = []
    for start in range(0, len(rewards), size):
        group = rewards[start : start + size]
        mean = math.fsum(group) / size
        expected += [(r - mean) / mean if mean > 0 else 0.0 for r in group]
    given_rewards = torch.tensor(rewards, dtype=dtype, requires_grad=True)
    ours = maxrl_advantages(given_rewards, group_size=size, without_success="zero")
    assert not ours.requires_grad and ours.dtype == computed_in(dtype)
    close(ours, expected, 64 * eps(ours.dtype))


@pytest.mark.slow
@generated
@given(
    several_rewards(2), st.sampled_from([None, [1.0, 0.5], [-2.0, 1.0]]), st.sampled_from(["rows", "tokens"]), st.data()
)
def test_gdpo_advantages(case, weights, over, data):
    rewards, size, dtype = case
    mask = torch.tensor([[1, *data.draw(st.lists(st.integers(0, 1), min_size=3, max_size=3))] for _ in rewards])
    z = [[], []]
    for k in range(2):
        for start in range(0, len(rewards), size):
            z[k] += normalised([row[k] for row in rewards[start : start + size]], 1e-4)
    w = weights or [1.0, 1.0]
    total = [w[0] * a + w[1] * b for a, b in zip(*z, strict=True)]
    if 0 < max(total) - min(total) < 1e-5:
        return  # whether they are equal is decided by rounding, and the result by that
    if over == "rows":
        of_rows = normalised(total, 1e-4)
    else:
        tokens = [total[b] for b, kept in enumerate(spec_kept(mask)) for _ in kept]
        mean = math.fsum(tokens) / len(tokens)
        var = math.fsum((x - mean) ** 2 for x in tokens) / (len(tokens) - 1)
        of_rows = [(x - mean) / math.sqrt(var + 1e-8) for x in total]
    options = {"weights": None if weights is None else torch.tensor(weights, dtype=dtype), "over": over}
    ours = gdpo_advantages(torch.tensor(rewards, dtype=dtype), mask, group_size=size, **options)
    assert ours.dtype == computed_in(dtype)
    expected = [[of_rows[b] * m for m in row] for b, row in enumerate(mask.tolist())]
    if max(total) == min(total) or max(abs(x) for row in expected for x in row) < 100:
        close(ours, expected, 2e4 * eps(ours.dtype))


def test_a_group_without_a_success_is_refused_unless_it_is_to_count_with_zero():
    message = refused("maxrl_advantages", rewards=torch.tensor([1.0, 0.0, 0.0, 0.0]))
    says(message, "group 1 have the mean 0, expected above 0", 'without_success="zero"')


@pytest.mark.parametrize("group", [[1.0, -1.0], [1.0, -2.0], [-1.0, -1.0]])
@pytest.mark.parametrize("without_success", ["zero", "refuse"])
def test_a_mean_that_is_not_above_zero_is_refused_where_the_rewards_are_not_all_zero(group, without_success):
    rewards = torch.tensor([1.0, 0.0, *group])
    says(refused("maxrl_advantages", rewards=rewards, without_success=without_success), "group 1 have the mean")


@pytest.mark.parametrize("value", [NAN, INF])
def test_rewards_and_weights_that_are_no_numbers_are_refused(value):
    word = str(value).replace("nan", "NaN")
    rewards = torch.tensor([[1.0, 0.0], [0.0, value]])
    says(refused("gdpo_advantages", rewards=rewards), f"rewards is {word} at position (1, 1)")
    says(refused("gdpo_advantages", weights=torch.tensor([1.0, value])), f"weights is {word} at position (1,)")


def test_no_kind_and_too_few_tokens_are_refused():
    none = torch.zeros(2, 0)
    says(refused("gdpo_advantages", rewards=none, weights=None), "rewards has no column", "at least one")
    first = torch.tensor([[1, 0, 0], [0, 0, 0]])
    says(refused("gdpo_advantages", mask=first, over="tokens"), "mask keeps too few tokens")
    says(refusal(maxrl_advantages, REWARDS[:0], group_size=2), "rewards is empty")
