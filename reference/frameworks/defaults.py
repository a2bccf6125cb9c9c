"""The recorded defaults: what a framework does when nothing is said, and what its options would change.

Each file of versions/ was read from the source of one version, by name, with file and line;
``tests/oracles/record_defaults.py`` writes it.
"""

import difflib
import functools
import json
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from reference.frameworks.slots import SLOTS
from reference.frameworks.versions import VERSIONS
from reference.objectives.shapes import InputError

OTHER = "{value}"  # in ``values``: the words for every value that has none of its own


@dataclass(frozen=True)
class Value:
    """One value of an option: its words, and the columns of a recipe that it sets."""

    value: Any
    says: str
    columns: dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """An option, or a line of code (``option`` is None), about one slot.

    ``entry``: the trainer or program that it belongs to. ``says``: a sentence with ``{value}`` in it, for an option that
    takes any number; ``values``: the sentences of the values that are known. ``column``: the column of a recipe that the
    value is copied into. ``acts``: False where it is accepted and does nothing.
    """

    slot: str
    entry: str
    option: str | None
    default: Any
    where: str
    says: str = ""
    values: tuple[Value, ...] = ()
    column: str = ""
    acts: bool = True

    def words(self, value: Any) -> str | None:
        """What a value means in one sentence; None where nobody has said it."""
        own = [known.says for known in self.values if same(known.value, value)]
        other = [known.says for known in self.values if known.value == OTHER]
        said = next(iter([*own, *other]), self.says or None)
        return said and said.replace("{value}", spelled(value))

    def columns(self, value: Any) -> dict[str, Any]:
        """The columns of a recipe that this value sets."""
        found = next((known.columns for known in self.values if same(known.value, value)), {})
        return found or ({self.column: value} if self.column and value is not None else {})


@dataclass(frozen=True)
class Framework:
    """One version of a framework. ``name``: as files and commands call it; ``title``: as its authors do.

    ``names``: all its options, also those that are no matter of an algorithm.
    """

    name: str
    title: str
    version: str
    cells: tuple[Cell, ...]
    names: frozenset[str]

    def about(self, slot: str) -> list[Cell]:
        return [cell for cell in self.cells if cell.slot == slot]

    @property
    def entries(self) -> tuple[str, ...]:
        """Its trainers or programs, in the order of the file; ("",) where it has one."""
        return tuple(dict.fromkeys(cell.entry for cell in self.cells))


def spelled(value: Any) -> str:
    """As a config file has it: none, true, 0.2, a text without quotes."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Enum):  # UNEVALUATED
        return "not known before it runs"
    if isinstance(value, list):
        return "[" + ", ".join(map(spelled, value)) + "]"
    return str(value)


def same(a: Any, b: Any) -> bool:
    """Equal, where true is not 1."""
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def read(path: Path) -> Framework:
    content = json.loads(path.read_text(encoding="utf-8"))
    cells = [
        Cell(**{**cell, "values": tuple(Value(*value) for value in cell.get("values", ()))})
        for cell in content["cells"]
    ]
    names = frozenset(content["names"])
    return Framework(content["framework"], content["title"], content["version"], tuple(cells), names)


@functools.cache
def recorded() -> tuple[Framework, ...]:
    """Every recorded version, by title, the newest of each framework first."""
    found = [read(path) for path in VERSIONS.glob("*.json")]
    found.sort(key=lambda framework: release(framework.version), reverse=True)
    return tuple(sorted(found, key=lambda framework: framework.title.lower()))


def release(version: str) -> tuple[int, ...]:
    """1.16.0 is newer than 1.9.2."""
    return tuple(int(part) if part.isdigit() else -1 for part in version.replace("+", ".").split("."))


def newest() -> dict[str, Framework]:
    """By name: of each framework the newest version that is recorded."""
    return {framework.name: framework for framework in reversed(recorded())}


def framework_named(name: str, version: str | None = None) -> Framework:
    """By name or title, and the newest where no version is named. Raises ``InputError`` with what there is."""
    key = name.lower().replace("-", "_")
    matching = [one for one in recorded() if key in (one.name, one.title.lower().replace("-", "_"))]
    if not matching:
        names = sorted(newest())
        near = difflib.get_close_matches(key, names, 1)
        hint = f"; did you mean {near[0]}?" if near else ";"
        raise InputError(f"no framework is called {name!r}{hint} There are: {', '.join(names)}")
    for one in matching:
        if version in (None, one.version):
            return one
    versions = ", ".join(one.version for one in matching)
    raise InputError(f"{matching[0].title} {version} is not recorded, only {versions}")


def slot_named(name: str) -> str:
    """Raises ``InputError`` with the slots that there are."""
    if name in SLOTS:
        return name
    near = difflib.get_close_matches(name, SLOTS, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise InputError(f"--slot {name!r}: {hint}There are: {', '.join(SLOTS)}")
