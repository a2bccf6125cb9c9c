"""The functions that a learner wrote in other notebooks, read from the saved files."""

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reference.lessons import advantages, alignment, clipping, masking
from reference.lessons.advantages.exercises import EXERCISES as ADVANTAGES
from reference.lessons.alignment.exercises import EXERCISES as ALIGNMENT
from reference.lessons.clipping.exercises import EXERCISES as CLIPPING
from reference.lessons.masking.exercises import EXERCISES as MASKING
from reference.runs.course import COURSE
from reference.teaching.check import judge

EARLIER = (
    (masking.NOTEBOOK, MASKING),
    (alignment.NOTEBOOK, ALIGNMENT),
    (clipping.NOTEBOOK, CLIPPING),
    (advantages.NOTEBOOK, ADVANTAGES),
)


def own(name: str, folder: Path | None = None) -> Callable[..., Any]:
    """The function ``name`` as the learner wrote it, if it passes its check; else the reference. Prints which.

    It is read from the saved notebook in ``folder``: where this notebook runs, or else the folder of the course.
    """
    found = [(stem, table[name]) for stem, table in EARLIER if name in table]
    if not found:
        raise ValueError(f"no notebook before this one has an exercise {name!r}")
    stem, exercise = found[0]
    function = written(notebook_file(stem, folder), name)
    status = "not attempted" if function is None else judge(exercise, [], function).status
    if status == "passed":
        print(f"✓ {name}: yours, from {stem}.ipynb")
        return function
    why = "not written" if status == "not attempted" else "not right yet"
    print(f"○ {name}: {why} in the saved {stem}.ipynb, so the reference stands in")
    return exercise.reference


def notebook_file(stem: str, folder: Path | None) -> Path:
    here = (folder or Path.cwd()) / f"{stem}.ipynb"
    return here if here.is_file() else COURSE / "notebooks" / f"{stem}.ipynb"


def written(file: Path, name: str) -> Callable[..., Any] | None:
    """The last function of that name in a notebook; None if there is none. Only imports and definitions are run."""
    if not file.is_file():
        return None
    namespace: dict[str, Any] = {}
    for cell in json.loads(file.read_text())["cells"]:
        if cell["cell_type"] == "code":
            run_definitions("".join(cell["source"]), namespace)
    found = namespace.get(name)
    return found if callable(found) and getattr(found, "__module__", None) is None else None


def run_definitions(source: str, namespace: dict[str, Any]) -> None:
    """Imports and functions, one by one: a cell that is not finished yet must not hide the others."""
    try:
        body = ast.parse(source).body
    except SyntaxError:  # a magic command, or half a line
        return
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef):
            try:
                exec(compile(ast.Module([node], []), "<notebook>", "exec"), namespace)
            except Exception:  # a default value or a decorator that needs what was not run
                continue
