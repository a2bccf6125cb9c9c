"""The text of a shell script with its lines, and where quotes and brackets in it end."""

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Source:
    """A text, and the line of the file at which it begins."""

    text: str
    first_line: int = 1

    @cached_property
    def ends(self) -> list[int]:
        return [match.start() for match in re.finditer("\n", self.text)]

    def line(self, place: int) -> int:
        return self.first_line + bisect_right(self.ends, place - 1)


class Unfinished(Exception):
    """A quote or bracket that does not end; ``line`` is where it begins."""

    def __init__(self, line: int) -> None:
        self.line = line


def closing(source: Source, place: int) -> int:
    """The place behind the bracket that closes the one at ``place``; quoted brackets do not count."""
    text, start, depth = source.text, place, 0
    opens, closes = text[place], {"(": ")", "{": "}"}[text[place]] if text[place] in "({" else ")"
    while place < len(text):
        sign = text[place]
        if sign == "\\":
            place += 1
        elif sign == "'" and opens == "(":
            place = find(source, "'", place + 1)
        elif sign == '"':
            place = end_of_quotes(source, place + 1)
        elif sign in (opens, closes):
            depth += 1 if sign == opens else -1
            if not depth:
                return place + 1
        place += 1
    raise Unfinished(source.line(start))


def find(source: Source, sign: str, place: int) -> int:
    found = source.text.find(sign, place)
    if found < 0:
        raise Unfinished(source.line(place))
    return found


def end_of_line(text: str, place: int) -> int:
    found = text.find("\n", place)
    return len(text) if found < 0 else found


def end_of_quotes(source: Source, place: int) -> int:
    """The place of the double quote that ends the text at ``place``; quotes inside of $(...) are its own."""
    text, start = source.text, place
    while place < len(text) and text[place] != '"':
        if text[place] == "\\":
            place += 1
        elif text.startswith(("$(", "${"), place):
            place = closing(source, place + 1) - 1
        place += 1
    if place >= len(text):
        raise Unfinished(source.line(start))
    return place
