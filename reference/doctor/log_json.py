"""Rows of a log that is JSON: one object per line, one object that holds a list, or lines of verl's console."""

import re
from typing import Any

from reference.evaluation.file_lines import NOT_JSON, Trouble, read_objects
from reference.evaluation.printable import counted
from reference.objectives.shapes import InputError

Row = dict[str, Any]
PLAIN = re.compile(r"np\.\w+\((.*)\)")  # how numpy 2 prints a number


def rows_of_json(path: str, notes: list[str]) -> tuple[list[Row], str]:
    """The rows of JSONL or of a trainer_state.json, nested keys joined by a slash; and the framework if the form says it."""
    trouble = Trouble()
    objects = [value for _, value in read_objects(path, trouble, progress=False)]
    if bad := trouble.counts[NOT_JSON]:
        notes.append(f"{counted(bad, 'line')} of the file {'is' if bad == 1 else 'are'} no JSON, left out.")
    for kind, count in trouble.counts.items():
        if kind not in (NOT_JSON, "empty lines"):
            notes.append(f"The file has {kind}: {count}.")
    if len(objects) == 1 and isinstance(objects[0].get("log_history"), list):
        return [flat(row) for row in objects[0]["log_history"] if isinstance(row, dict)], "trl"
    if objects and all(set(row) == {"step", "data"} and isinstance(row["data"], dict) for row in objects):
        return [{"step": row["step"], **flat(row["data"])} for row in objects], "verl"
    return [flat(row) for row in objects], ""


def flat(row: Row, before: str = "") -> Row:
    """A dict without dicts in it: {"train": {"loss": 1}} is {"train/loss": 1}. Lists and texts of several words are no scalars."""
    found: Row = {}
    for key, value in row.items():
        name = f"{before}{key}"
        if isinstance(value, dict):
            found |= flat(value, f"{name}/")
        elif not isinstance(value, list):
            found[name] = value
    return found


def rows_of_console(text: str) -> list[Row]:
    """The lines "step:1 - actor/lr:1e-6 - ..." that verl prints, whatever stands before them."""
    rows = []
    for line in text.splitlines():
        if not (start := re.search(r"step:\d+ - ", line)):
            continue
        pairs = [part.rsplit(":", 1) for part in line[start.start() :].split(" - ")]
        rows.append({pair[0].strip(): bare(pair[1].strip()) for pair in pairs if len(pair) == 2})
    return rows


def bare(text: str) -> str:
    """The number in np.float64(0.5), as numpy prints it since version 2."""
    found = PLAIN.fullmatch(text)
    return found[1] if found else text


def require_rows(rows: list[Row], source: str) -> None:
    if not rows:
        raise InputError(
            f"{source} holds no rows of a log: expected JSON objects, one in each line, a trainer_state.json, "
            "a CSV with a header, or a TensorBoard folder"
        )
