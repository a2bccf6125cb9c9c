"""Change points and trends on series made by hand, and how often they are wrong on noise."""

import random
from math import exp, inf, nan

import pytest

from reference.doctor.changes import change_points, finite, largest, noise, pettitt, ranks, trend

STEP = [0.0] * 8 + [1.0] * 8


def test_ranks_begin_at_1_and_ties_share_theirs():
    assert ranks([3.0, 1.0, 2.0]) == [3.0, 1.0, 2.0]
    assert ranks([5.0, 5.0, 1.0, 5.0]) == [3.0, 3.0, 1.0, 3.0]  # places 2, 3 and 4
    assert ranks([]) == []


def test_the_chance_of_a_step_in_sixteen_values():
    """Ranks: eight times 4.5, eight times 12.5. U = 2 * 36 - 8 * 17 = -64 at the eighth."""
    place, chance = pettitt(STEP)
    assert (place, chance) == (8, pytest.approx(2 * exp(-6 * 64**2 / (16**3 + 16**2))))


def test_a_step_is_found_where_it_is_with_both_levels():
    (change,) = change_points(STEP)
    assert (change.index, change.before, change.after) == (8, 0.0, 1.0) and change.chance < 0.01
    assert change_points(STEP, alarm=0.001) == []


def test_two_steps_are_found_and_values_that_were_not_logged_are_left_out():
    series = [nan, *STEP, *([3.0, inf] * 8)]
    assert [(c.index, c.before, c.after) for c in change_points(series)] == [(9, 0.0, 1.0), (17, 1.0, 3.0)]
    assert finite([nan, 2.0, inf]) == [(1, 2.0)]


def test_one_wild_value_is_no_change():
    assert change_points([0.0] * 10 + [1e9] + [0.0] * 10) == []
    assert change_points([1.0] * 30) == change_points([]) == change_points([1.0, 2.0]) == []


@pytest.mark.parametrize("length", [20, 60])
def test_on_noise_a_series_in_a_hundred_has_a_change_or_a_trend(length):
    """At a chance of 0.01 about 3 of 300 are expected, and more than 8 in one of 250 such tests."""
    draw = random.Random(length)
    made = [[draw.gauss(0, 1) for _ in range(length)] for _ in range(300)]
    assert sum(bool(change_points(series)) for series in made) <= 8
    assert sum(trend(series)[1] < 0.01 for series in made) <= 8


def test_the_noise_is_the_usual_step_and_no_change_of_level_adds_to_it():
    assert noise([0.0, 1.0, 0.0, 1.0, 0.0]) == pytest.approx(1.05)
    assert noise([0.0, 0.1, 0.0, 9.0, 9.1, 9.0]) == pytest.approx(0.105)
    assert noise([1.0]) == 0.0


def test_the_largest_changes_come_in_their_order():
    series = [0.0] * 8 + [1.0] * 8 + [9.0] * 8
    assert [(c.index, c.before, c.after) for c in largest(change_points(series), 1)] == [(16, 1.0, 9.0)]
    assert [c.index for c in largest(change_points(series), 2)] == [8, 16]


def test_a_trend_has_rank_correlation_1_and_a_change_of_sign_turns_it():
    rho, chance = trend([1.0, 2.0, 4.0, 8.0, 9.0, 20.0, 21.0, 30.0, 31.0, 40.0])
    assert rho == pytest.approx(1.0) and chance == pytest.approx(0.0027, abs=1e-4)  # a normal value beyond 3
    assert trend([-1.0, -2.0, -4.0, -8.0])[0] == pytest.approx(-1.0)
    assert trend([1.0, 1.0, 1.0]) == (0.0, 1.0) and trend([1.0, 2.0]) == (0.0, 1.0)
