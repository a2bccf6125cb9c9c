"""What the command line takes as a value: argparse types, each with its own sentence of refusal."""

import argparse
import difflib
import errno
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

MOST = 2**63 - 1  # the largest seed that torch takes, and more than any count can be


def seed(text: str) -> int:
    """An argparse type: what torch takes as a seed."""
    if (value := finite(int)(text)) >= 0:
        return value
    raise argparse.ArgumentTypeError(f"{text} is not a seed: a whole number from 0 to 2^63 - 1")


def finite(kind: type) -> Callable[[str], Any]:
    """An argparse type: a number, or a whole one."""

    def parse(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            if kind is int and is_float(text):
                raise argparse.ArgumentTypeError(f"{text} is not a whole number") from None
            raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
        if kind is int and abs(value) > MOST:
            raise argparse.ArgumentTypeError(f"{text} is too large: at most 2^63 - 1")
        if not math.isfinite(value):
            raise argparse.ArgumentTypeError(f"{text} is not finite")
        return value

    return parse


def is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def positive(kind: type) -> Callable[[str], Any]:
    """An argparse type: a number above zero."""

    def parse(text: str) -> Any:
        if (value := finite(kind)(text)) > 0:
            return value
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and finite")

    return parse


def not_negative(text: str) -> int:
    """An argparse type: a whole number from 0 on."""
    if (value := finite(int)(text)) >= 0:
        return value
    raise argparse.ArgumentTypeError(f"{text} is below 0")


def optional(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """An argparse type: what ``parse`` takes, or the word none."""
    return lambda text: None if text.lower() == "none" else parse(text)


def one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    """An argparse type: one of these words."""

    def parse(text: str) -> str:
        if text in choices:
            return text
        near = difflib.get_close_matches(text.lower(), [choice for choice in choices if choice != "none"], n=1)
        guess = f" Did you mean {near[0]}?" if near else ""
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(choices)}.{guess}")

    return parse


def one_of_or_folder(choices: tuple[str, ...], kind: str) -> Callable[[str], str]:
    """An argparse type: one of these words, or the folder of such a thing, with its whole path."""

    def parse(text: str) -> str:
        if text in choices or text.startswith(
            "{"
        ):  # a recorded run names an experiment; resumption says that it is gone
            return text
        if os.path.isdir(path := os.path.expanduser(text)):
            return os.path.realpath(path)
        if os.sep in text:
            raise argparse.ArgumentTypeError(f"there is no folder of a {kind} at {text}")
        try:
            return one_of(choices)(text)
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentTypeError(f"{error} The folder of a {kind} may stand there too") from None

    return parse


def source(text: str) -> str:
    """An argparse type: a model, by its folder or by its name on the hub; ``~`` is the home folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the name is empty")
    path = os.path.expanduser(text)
    try:
        path.encode()  # the libraries that read and write models know UTF-8 only
        os.stat(path)
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) not in (errno.ENOENT, errno.ENOTDIR):
            reason = getattr(error, "strerror", None) or str(error)
            excerpt = text if len(text) <= 60 else text[:57] + "..."
            raise argparse.ArgumentTypeError(f"{excerpt!r} is no path ({reason})") from None
    return path


def file(text: str) -> Path:
    """An argparse type: a file, there or not."""
    return Path(source(text))


def folder(text: str) -> Path:
    """An argparse type: a folder, there or not."""
    return Path(source(text))
