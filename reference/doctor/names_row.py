"""One line of a table of names."""

from typing import NamedTuple


class Name(NamedTuple):
    """A scalar of a framework, without the prefix "train/", what it is called here, and what is different about it."""

    theirs: str
    ours: str
    note: str = ""  # a sentence, put into the notes of a log that has the scalar


class Table(NamedTuple):
    """The scalars of one kind of trainer. ``marks``: names of which only such a log has one; a / at the end: a beginning."""

    title: str
    marks: tuple[str, ...]
    names: tuple[Name, ...]
