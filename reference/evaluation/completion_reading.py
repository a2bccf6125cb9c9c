"""How a file is being read: which field was taken for what, what was strange, and which problems were met so far."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from reference.evaluation.completion_fields import LISTS, NAMES
from reference.evaluation.completion_texts import Leaf, at, completions_of, golds_of, same_words
from reference.evaluation.file_lines import Trouble, read_objects


@dataclass(frozen=True)
class Record:
    """One line that can be scored."""

    line: int
    key: str  # of the problem: its id, else its question, else the line
    question: str
    golds: tuple[str, ...]  # any of them is right
    completions: list[str]
    truncated: list[bool]
    tokens: list[int] | None
    log_ratios: list[list[float]] | None = None  # of the first tokens, to another model


@dataclass
class Golds:
    """Gold answers of a file of their own, by ("id", id) and by ("question", question); and how that file was read."""

    answers: dict[tuple[str, str], tuple[str, ...]]
    reading: "Reading"

    def of(self, identity: str | None, question: str) -> tuple[str, ...] | None:
        return self.answers.get(("id", identity or "")) or self.answers.get(("question", same_words(question)))


@dataclass
class Reading:
    """How a file was read: which field was taken for what, what was wrong, and the problems that were met."""

    path: str
    fields: dict[str, str] = field(default_factory=dict)
    trouble: Trouble = field(default_factory=Trouble)
    golds: Golds | None = None  # where they stand in another file
    protocol: dict[str, str | bool] | None = None  # of the first line that can be scored
    sample_fields: list[str] = field(default_factory=list)  # of the first object, for a message
    problems: dict[str, tuple[tuple[str, ...], int, str | None]] = field(default_factory=dict)
    questions: dict[int, str] = field(default_factory=dict)  # to the first problem that asks it
    lines_seen: set[int] = field(default_factory=set)


def found(row: dict[str, Any], role: str, reading: Reading, of: Callable[[Any], Any]) -> Any:
    """What the line holds in this role. The first line that has a usable field decides which it is for the whole file."""
    if name := reading.fields.get(role):
        return of(at(row, name))
    other, empty = reading.fields.get("answer") if role == "completion" else None, None
    for name in guesses(row, role):
        if name == other or not (value := of(at(row, name))):
            continue
        if role == "completion" and all(text is None for text, _ in value):
            empty = empty or value  # an object without a text: settings of the sampler, say
            continue
        reading.fields[role] = name
        return value
    return empty


def guesses(row: dict[str, Any], role: str) -> Iterator[str]:
    """The fields of a line that may have this role, as they are written there: those of the line, then those of its objects."""
    names = {name.lower(): name for name in row}
    for name in NAMES[role]:
        if "." in name or name in names:
            yield names.get(name, name)
    for outer, value in row.items() if role != "id" else ():
        inner = {name.lower(): name for name in value} if isinstance(value, dict) and "." not in outer else {}
        yield from (f"{outer}.{inner[name]}" for name in NAMES[role] if name in inner)


def completions_in(row: dict[str, Any], reading: Reading) -> list[Leaf]:
    """The completions of a line. A list of the steps of one solution is one completion."""
    leaves = found(row, "completion", reading, completions_of)
    name = reading.fields.get("completion", "")
    if not leaves and name in row and row[name] is None:
        return [(None, False)]  # a request that failed, say: to leave it out would raise the score
    if leaves and name.endswith("_steps"):
        return [("\n".join(text or "" for text, _ in leaves), any(cut for _, cut in leaves))]
    return leaves


def rows_of(path: str, trouble: Trouble, *, progress: bool) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a file. One that wraps a list of them, as the logs of inspect-ai do, gives those, numbered from 1."""
    for line, row in read_objects(path, trouble, progress=progress):
        inner = next((row[name] for name in LISTS if wraps(row, row.get(name))), None)
        yield from enumerate(inner, start=1) if inner else [(line, row)]


def wraps(row: dict[str, Any], value: Any) -> bool:
    """Whether a list in the line has lines of its own: objects with gold answers, where the line itself has none."""
    objects = isinstance(value, list) and bool(value) and all(isinstance(entry, dict) for entry in value)
    return objects and has_gold(value[0]) and not has_gold(row)


def has_gold(row: dict[str, Any]) -> bool:
    return any(golds_of(at(row, name)) for name in NAMES["answer"])
