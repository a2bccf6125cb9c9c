"""What the command line takes as a number: argparse types, each with its own sentence of refusal."""

import argparse
import math
from collections.abc import Callable
from typing import Any


def seed(text: str) -> int:
    """An argparse type: what torch takes as a seed."""
    if 0 <= (value := finite(int)(text)) < 2**63:
        return value
    raise argparse.ArgumentTypeError(f"{text} is not a seed: a whole number from 0 to 2^63 - 1")


def finite(kind: type) -> Callable[[str], Any]:
    """An argparse type: a number."""

    def parse(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
        if not math.isfinite(value):
            raise argparse.ArgumentTypeError(f"{text} is not finite")
        return value

    return parse


def positive(kind: type) -> Callable[[str], Any]:
    """An argparse type: a number above zero."""

    def parse(text: str) -> Any:
        if (value := finite(kind)(text)) > 0:
            return value
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and finite")

    return parse


def optional(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """An argparse type: what ``parse`` takes, or the word none."""
    return lambda text: None if text.lower() == "none" else parse(text)
