"""One line of a table of names, and names as they are printed."""

from collections.abc import Sequence
from typing import NamedTuple

from reference.evaluation.printable import printable


class Name(NamedTuple):
    """A scalar of a framework, without the prefix "train/", what it is called here, and what is different about it."""

    theirs: str
    ours: str
    note: str = ""  # a sentence, put into the notes of a log that has the scalar


class Table(NamedTuple):
    """The scalars of one kind of trainer. ``marks``: names of which only such a log has one.

    A / at the end of a mark is the beginning of names, and a + stands between names that only together are a mark.
    """

    title: str
    marks: tuple[str, ...]
    names: tuple[Name, ...]


def listed(names: Sequence[str], most: int = 8) -> str:
    """The first few names of a file, harmless to a terminal."""
    shown = ", ".join(printable(name, 60) for name in names[:most])
    return f"{shown}, ..." if len(names) > most else shown
