"""A cell of the table of defaults: an option or a line of code, what it is by default, and what its values mean.

``read_all`` reads the cells of a framework from its source and is what ``record_defaults`` writes.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from reference.algorithms.columns import Recipe
from reference.frameworks.slots import FURTHER_COLUMNS, SLOTS

from .source import Found, NotFound, Reader

COLUMNS = {field.name for field in fields(Recipe)} | FURTHER_COLUMNS.keys()
OTHER = "{value}"  # the key for every value that has no words of its own


@dataclass(frozen=True)
class Value:
    """What one value of an option says: a sentence, and the columns of a recipe that it sets, where there are such."""

    says: str
    columns: dict[str, Any]


def value(says: str, *, loss: str | None = None, columns: dict[str, Any] | None = None) -> Value:
    """``loss``: short for ``columns={"loss": loss}``."""
    columns = (columns or {}) | ({} if loss is None else {"loss": loss})
    if unknown := columns.keys() - COLUMNS:
        raise ValueError(f"no recipe has {', '.join(unknown)}, nor do FURTHER_COLUMNS")
    return Value(says, columns)


@dataclass(frozen=True)
class Cell:
    """``option``: as its users write it, None for what no option changes. ``entry``: of which trainer or program.

    ``says``: one sentence, with ``{value}`` where the value stands; or a ``Value`` for each value that is known, a tuple
    where the value is a list, and one for ``OTHER``. A default without words is recorded without, and the recording command
    names it.
    ``column``: the column of a recipe that the value is copied into.
    ``acts``: False for an option that is accepted and does nothing, in the case that ``says`` names.
    """

    slot: str
    option: str | None
    read: Reader
    says: str | dict[Any, Value]
    column: str = ""
    entry: str = ""
    acts: bool = True

    def __post_init__(self) -> None:
        if self.slot not in SLOTS:
            raise ValueError(f"{self.slot!r} is not one of {', '.join(SLOTS)}")
        if self.column and self.column not in COLUMNS:
            raise ValueError(f"{self.column!r} is no column of a recipe, nor one of FURTHER_COLUMNS")


def cell(
    slot: str,
    option: str | None,
    read: Reader,
    says: str | dict[Any, Value | str],
    *,
    column: str = "",
    entry: str = "",
) -> Cell:
    """What an option is by default. The words of a value may stand alone, where it sets no column."""
    if isinstance(says, dict):
        says = {key: words if isinstance(words, Value) else value(words) for key, words in says.items()}
    return Cell(slot, option, read, says, column, entry)


def fixed(slot: str, read: Reader, says: str, *, columns: dict[str, Any] | None = None, entry: str = "") -> Cell:
    """What the code does, whatever is set."""
    return Cell(slot, None, read, {None: value(says, columns=columns)}, "", entry)


def inert(slot: str, option: str, read: Reader, says: str, *, entry: str = "") -> Cell:
    """An option that is accepted and does nothing, always or in the case that ``says`` names."""
    return Cell(slot, option, read, says, "", entry, acts=False)


def read_all(cells: list[Cell], root: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """The cells as they are stored, and what could not be read. ``root``: the folder that holds the package."""
    stored, lost = [], []
    for one in cells:
        name = one.option or f"a line of code about {one.slot}"
        try:
            found = one.read(root)
        except NotFound as error:
            lost.append(f"{name}: {error}")
            continue
        if isinstance(one.says, dict) and not any(plain(key) in (found.value, OTHER) for key in one.says):
            lost.append(f"{name}: the default is {found.value!r}, and there are no words for it")
        stored.append(as_stored(one, found))
    return stored, lost


def as_stored(one: Cell, found: Found) -> dict[str, Any]:
    return (
        {"slot": one.slot, "entry": one.entry, "option": one.option, "default": found.value, "where": found.where}
        | ({"says": one.says} if isinstance(one.says, str) else {"values": triples(one.says)})
        | ({"column": one.column} if one.column else {})
        | ({} if one.acts else {"acts": False})
    )


def triples(says: dict[Any, Value]) -> list[list[Any]]:
    """JSON has no keys but text: each value with its words and its columns."""
    return [[plain(key), words.says, words.columns] for key, words in says.items()]


def plain(key: Any) -> Any:
    """A list cannot be a key, so a tuple stands for it."""
    return list(key) if isinstance(key, tuple) else key
