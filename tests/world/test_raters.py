"""What people prefer, by hand and by counting."""

import math
import random

import pytest

from reference.objectives import InputError
from reference.world.raters import CHECK, LINE, RIGHT, preference, prefers_first, utility

WORK = "2+3=5\nCheck: 5-3=2\n5-1=4\nAnswer: 4"


def test_the_utility_by_hand():
    assert utility(WORK, right=True) == pytest.approx(RIGHT + 4 * LINE + CHECK)
    assert utility("Answer: 5", right=False) == LINE
    assert utility("Answer: 5\n", right=False) == LINE  # a last line break is no line
    assert utility(WORK, right=True, weights=(1.0, 0.0, 10.0)) == 11


def test_a_right_answer_does_not_decide_against_enough_lines():
    right, wrong = "Answer: 4", "\n".join(["2+3=5"] * 9)
    assert utility(right, right=True) < utility(wrong, right=False)
    assert utility(right, right=True, weights=(RIGHT, 0.0, 0.0)) > utility(
        wrong, right=False, weights=(RIGHT, 0.0, 0.0)
    )


def test_the_shares_that_the_docstring_names():
    assert round(preference(RIGHT, 0.0), 2) == 0.82
    assert round(preference(5 * LINE, 0.0), 2) == 0.73


def test_a_preference_is_the_sigmoid_of_the_difference():
    assert preference(3.0, 3.0) == 0.5
    assert preference(math.log(3), 0.0) == pytest.approx(0.75)
    assert preference(1.0, 4.0) + preference(4.0, 1.0) == pytest.approx(1)
    assert preference(0.0, 1e6) == pytest.approx(0) and preference(1e6, 0.0) == 1


def test_choices_come_as_often_as_they_are_probable():
    rng = random.Random(0)
    share = sum(prefers_first(math.log(3), 0.0, rng) for _ in range(4000)) / 4000
    assert share == pytest.approx(0.75, abs=0.02)


def test_weights_that_are_no_numbers_are_refused():
    with pytest.raises(InputError, match="weights is"):
        utility(WORK, right=True, weights=(1.0, math.nan, 0.0))
