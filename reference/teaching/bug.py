"""One entry of the bug catalogue. The catalogue itself is in ``bugs``."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Bug:
    """A wrong implementation of ``breaks``, with what to say about it."""

    name: str
    breaks: str
    mistake: str  # what the code does, in one sentence, without giving the answer away
    symptom: str  # how it shows in a training run
    wrong: Callable
    wild: str = ""  # where it happened, if we know, as docs/REFERENCES.md names it


BUGS: list[Bug] = []


def bug(name: str, *, mistake: str, symptom: str, wild: str = "") -> Callable:
    """Add the decorated function to the catalogue. Its own name, up to the double underscore, says what it breaks."""

    def add(wrong: Callable) -> Callable:
        BUGS.append(Bug(name, wrong.__name__.split("__")[0], mistake, symptom, wrong, wild))
        return wrong

    return add
