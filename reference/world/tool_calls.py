"""Calls of tools, as a model writes them: read strictly, run, and answered in words, whatever was written.

A call is one JSON object, ``{"name": "calculator", "arguments": {"expression": "47*86"}}``. A call that cannot be read or
run is answered with an error, which the model may repair; no call is dropped, and none raises an exception. What happened
is counted by its kind. (TRL 1.16 takes a turn with one malformed call for the final answer and runs nothing; verl 0.9.1
runs the first call of a turn only. Neither tells the model.)
"""

import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, get_args

from transformers.utils.chat_template_utils import (
    DocstringParsingException,
    TypeHintParsingException,
    get_json_schema,
)

from reference.objectives.shapes import InputError
from reference.world.calculator import calculator

Kind = Literal["ok", "malformed", "unknown tool", "wrong arguments", "refused by the tool", "over budget"]
KINDS: tuple[Kind, ...] = get_args(Kind)
LONGEST = 200  # characters of a call; more are not read
LONGEST_RESULT = 80  # characters of an answer

Tools = Mapping[str, Callable[..., Any]]  # strings in; what comes out is written with str()
TOOLS: Tools = {"calculator": calculator}


@dataclass(frozen=True)
class Result:
    """The answer to a call: the words of the tool's turn, and what they are."""

    kind: Kind
    text: str


class CallError(ValueError):
    """Why a call was not run. ``kind``: how it is counted."""

    def __init__(self, kind: Kind, text: str):
        super().__init__(text)
        self.kind = kind


def schemas(tools: Tools = TOOLS) -> list[dict[str, Any]]:
    """What ``apply_chat_template(..., tools=...)`` takes: the JSON schema of each tool, made of its docstring.

    Raises ``InputError`` for a tool that no schema can be made of.
    """
    return [schema_of(name, tool) for name, tool in tools.items()]


def schema_of(name: str, tool: Callable[..., Any]) -> dict[str, Any]:
    try:
        schema = get_json_schema(tool)
    except (DocstringParsingException, TypeHintParsingException, ValueError) as error:
        raise InputError(
            f"the tool {name} has no schema ({error}): give it type hints, and a docstring that explains each argument"
        ) from None
    schema["function"]["name"] = name  # by which it is called, whatever the function is called in Python
    return schema


def answer_call(text: str, tools: Tools = TOOLS) -> Result:
    """Read a call, run it, and answer: with the tool's result, or with an error in at most 80 characters."""
    try:
        name, arguments = parse_call(text)
        require_arguments(name, arguments, tools)
        return Result("ok", shortened(run_tool(name, tools[name], arguments)))
    except CallError as error:
        return Result(error.kind, shortened(f"error: {error}"))


def run_tool(name: str, tool: Callable[..., Any], arguments: dict[str, str]) -> str:
    """What the tool returns, as text. Raises ``CallError`` for whatever the tool raises: a run does not end with it.

    A tool refuses with a ``ValueError``, as the calculator does. Any other exception may be a mistake in the tool, so a
    warning names it.
    """
    try:
        found = tool(**arguments)
        if found is not None:
            return str(found)
        words = f"{name} returned nothing"
    except ValueError as error:
        words = str(error) or f"{name} refused"
    except Exception as error:  # a tool is a program of somebody's own: it may fail in any way
        kind = type(error).__name__
        warnings.warn(f"the tool {name} raised {kind}, and the call counts as refused by the tool", stacklevel=1)
        words = f"{name} failed with {kind}: {error}"
    raise CallError("refused by the tool", words)


def parse_call(text: str) -> tuple[str, dict[str, Any]]:
    """Name and arguments of a call. Raises ``CallError`` for everything but one object with exactly these two."""
    if len(text) > LONGEST:
        raise CallError("malformed", f"the call has {len(text)} characters, at most {LONGEST} are read")
    try:
        call = json.loads(text, object_pairs_hook=without_repeats, parse_constant=no_json, parse_int=small)
    except json.JSONDecodeError as error:
        raise CallError(
            "malformed", f"the call is not JSON: {error.msg.removesuffix(' at')} at character {error.pos + 1}"
        ) from None
    if not isinstance(call, dict) or call.keys() != {"name", "arguments"}:
        raise CallError("malformed", 'a call is {"name": ..., "arguments": {...}}, and nothing else')
    if not isinstance(call["name"], str) or not isinstance(call["arguments"], dict):
        raise CallError("malformed", "in a call the name is a string and the arguments are an object")
    return call["name"], call["arguments"]


def require_arguments(name: str, arguments: dict[str, Any], tools: Tools) -> None:
    """Refuse a tool that is not there, and arguments that are missing, unknown, or no strings."""
    if name not in tools:
        raise CallError("unknown tool", f"there is no tool {name[:20]!a}, there is {', '.join(tools)}")
    parameters = schema_of(name, tools[name])["function"]["parameters"]
    expected = parameters["properties"]
    for argument in parameters.get("required", ()):
        if argument not in arguments:
            raise CallError("wrong arguments", f"{name} needs the argument {argument}")
    for argument, value in arguments.items():
        if argument not in expected:
            raise CallError("wrong arguments", f"{name} has no argument {argument[:20]!a}")
        if not isinstance(value, str):
            raise CallError("wrong arguments", f"the argument {argument} is no string: write it in quotes")


def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Python's JSON keeps the last of two equal keys, other readers the first: here it is an error."""
    if len(dict(pairs)) < len(pairs):
        raise CallError("malformed", "the call has the same key twice")
    return dict(pairs)


def no_json(constant: str) -> NoReturn:
    raise CallError("malformed", f"{constant} is not JSON")


def small(digits: str) -> int:
    """No tool here takes a number, so its value does not matter; and int() raises for thousands of digits."""
    return int(digits[:18])


def shortened(text: str) -> str:
    """ASCII of bounded length: an answer goes back into the context."""
    return ascii(text)[1:-1][:LONGEST_RESULT] if not text.isascii() else text[:LONGEST_RESULT]
