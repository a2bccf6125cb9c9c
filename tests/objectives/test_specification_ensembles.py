"""Ensembles, specified: a plain loop over completions and members, written from the formulas.

Another number of baselines, and rewards without a member, are refused here: no other objective has members.
"""

import math

import pytest
import torch
from calls import refused, says
from generated import DTYPES, close, computed_in, eps, generated
from hypothesis import given
from hypothesis import strategies as st

from reference.objectives import mean_of, worst_of

WAYS = {worst_of: min, mean_of: lambda values: math.fsum(values) / len(values)}


@pytest.mark.parametrize("function", WAYS, ids=lambda function: function.__name__)
@generated
@given(st.sampled_from(DTYPES), st.integers(1, 5), st.integers(1, 6), st.data())
def test_what_members_say_together(function, dtype, members, batch, data):
    value = st.integers(-64, 64).map(lambda whole: whole / 8)  # exact in every dtype
    rewards = [[data.draw(value) for _ in range(batch)] for _ in range(members)]
    baselines = [data.draw(value) for _ in range(members)]
    given_rewards = torch.tensor(rewards, dtype=dtype, requires_grad=True)
    ours = function(given_rewards, torch.tensor(baselines, dtype=dtype))
    assert not ours.requires_grad and ours.dtype == computed_in(dtype)
    expected = [WAYS[function]([rewards[m][b] - baselines[m] for m in range(members)]) for b in range(batch)]
    close(ours, expected, 16 * members * eps(computed_in(dtype)))


@pytest.mark.parametrize("name", ["worst_of", "mean_of"])
def test_no_member_and_another_number_of_baselines_are_refused(name):
    says(refused(name, rewards=torch.zeros(0, 3), baselines=torch.zeros(0)), "rewards has no row", "at least one")
    says(refused(name, baselines=torch.zeros(3)), "baselines", "members")
    says(refused(name, baselines=torch.zeros(1)), "baselines", "members")


@pytest.mark.parametrize("name", ["worst_of", "mean_of"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_one_number_that_is_none_is_refused_although_the_minimum_might_not_be_it(name, value):
    says(
        refused(name, rewards=torch.tensor([[1.0, value], [0.0, 0.0]])),
        f"rewards is {str(value).replace('nan', 'NaN')}",
        "(0, 1)",
    )
    says(refused(name, baselines=torch.tensor([0.0, value])), "baselines is", "(1,)")
