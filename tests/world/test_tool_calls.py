"""Calls as a model writes them: read strictly, and answered whatever was written."""

import json
import random
from collections import Counter

import pytest

from reference.objectives.shapes import InputError
from reference.world.tool_calls import KINDS, LONGEST, LONGEST_RESULT, TOOLS, answer_call, schemas

GOOD = '{"name": "calculator", "arguments": {"expression": "47*86"}}'


def call(**changes: object) -> str:
    return json.dumps({"name": "calculator", "arguments": {"expression": "47*86"}} | changes)


def test_a_good_call_is_run():
    assert (answer_call(GOOD).kind, answer_call(GOOD).text) == ("ok", "4042")
    assert answer_call(' {"arguments":{"expression":"47\\u002a86"},"name":"calculator"} ').text == "4042"


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("", "malformed", "not JSON"),
        (GOOD[:-1], "malformed", "not JSON"),
        (GOOD + GOOD, "malformed", "Extra data"),
        (GOOD + " Answer: 4042", "malformed", "Extra data"),
        (GOOD.replace('"', "'"), "malformed", "not JSON"),
        ("[]", "malformed", "and nothing else"),
        ("7", "malformed", "and nothing else"),
        ("null", "malformed", "and nothing else"),
        ('{"name": "calculator"}', "malformed", "and nothing else"),
        (call(id=1), "malformed", "and nothing else"),
        (call(name=7), "malformed", "the name is a string"),
        (call(arguments='{"expression": "1"}'), "malformed", "the arguments are an object"),
        (call(arguments=["1"]), "malformed", "the arguments are an object"),
        ('{"name": "a", "name": "calculator", "arguments": {}}', "malformed", "the same key twice"),
        ('{"name": NaN, "arguments": {}}', "malformed", "NaN is not JSON"),
        ("[" * 150, "malformed", "not JSON"),
        ("9" * 10_000, "malformed", f"10000 characters, at most {LONGEST}"),
        (call(name="search"), "unknown tool", "no tool 'search', there is calculator"),
        (call(name="Calculator"), "unknown tool", "there is calculator"),
        (call(name="__class__"), "unknown tool", "there is calculator"),
        (call(arguments={}), "wrong arguments", "needs the argument expression"),
        (call(arguments={"expression": "1", "digits": "2"}), "wrong arguments", "has no argument 'digits'"),
        (call(arguments={"expression": 7}), "wrong arguments", "is no string"),
        (call(arguments={"expression": None}), "wrong arguments", "is no string"),
        (call(arguments={"expression": {"expression": "1"}}), "wrong arguments", "is no string"),
        ('{"name": "calculator", "arguments": {"expression": ' + "9" * 140 + "}}", "wrong arguments", "is no string"),
        (call(arguments={"expression": "47*"}), "refused by the tool", "ends too early"),
        (call(arguments={"expression": "٤٧"}), "refused by the tool", "expected a number"),
        (call(arguments={"expression": "9" * 100}), "refused by the tool", "100 characters"),
    ],
)
def test_every_other_call_is_answered_with_an_error_of_its_kind(text, kind, words):
    result = answer_call(text)
    assert result.kind == kind
    assert result.text.startswith("error: ") and words in result.text


def test_ten_thousand_calls_with_random_faults_are_all_answered():
    rng, seen = random.Random(0), Counter()
    parts = [*'{}[]":,\\0129*+-()eE. ²', "true", "null", "\ud800", "<|tool|>", "\x00", "calculator", "expression"]
    for _ in range(10_000):
        text = list(GOOD)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(text))
            text[at : at + rng.randint(0, 3)] = rng.choice([*parts, chr(rng.randrange(0x110000))])
        result = answer_call("".join(text))
        assert result.text.isascii() and 0 < len(result.text) <= LONGEST_RESULT
        seen[result.kind] += 1
    assert seen.keys() == set(KINDS) - {"over budget"}, seen  # the budget is the rollout's to keep


def test_a_result_is_cut_to_its_longest_and_stays_ascii():
    tools = {"echo": lambda: "é" * 500}
    tools["echo"].__doc__ = "Say something."
    assert len(answer_call('{"name": "echo", "arguments": {}}', tools).text) == LONGEST_RESULT


def tool_that(act):
    """A tool named act, with an argument that may be left out."""

    def tool(text: str = ""):
        """Act.

        Args:
            text: some words
        """
        return act(text)

    return {"act": tool}


def failing(error: Exception):
    def act(text):
        raise error

    return act


ACT = '{"name": "act", "arguments": {"text": "abc"}}'


@pytest.mark.parametrize(
    ("act", "kind", "text"),
    [
        (str.upper, "ok", "ABC"),
        (len, "ok", "3"),
        (lambda text: "9" * 10_000, "ok", "9" * LONGEST_RESULT),
        (lambda text: "é\n", "ok", "\\xe9\\n"),
        (lambda text: None, "refused by the tool", "error: act returned nothing"),
        (failing(ValueError("too long")), "refused by the tool", "error: too long"),
        (failing(ValueError()), "refused by the tool", "error: act refused"),
        (lambda text: 10**5000, "refused by the tool", "error: Exceeds the limit"),  # more digits than Python prints
    ],
)
def test_whatever_a_tool_returns_or_refuses_is_an_answer(act, kind, text):
    result = answer_call(ACT, tool_that(act))
    assert result.kind == kind and result.text.startswith(text) and len(result.text) <= LONGEST_RESULT


def test_a_tool_that_fails_is_an_answer_too_and_a_warning_names_it():
    with pytest.warns(UserWarning, match="the tool act raised KeyError, and the call counts as refused by the tool"):
        result = answer_call(ACT, tool_that(failing(KeyError("x" * 500))))
    assert result.kind == "refused by the tool" and result.text.startswith("error: act failed with KeyError: 'xxx")
    assert len(result.text) == LONGEST_RESULT


def test_an_argument_with_a_default_may_be_left_out():
    assert answer_call('{"name": "act", "arguments": {}}', tool_that(len)).text == "0"


def test_a_tool_is_called_by_its_key_and_one_without_a_schema_is_refused():
    assert [schema["function"]["name"] for schema in schemas(tool_that(len))] == ["act"]
    with pytest.raises(InputError, match=r"the tool echo has no schema \(.*no docstring.*\): give it type hints"):
        schemas({"echo": lambda text: text})


def test_the_schemas_are_those_of_the_tools():
    assert [schema["function"]["name"] for schema in schemas()] == list(TOOLS)
