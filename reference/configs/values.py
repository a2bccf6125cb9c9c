"""The value of a text on a command line or in YAML: numbers, booleans, null, lists; everything else stays text."""

import re

from reference.configs.option import UNEVALUATED

INTEGER = re.compile(r"[+-]?\d+(_\d+)*")
NUMBER = re.compile(r"[+-]?(\d[\d_]*\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|nan|\.inf|\.nan)", re.IGNORECASE)
WORDS = {"true": True, "false": False, "null": None}
CLOSES = {"[": "]", "{": "}", "(": ")"}
LONGEST_NUMBER = 40  # characters; int() of a million digits takes minutes


def number(text: str) -> int | float | None:
    """The number that a text is, 1e-6 and 1_000 too; None where it is none."""
    if len(text) > LONGEST_NUMBER:
        return None
    if INTEGER.fullmatch(text):
        return int(text)
    return (
        float(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan")) if NUMBER.fullmatch(text) else None
    )


def scalar(text: str) -> object:
    """A text without quotes and brackets: True and true are booleans, null is None, and None is the text None."""
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    found = number(text)
    return text if found is None else found


def value_of(text: str) -> object:
    """What Hydra and YAML make of a text: ``[a, 'b', 3]`` is a list, and what stands in quotes is text."""
    text = text.strip()
    if len(text) >= 2 and text[0] in "'\"" and text[-1] == text[0] and text[0] not in text[1:-1]:
        return text[1:-1]
    if text[:1] == "[" and text[-1:] == "]":
        parts = split_list(text[1:-1])
        return text if parts is None else [value_of(part) for part in parts]
    return scalar(text)


def split_list(inside: str) -> list[str] | None:
    """The parts between the commas of a list; a comma inside quotes or brackets does not count. None if it is no list."""
    parts, start, quote, closers = [], 0, "", ""
    for place, sign in enumerate(inside):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign in CLOSES:
            closers += CLOSES[sign]
        elif closers and sign == closers[-1]:
            closers = closers[:-1]
        elif sign in ")]}":
            return None
        elif sign == "," and not closers:
            parts.append(inside[start:place])
            start = place + 1
        if len(closers) > 20:  # nested so deep that nobody wrote it
            return None
    if quote or closers:
        return None
    last = inside[start:]
    return [*parts, last] if last.strip() else parts


def known_or_not(text: str, known: bool) -> object:
    return value_of(text) if known else UNEVALUATED
