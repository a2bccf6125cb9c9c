"""How AReaL's normalisation differs from ours by design: what each test claims of a record stands in the table of README.md."""

import pytest
import torch

from reference import objectives as ours

from .cases import (
    GROUP,
    HOLES,
    ORDINARY,
)
from .claims import F32, oracle
from .equal.areal_formulas import EPS, batch_after_group
from .recorded import different_in, record_of
from .records import assert_same

TITLE = "AReaL"


def different(record: str, *cases: str) -> pytest.MarkDecorator:
    return different_in("areal", *(f"{record} | {case}" for case in cases))


@different("Normalization leave one out", *ORDINARY)
@oracle(
    "rloo_advantages",
    TITLE,
    "`mean_leave1out` with `std_level: group`",
    differs="the std is taken around the leave-one-out means too: G / (G - 1) cancels, and GRPO is left",
)
def test_leave_one_out_cancels_where_the_std_is_the_groups(framework, record):
    case, theirs = record_of(framework, record)
    grpo = ours.group_advantages(case.rewards, group_size=GROUP, eps=EPS * (GROUP - 1) / GROUP)
    assert_same(grpo, theirs["value"], rtol=F32, atol=1e-6)
    scaled = ours.rloo_advantages(case.rewards, group_size=GROUP)
    scaled = scaled / (case.rewards.view(-1, GROUP).std(dim=1).repeat_interleave(GROUP) + EPS)
    assert_same(scaled * (GROUP - 1) / GROUP, theirs["value"], rtol=1e-4)


@different("Normalization group, one each", "full")
@oracle("group_advantages", TITLE, differs="a group of 1 gets 0, an error here with a std")
def test_a_group_of_one_gets_0_there(framework, record):
    case, theirs = record_of(framework, record)
    assert theirs["value"].tolist() == [0.0] * len(case.rewards)
    with pytest.raises(ours.InputError, match="group_size is 1"):
        ours.group_advantages(case.rewards, group_size=1)


@different("Normalization leave one out, one each", "full")
@oracle("rloo_advantages", TITLE, differs="a group of 1 keeps its raw reward, an error here")
def test_a_group_of_one_keeps_its_reward_with_leave_one_out(framework, record):
    case, theirs = record_of(framework, record)
    assert_same(case.rewards / (1 + EPS), theirs["value"], rtol=F32)
    with pytest.raises(ours.InputError, match="group_size is 1"):
        ours.rloo_advantages(case.rewards, group_size=1)


@different("Normalization group, rest", "full")
@oracle(
    "group_advantages",
    TITLE,
    differs="rewards behind the last whole group are divided by `eps`, so that 1 becomes 100000; an error here",
)
def test_rewards_behind_the_last_whole_group_are_divided_by_eps(framework, record):
    case, theirs = record_of(framework, record)
    whole = len(case.rewards) // (GROUP + 1) * (GROUP + 1)
    groups = ours.group_advantages(case.rewards[:whole], group_size=GROUP + 1, eps=EPS)
    assert 0 < len(case.rewards) - whole < GROUP + 1
    assert_same(torch.cat([groups, case.rewards[whole:] / EPS]), theirs["value"], rtol=F32)
    with pytest.raises(ours.InputError, match="whole groups"):
        ours.group_advantages(case.rewards, group_size=GROUP + 1)


@different("Normalization group, batch std", *ORDINARY)
@oracle(
    "group_advantages",
    TITLE,
    "`std_level: batch`",
    differs='the std is that of the rewards minus their group\'s mean, with `scale="batch"` that of the rewards',
)
def test_the_batch_std_is_taken_around_the_group_means(framework, record):
    case, theirs = record_of(framework, record)
    centred = ours.group_advantages(case.rewards, group_size=GROUP, scale="none")
    assert_same(batch_after_group(case.rewards, case), theirs["value"], rtol=F32)
    mine = ours.group_advantages(case.rewards, group_size=GROUP, scale="batch", eps=EPS)
    assert_same(mine * (case.rewards.std() + EPS) / (centred.std() + EPS), theirs["value"], rtol=F32)
    assert centred.std() < 0.99 * case.rewards.std()


@different_in("areal", *(f"{name} | {case}" for name in ("adv_norm", "adv_norm, small") for case in HOLES))
@oracle("whiten", TITLE, "`adv_norm`", differs="1e-5 is added to the std, here 1e-8 to the variance")
def test_its_eps_is_added_to_the_std(framework, record):
    case, theirs = record_of(framework, record)
    x = (1e-4 if "small" in record else 1.0) * case.values
    std = x[case.mask].std()
    assert_same(ours.whiten(x, case.mask, eps=0.0) * std / (std + EPS), theirs["value"], rtol=F32)
    if "small" in record:
        assert not torch.allclose(ours.whiten(x, case.mask).float(), theirs["value"], rtol=0.01)
