"""What a question is."""

from dataclasses import dataclass, replace
from hashlib import sha256


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


def shuffled(name: str, question: Question) -> Question:
    """The question with its options in an order that says nothing about them, and that is the same every time.

    They are sorted by a hash. So whoever writes a question cannot put the right option where it feels natural.
    """
    return replace(question, options=tuple(sorted(question.options, key=lambda o: digest(f"{name}: {o.text}"))))


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
