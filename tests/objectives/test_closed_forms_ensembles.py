"""Ensembles: results that a reader can work out on paper."""

from float64 import f64
from paper import assert_is

from reference.objectives import group_advantages, mean_of, worst_of

TABLE = f64([2, 5, 3], [10, 9, 14])  # two members, three completions


def test_each_member_loses_its_own_baseline_before_they_are_compared():
    """Less 2: 0, 3, 1. Less 10: 0, -1, 4. The worst: 0, -1, 1; the mean: 0, 1, 2.5."""
    assert_is(worst_of(TABLE, f64(2, 10)), 0, -1, 1)
    assert_is(mean_of(TABLE, f64(2, 10)), 0, 1, 2.5)


def test_without_baselines_the_member_with_the_lowest_constant_is_the_only_one_that_is_heard():
    assert_is(worst_of(TABLE, f64(0, 0)), 2, 5, 3)  # the first member, word for word


def test_a_constant_of_a_member_changes_nothing_where_its_baseline_has_it_too():
    shift = f64(100, -3)
    for function in (worst_of, mean_of):
        same = function(TABLE + shift[:, None], f64(2, 10) + shift)
        assert_is(same, *function(TABLE, f64(2, 10)).tolist())


def test_one_member_is_itself_less_a_constant_and_teaches_the_same():
    alone = TABLE[:1]
    assert_is(worst_of(alone, f64(2)), 0, 3, 1)
    plain = group_advantages(alone[0], group_size=3)
    assert_is(group_advantages(worst_of(alone, f64(2)), group_size=3), *plain.tolist())


def test_one_member_alone_cannot_raise_the_worst_and_raises_the_mean_by_its_share():
    fooled = TABLE + f64([0, 0, 60], [0, 0, 0])  # the first member now likes the third completion by 60 more
    assert_is(worst_of(fooled, f64(2, 10)), 0, -1, 4)  # 4 is what the other member says
    assert_is(mean_of(fooled, f64(2, 10)), 0, 1, 2.5 + 30)


def test_completions_and_members_may_come_in_any_order():
    columns, members = [2, 0, 1], [1, 0]
    for function in (worst_of, mean_of):
        plain = function(TABLE, f64(2, 10))
        assert_is(function(TABLE[:, columns], f64(2, 10)), *plain[columns].tolist())
        assert_is(function(TABLE[members], f64(10, 2)), *plain.tolist())
