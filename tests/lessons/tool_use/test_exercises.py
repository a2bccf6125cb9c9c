"""What ``check`` says on the exercises of the lesson on tool use."""

import json
import re

import pytest

from reference.lessons.tool_use.exercises import EXERCISES, keep_call_cases, text_is_call, what_happens
from reference.lessons.tool_use.texts import CALLS, NO_CALLS
from reference.objectives import keep_call
from reference.teaching.check import judge
from reference.world.tool_calls import parse_call

EXERCISE = EXERCISES["parse_call"]


def verdict(function):
    return judge(EXERCISE, [], function)


def test_what_is_called_a_call_is_one_and_nothing_else_is():
    assert all(map(text_is_call, CALLS)) and not any(map(text_is_call, NO_CALLS))


def test_every_error_of_the_kind_is_a_refusal_and_another_one_is_named():
    def refuses(text):
        raise json.JSONDecodeError("no", text, 0)

    def fails(text):
        return {}["name"]

    assert what_happens(refuses, "no call") == "raises ValueError" == what_happens(parse_call, "no call")
    assert what_happens(fails, "no call") == "raises KeyError"
    with pytest.raises(KeyError):
        what_happens(fails, CALLS[0])  # of a call every other error keeps its traceback, so that its line can be shown


def test_a_solution_that_refuses_right_calls_is_told_so():
    message = verdict(lambda text: exec("raise ValueError('never')")).message
    assert f"wrong on {len(CALLS)} of {len(CALLS) + len(NO_CALLS)} cases" in message
    assert "target returns 'calculator', {\"expression\":" in message and "yours  raises ValueError" in message


def test_an_error_on_a_call_is_shown_with_its_line():
    def misspelt(text):
        call = json.loads(text)
        return call["nam"], call["arguments"]

    assert re.search(r"it raised KeyError in line \d+ of your cell: 'nam'", verdict(misspelt).message)


@pytest.mark.parametrize("value", [None, "raises ValueError", ("calculator",), (3, {1, 2}), {"name": "calculator"}])
def test_no_value_stands_for_a_refusal(value):
    assert verdict(lambda text: value).status == "wrong"


def test_a_stub_is_not_attempted_and_what_is_begun_for_calls_alone_is_not_finished():
    def stub(text):
        raise NotImplementedError

    def half(text):
        return parse_call(text) if text_is_call(text) else stub(text)

    assert verdict(stub).status == "not attempted"
    assert f"still to do is {len(NO_CALLS)} of {len(CALLS) + len(NO_CALLS)} cases" in verdict(half).message


def test_some_gains_are_the_threshold_exactly():
    for seed in range(5):
        for case in keep_call_cases(seed):
            assert all((loss >= 0).all() for loss in case.arguments.values())
        ties = keep_call_cases(seed)[3]
        at, above = (keep_call(*ties.arguments.values(), threshold=t) for t in (0.5, 0.5001))
        assert at.tolist() == [True, True, True, False] and not above.any()
