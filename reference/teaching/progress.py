"""``progress``: which exercises are solved, which were tried, and what is next."""

import html
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from IPython import get_ipython
from IPython.display import display

from reference.objectives.shapes import InputError

from .verdict_file import OFF, VARIABLE, Line, delete, kept, verdict_file

COLUMNS = ("notebook", "exercise", "state", "last mistake")
NOTHING_KEPT = f"Nothing is kept, because the environment variable {VARIABLE} is {OFF} or there is no home folder."


@dataclass(frozen=True)
class State:
    """One exercise: how many verdicts it got until it was solved, or in all."""

    notebook: str
    exercise: str
    tries: int
    solved: bool
    mistake: str = ""  # the last that was named, as long as the exercise is not solved

    @property
    def words(self) -> str:
        if self.solved:
            return "solved at the first try" if self.tries == 1 else f"solved at try {self.tries}"
        return f"tried {self.tries} {'time' if self.tries == 1 else 'times'}" if self.tries else "not tried"


@dataclass(frozen=True)
class Report:
    """The same for a terminal and for a notebook."""

    text: str
    page: str


def progress(notebooks: Mapping[str, Sequence[str]], *, reset: bool = False) -> None:
    """Show the report, or delete the file. ``notebooks``: the exercises of each, in the order of the course."""
    try:
        found = Report(words := forget(), paragraph(words)) if reset else report(notebooks)
    except InputError as error:
        found = Report(str(error), paragraph(str(error)))
    if get_ipython() is None:
        print(found.text)
    else:
        display({"text/html": found.page, "text/plain": found.text}, raw=True)


def report(notebooks: Mapping[str, Sequence[str]]) -> Report:
    """What the file says. Raises ``InputError`` where it cannot be read."""
    file = verdict_file()
    if file is None:
        return Report(NOTHING_KEPT, paragraph(NOTHING_KEPT))
    lines = kept(file)
    found = states(notebooks, lines)
    rows, above, below = table_rows(found), in_all(found), [what_next(found, lines), where(file)]
    text = "\n".join([above, "", *aligned([COLUMNS, *rows]), "", *below])
    return Report(text, as_table(above, rows) + "".join(map(paragraph, below)))


def forget() -> str:
    """Delete the file. Returns what was done, in a sentence."""
    file = verdict_file()
    if file is None:
        return NOTHING_KEPT
    count = delete(file)
    return f"Deleted: {count} {'verdict' if count == 1 else 'verdicts'} in {file}." if count else f"{file} was empty."


def states(notebooks: Mapping[str, Sequence[str]], lines: Sequence[Line]) -> list[State]:
    """Every exercise of the course. What was solved once stays solved; a verdict on an unknown exercise does not count."""
    return [
        state(notebook, name, [line for line in lines if line.exercise == name])
        for notebook, names in notebooks.items()
        for name in names
    ]


def state(notebook: str, name: str, lines: Sequence[Line]) -> State:
    solved = next((number for number, line in enumerate(lines, 1) if line.status == "passed"), None)
    if solved is not None:
        return State(notebook, name, solved, True)
    return State(notebook, name, len(lines), False, lines[-1].mistake if lines else "")


def next_exercise(found: Sequence[State], lines: Sequence[Line]) -> State | None:
    """The exercise of the last verdict if it is not solved; else the next one after it that is not, round the course."""
    names = [one.exercise for one in found]
    last = next((names.index(line.exercise) for line in reversed(lines) if line.exercise in names), 0)
    return next((one for one in [*found[last:], *found[:last]] if not one.solved), None)


def what_next(found: Sequence[State], lines: Sequence[Line]) -> str:
    one = next_exercise(found, lines)
    if one is None:
        return "All exercises are solved."
    return f'Next: {one.exercise} in {one.notebook}.ipynb. hint("{one.exercise}") helps.'


def in_all(found: Sequence[State]) -> str:
    solved, tried = sum(one.solved for one in found), sum(bool(one.tries) and not one.solved for one in found)
    return f"{solved} of {len(found)} exercises are solved; {tried} more {'was' if tried == 1 else 'were'} tried."


def where(file: Path) -> str:
    return f"This is kept in {short(file)}, and sent nowhere. progress(reset=True) deletes it."


def short(file: Path) -> str:
    """A path below the home folder begins with ~ (not on Windows, where no shell reads it)."""
    home = Path(os.path.expanduser("~"))
    return f"~/{file.relative_to(home).as_posix()}" if os.name != "nt" and file.is_relative_to(home) else str(file)


def table_rows(found: Sequence[State]) -> list[tuple[str, ...]]:
    """A row for each exercise of a notebook that was begun, and one for each other notebook."""
    rows: list[tuple[str, ...]] = []
    for notebook in dict.fromkeys(one.notebook for one in found):
        those = [one for one in found if one.notebook == notebook]
        if any(one.tries for one in those):
            rows += [(notebook, one.exercise, one.words, one.mistake) for one in those]
        else:
            rows.append((notebook, f"all {len(those)}" if len(those) > 1 else those[0].exercise, "not tried", ""))
    return rows


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(n) for cell, n in zip(row, widths, strict=True)).rstrip() for row in rows]


def as_table(caption: str, rows: Sequence[Sequence[str]]) -> str:
    """A table that a screen reader can walk through: a caption, and headings of columns and rows. No colours."""
    head = "".join(f'<th scope="col">{name}</th>' for name in COLUMNS)
    body = "".join(f"<tr>{cells(row)}</tr>" for row in rows)
    return (
        f"<table><caption>{html.escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def cells(row: Sequence[str]) -> str:
    notebook, exercise, *others = map(html.escape, row)
    rest = "".join(f"<td>{cell}</td>" for cell in others)
    return f'<td>{notebook}</td><th scope="row">{exercise}</th>{rest}'


def paragraph(words: str) -> str:
    return f"<p>{html.escape(words)}</p>"
