"""Groups, advantages, rewards, normalisers and values on rows of a few tokens."""

import pytest
import torch
from made import made, seen

from reference.audit.checks_groups import centred, completions, dead, kind, prompts, sizes
from reference.audit.checks_normaliser import normaliser
from reference.audit.checks_rewards import returns, sign, token_rewards, values_at_action
from reference.audit.regions import groups

ROWS = ("qqcce_", "qqccce", "qqce__", "qqccce")
PAIRS = [0, 0, 1, 1]


def with_advantages(numbers, *, rewards=None, group=PAIRS, rows=ROWS, **more):
    table = torch.tensor(numbers, dtype=torch.float)[:, None].expand(len(rows), len(rows[0]))
    given = {} if rewards is None else {"rewards": torch.tensor(rewards)}
    return made(*rows, start=2, per_token={"advantages": table}, per_row={"group": torch.tensor(group)} | given, **more)


def test_a_group_is_said_or_found_by_equal_prompts():
    assert groups(with_advantages([1, -1, 1, -1], group=[7, 7, 3, 3])).tolist() == [1, 1, 0, 0]
    assert groups(made("qqce", "qqce", "qoce", "qoce", start=2)).tolist() == [0, 0, 1, 1]
    assert groups(made("qqce", "qqce", "qoce", "ooce", start=2)) is None  # groups of 2, 1 and 1: by chance
    assert groups(made("qqce", "qoce", "ooce", "oqce", start=2, group_size=2)).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("group", "more", "says"),
    [
        (PAIRS, {}, "Groups have two rows"),
        ([0, 0, 0, 1], {}, "Groups have from 1 to 3 rows"),
        ([0, 0, 0, 0], {}, None),
        ([0, 0, 0, 0], {"group_size": 2}, "Groups have 4 rows, and the group size is 2"),
    ],
)
def test_sizes_of_groups(group, more, says):
    found = sizes(with_advantages([1, -1, 1, -1], group=group, **more))
    assert [(one.level, says in one.what) for one in found] == ([("doubt", True)] if says else [])


def test_rows_that_are_no_whole_number_of_groups():
    found = sizes(made(*ROWS[:3], start=2, group_size=2))
    assert seen(found) == [("doubt", "3 rows are no whole number of groups of 2.")]


def test_a_prompt_for_each_group():
    rows = ("qqce", "qqce", "qoce", "qoce")
    assert not prompts(made(*rows, start=2, per_row={"group": torch.tensor(PAIRS)}))
    (found,) = prompts(made(*rows, start=2, per_row={"group": torch.tensor([0, 1, 1, 0])}))
    assert (found.level, found.where) == ("fault", "4 of 4 rows: 0, 1, 2, 3")
    (found,) = prompts(made(*("qqce",) * 4, start=2, per_row={"group": torch.tensor(PAIRS)}))
    assert (found.level, found.what) == (
        "note",
        "Prompts that came more than once: 1 groups repeat another one's prompt.",
    )


def test_equal_completions_are_a_doubt():
    assert completions(with_advantages([1, -1, 1, -1], rows=("qqce",) * 4))[0].level == "doubt"
    assert not completions(with_advantages([1, -1, 1, -1]))


@pytest.mark.parametrize(
    ("numbers", "level"),
    [
        ([1, -1, 1, -1], None),  # over each group
        ([1, 1, -1, -1], None),  # over the batch
        ([1, 0, 1, 0], "fault"),
        ([0, 0, 0, 0], None),
        ([2, 2, 2, 2], "fault"),
    ],
)
def test_advantages_compare(numbers, level):
    found = centred(with_advantages(numbers))
    assert [one.level for one in found] == ([] if level is None else [level])


def test_rewards_in_the_place_of_advantages_say_so():
    (found,) = centred(with_advantages([1, 0, 1, 0], rewards=[1.0, 0.0, 1.0, 0.0]))
    assert found.what == (
        "Advantages are not centred: their mean is 0.5, their std 0.5. None is below 0. They are the rewards themselves."
    )


def test_a_mean_over_tokens_counts_too():
    """Rows of 3, 4, 2 and 4 tokens: 4, -3, 8, -4 add up to 12 - 12 + 16 - 16 = 0 over tokens."""
    assert not centred(with_advantages([4, -3, 8, -4]))


@pytest.mark.parametrize(
    ("rewards", "advantages", "found"),
    [
        ([1.0, 0.0, 1.0, 0.0], [1, -1, 1, -1], []),
        ([1.0, 0.0, 1.0, 1.0], [1, -1, 0, 0], [("note", "1 of 2 groups have equal rewards, and teach nothing.")]),
        ([1.0, 1.0, 1.0, 1.0], [0, 0, 0, 0], [("fault", "All 2 groups have equal rewards, 1 on average: nothing is learned from this batch.")]),
        ([1.0, 0.0, 1.0, 1 - 1e-5], [0.7, -0.7, 0.7, -0.7], [("note", "1 of 2 groups have equal rewards, and teach nothing."), ("fault", "Rows of groups with equal rewards, or nearly equal ones, have advantages as large as the others.")]),
        ([1.0, 0.0, 1.0, 1.0], [0.7, -0.7, 0.3, 0.3], [("note", "1 of 2 groups have equal rewards, and teach nothing.")]),  # a baseline of the batch
    ],
)  # fmt: skip
def test_dead_groups(rewards, advantages, found):
    assert seen(dead(with_advantages(advantages, rewards=rewards))) == found


def test_the_kind_of_an_advantage():
    assert "one number for each completion" in kind(with_advantages([1, -1, 1, -1]))[0].what
    assert kind(with_advantages([0, 0, 0, 0]))[0].level == "doubt"
    table = torch.arange(24.0).view(4, 6)
    assert "differs from token to token" in kind(made(*ROWS, start=2, per_token={"advantages": table}))[0].what


@pytest.mark.parametrize(
    ("number", "level", "says"),
    [
        (13, "note", "the tokens in the loss"),
        (0, "fault", "divided by 0"),
        (float("nan"), "fault", "divided by nan"),
        (21, "fault", "all real tokens, those of the prompts too"),
        (7, "fault", "the first of 2 parts"),  # 3 + 4 of 13
        (6, "fault", "the last of 2 parts"),  # 2 + 4
        (16, "doubt", "the number of slots"),
        (4, "note", "the number of rows"),
        (5, "fault", "2.60 times"),
        (52, "note", "several micro-batches"),
    ],
)
def test_what_a_normaliser_counts(number, level, says):
    """3, 4, 2 and 4 tokens are in the loss; 5, 6, 4 and 6 are real; four rows of four slots."""
    (found,) = normaliser(made(*ROWS, start=2, num_tokens=number))
    assert found.level == level and says in found.what


@pytest.mark.parametrize(
    ("table", "levels"),
    [
        ([[0, 0, 1, 0], [0, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 1]], ["note"]),
        ([[0, 1, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 1]], ["note"]),
        ([[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 1, 0], [0, 0, 0, 1]], ["doubt"]),  # one behind the end
        ([[0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 1]], ["fault"]),
        ([[0, 0, 2, 0], [0, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 1]], ["note", "doubt"]),  # do not add up
    ],
)
def test_where_rewards_stand(table, levels):
    wide = torch.nn.functional.pad(torch.tensor(table), (2, 0))
    batch = made(*ROWS, start=2, per_token={"token_rewards": wide}, per_row={"rewards": torch.ones(4)})
    assert [one.level for one in token_rewards(batch)] == levels


def test_returns_are_values_plus_advantages_up_to_whitening():
    generator = torch.Generator().manual_seed(0)
    rows = ("q" + "c" * 40,)
    advantages, values = torch.randn(2, 1, 41, generator=generator)
    for scale, right in ((1.0, True), (3.0, True)):
        tables = {"advantages": scale * advantages - 1, "values": values, "returns": values + advantages}
        assert [one.level for one in returns(made(*rows, start=1, per_token=tables))] == ["note"] * right
    tables["returns"] = advantages
    assert [one.level for one in returns(made(*rows, start=1, per_token=tables))] == ["fault"]


@pytest.mark.parametrize(("late", "level"), [(True, None), (False, "doubt")])
def test_values_that_know_their_own_token(late, level):
    """V loses the log-prob of every token: behind it, as it should, or at it."""
    generator = torch.Generator().manual_seed(0)
    old = -(torch.rand(2, 121, generator=generator) ** 4)
    values = old.cumsum(dim=1)
    values = torch.nn.functional.pad(values[:, :-1], (1, 0)) if late else values
    batch = made(*("q" + "c" * 120,) * 2, start=1, per_token={"old_logprobs": old, "values": values})
    assert [one.level for one in values_at_action(batch)] == ([] if level is None else [level])


@pytest.mark.parametrize(
    ("advantages", "rewards", "found"),
    [
        ([1, -1, 1, -1], [1.0, 0.0, 1.0, 0.0], []),
        ([-1, 1, -1, 1], [1.0, 0.0, 1.0, 0.0], ["4 of 4 rows: 0, 1, 2, 3"]),
        ([-1, 1, 0, 0], [1.0, 0.0, 1.0, 1.0], ["2 of 4 rows: 0, 1"]),  # the second group is dead
        ([-1, 1, 2, -2], [1.0, 0.0, 1.0, 0.0], []),  # one group each way, the second by more
        ([0, 0, 0, 0], [1.0, 0.0, 1.0, 0.0], []),
    ],
)
def test_a_minus_sign_too_many(advantages, rewards, found):
    assert [one.where for one in sign(with_advantages(advantages, rewards=rewards))] == found
