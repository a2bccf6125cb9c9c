"""What goes wrong when a call is read: a text that is no call is made one."""

import ast
import json
import re

from reference.teaching.bug import bug

from .parse_call import Call, checked, no_json, once, read


@bug(
    "found inside prose",
    mistake="the text is searched for something in braces, and whatever stands around it is dropped",
    symptom="the model runs calls that it only talks about: in an explanation, in a quotation, in a code block",
    wild="llama.cpp #18183: JSON in a thought, without the marks of a call, was taken for one",
)
def parse_call__search(text: str) -> Call:
    found = re.search(r"\{.*\}", text, re.DOTALL)
    if found is None:
        raise ValueError("there is nothing in braces")
    return checked(read(found[0]))


@bug(
    "the rest not read",
    mistake="the first object of the text counts, and what stands behind it is not read",
    symptom="of two calls in one text the second is dropped, and the model does not read that it was",
    wild="verl 0.9.1, by choice: of the calls of a turn it runs the first",
)
def parse_call__first_object(text: str) -> Call:
    reader = json.JSONDecoder(object_pairs_hook=once, parse_constant=no_json)
    return checked(reader.raw_decode(text.lstrip())[0])


@bug(
    "a regular expression for the arguments",
    mistake="name and arguments are found by patterns, and the arguments end at the first closing brace",
    symptom="arguments with an object or a brace inside are refused, although they are right; prose around a call is not",
    wild="hermes-agent PR #2335: a lazy pattern broke nested arguments",
)
def parse_call__pattern(text: str) -> Call:
    name, arguments = (re.search(p, text, re.DOTALL) for p in (r'"name": "(.*?)"', r'"arguments": (\{.*?\})'))
    if name is None or arguments is None:
        raise ValueError("no call")
    return checked({"name": name[1], "arguments": read(arguments[1])})


@bug(
    "arguments in quotes",
    mistake="arguments that are a string are read as JSON once more and taken for an object",
    symptom="two ways to write a call are rewarded alike, and another reader refuses one of them",
    wild="smolagents PR #1003, OpenManus PR #989, by choice: some models write them so",
)
def parse_call__quoted(text: str) -> Call:
    call = read(text)
    if isinstance(call, dict) and isinstance(call.get("arguments"), str):
        call["arguments"] = read(call["arguments"])
    return checked(call)


def literal(text: str) -> Call:
    call = ast.literal_eval(text.strip())
    return call["name"], call["arguments"]


def literal_checked(text: str) -> Call:
    return checked(ast.literal_eval(text.strip()))


def evaluated_and_checked(text: str) -> Call:
    return checked(eval(text))


@bug(
    "eval",
    mistake="the text is read as Python, not as JSON: other quotes and tuples are taken, and true and null are not known",
    symptom="a call with true or null ends the run; and with eval whatever the model writes is run on your machine",
    likewise=(literal, literal_checked, evaluated_and_checked),
)
def parse_call__eval(text: str) -> Call:
    call = eval(text.strip())
    return call["name"], call["arguments"]


@bug(
    "a code block unpacked",
    mistake="backticks around a call are taken off first, so a call that is quoted in a code block is run",
    symptom="the model learns to write calls in code blocks, which other readers take for text",
)
def parse_call__unfenced(text: str) -> Call:
    return checked(read(text.strip().removeprefix("```json").removeprefix("```").removesuffix("```")))


@bug(
    "quotes repaired",
    mistake="single quotes are turned into double ones before the text is read",
    symptom="calls in Python's quotes are rewarded like right ones; and an apostrophe inside an argument breaks a right one",
)
def parse_call__quotes(text: str) -> Call:
    return checked(read(text.replace("'", '"')))
