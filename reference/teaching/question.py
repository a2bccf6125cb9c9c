"""What a question is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Option:
    text: str
    right: bool
    why: str


@dataclass(frozen=True)
class Question:
    text: str
    options: tuple[Option, ...]


def yes(text: str, why: str) -> Option:
    return Option(text, True, why)


def no(text: str, why: str) -> Option:
    return Option(text, False, why)
