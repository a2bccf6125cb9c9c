"""What goes wrong when a call is read: what is not looked at."""

import json
from typing import Any, NoReturn

from reference.teaching.bug import bug

Call = tuple[str, dict[str, Any]]


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key stands there twice")
    return dict(pairs)


def no_json(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def read(text: str) -> Any:
    return json.loads(text, object_pairs_hook=once, parse_constant=no_json)


def checked(call: Any) -> Call:
    """The parts of what was read, if they are those of a call."""
    if not isinstance(call, dict) or call.keys() != {"name", "arguments"}:
        raise ValueError("a call has a name and arguments, and nothing else")
    if not isinstance(call["name"], str) or not isinstance(call["arguments"], dict):
        raise ValueError("the name is a string, and the arguments are an object")
    return call["name"], call["arguments"]


def loads_with_get(text: str) -> Call:
    call = json.loads(text)
    return call.get("name"), call.get("arguments")


def loads_or_value_error(text: str) -> Call:
    try:
        return parse_call__loads.wrong(text)
    except (KeyError, TypeError) as error:
        raise ValueError("no call") from error


@bug(
    "json.loads alone",
    mistake="whatever is JSON and has the two keys is taken for a call: the types, further keys and repeated keys are not "
    "looked at",
    symptom="the tool gets arguments that it cannot use, and the run ends with its TypeError, or they are counted as good",
    likewise=(loads_with_get, loads_or_value_error),
)
def parse_call__loads(text: str) -> Call:
    call = json.loads(text)
    return call["name"], call["arguments"]


@bug(
    "types not looked at",
    mistake="the keys are compared, and what stands behind them may be of any type",
    symptom="arguments that are a string, a list or null reach the tool; the run ends with an AttributeError there",
    wild="odysseus #5043: a list or a number as arguments",
)
def parse_call__types(text: str) -> Call:
    call = read(text)
    if not isinstance(call, dict) or call.keys() != {"name", "arguments"}:
        raise ValueError("a call has a name and arguments, and nothing else")
    return call["name"], call["arguments"]


@bug(
    "name of any type",
    mistake="the arguments have to be an object, and the name may be anything",
    symptom="a call of the tool 3 or null is looked up, and the error names a tool that nobody meant",
)
def parse_call__name(text: str) -> Call:
    call = read(text)
    if not isinstance(call, dict) or "name" not in call:
        raise ValueError("a call has a name")
    _, arguments = checked(call | {"name": ""})
    return call["name"], arguments


@bug(
    "the last of two equal keys",
    mistake="a key that stands there twice is no error: the last one counts, as Python reads it",
    symptom="a reward that another reader computes from the same text is of another call",
)
def parse_call__last_key(text: str) -> Call:
    return checked(json.loads(text, parse_constant=no_json))


@bug(
    "further keys",
    mistake="keys besides the two are no error: they are dropped without a word",
    symptom="the model goes on writing keys that do nothing, and never reads that they do nothing",
)
def parse_call__further_keys(text: str) -> Call:
    call = read(text)
    if not isinstance(call, dict) or not {"name", "arguments"} <= call.keys():
        raise ValueError("a call has a name and arguments")
    return checked({name: call[name] for name in ("name", "arguments")})


@bug(
    "NaN and Infinity",
    mistake="NaN and Infinity are read as numbers: Python does, and JSON has no such words",
    symptom="a call that runs here is refused by a server that reads JSON as it is defined; or a reward becomes NaN",
)
def parse_call__nan(text: str) -> Call:
    return checked(json.loads(text, object_pairs_hook=once))


@bug(
    "a missing key is a KeyError",
    mistake="a text without a name or without arguments raises a KeyError, which whoever catches ValueError does not catch",
    symptom="one malformed call ends the run instead of being answered",
)
def parse_call__key_error(text: str) -> Call:
    call = read(text)
    if not isinstance(call, dict) or call.keys() - {"name", "arguments"} - {"parameters"}:
        raise ValueError("a call has a name and arguments, and nothing else")
    return checked({"name": call["name"], "arguments": call["arguments"]})


def none_and_none(text: str) -> Call | tuple[None, None]:
    try:
        return checked(read(text))
    except ValueError:
        return None, None


@bug(
    "None in place of an error",
    mistake="a text that is no call gives None, without a word on what is wrong with it",
    symptom="a malformed call counts as no call: it becomes the final answer, the model does not read why, and no metric "
    "counts it",
    wild="TRL 1.16 and verl 0.9.1, by choice: the text of a malformed call is the final answer",
    likewise=(none_and_none,),
)
def parse_call__none(text: str) -> Call | None:
    try:
        return checked(read(text))
    except ValueError:
        return None
