"""What nbgrader has graded: a result for each learner and exercise, read from the notebooks in autograded/."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reference.objectives.shapes import InputError

Output = dict[str, Any]
VERDICT = "application/vnd.reference.verdict+json"  # the output of a graded cell that says what was found
TOO_SLOW = ("TooSlow", "CellTimeoutError")  # by our time limit, or nbgrader's
WORDS = {
    "passed": "passed",
    "not attempted": "not attempted",
    "wrong": "wrong, and no mistake that is known",
    "copied": "calls the reference",
}


@dataclass(frozen=True)
class Result:
    learner: str
    assignment: str
    exercise: str
    points: float
    of: float
    verdict: str  # passed, or in a few words what is wrong: the name of the mistake where it has one


def results_of(course: Path) -> list[Result]:
    """Of every graded notebook of a course, by assignment, learner and exercise in their order."""
    paths = sorted((course / "autograded").glob("*/*/*.ipynb"), key=lambda path: (path.parts[-2], path.parts[-3]))
    if not paths:
        raise InputError(f"{course} has no graded notebooks: run nbgrader autograde ASSIGNMENT there first")
    return [result for path in paths for result in results_of_notebook(path)]


def results_of_notebook(path: Path) -> Iterator[Result]:
    cells = read_cells(path)
    written = {grade_id_of(cell): cell.get("outputs", []) for cell in cells}
    for cell in cells:
        grade_id = grade_id_of(cell)
        if grade_id.startswith("check-"):
            name = grade_id.removeprefix("check-")
            points, verdict = what_came_out(cell["outputs"], name, written.get(name, []))
            of = cell["metadata"]["nbgrader"]["points"]
            yield Result(path.parts[-3], path.parts[-2], name, points, of, verdict)


def what_came_out(outputs: list[Output], name: str = "", of_solution: Sequence[Output] = ()) -> tuple[float, str]:
    """The points of a graded cell, and its verdict in words. ``of_solution``: what the cell with the function has shown."""
    errors = errors_of(outputs)
    if any(error["ename"] in TOO_SLOW for error in errors):
        return 0.0, "takes too long"
    if others := [error for error in errors if error["ename"] != "NoPoints"]:  # whatever verdict it may have shown
        return 0.0, why_it_failed(others[0], name, errors_of(of_solution))
    found = [output["data"][VERDICT] for output in outputs if VERDICT in output.get("data", {})]
    if not found:
        return 0.0, "was not run"
    grade = found[-1]
    return grade["points"], grade["mistake"] if grade["status"] == "mistake" else WORDS[grade["status"]]


def errors_of(outputs: Sequence[Output]) -> list[Output]:
    return [output for output in outputs if output["output_type"] == "error"]


def why_it_failed(error: Output, name: str, in_solution: list[Output]) -> str:
    """Where there is no function to grade, its own cell says why."""
    if error["ename"] != "NameError" or f"'{name}'" not in error["evalue"]:
        return f"fails with {error['ename']}"
    if in_solution:
        return f"its cell fails with {in_solution[0]['ename']}"
    return f"no function is called {name}"


def read_cells(path: Path) -> list[dict[str, Any]]:
    """The cells of a notebook, each with one text."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [{**cell, "source": "".join(cell["source"])} for cell in cells]


def is_notebook(path: Path) -> bool:
    """Whether ``read_cells`` can read it: a file that was cut on its way is none."""
    try:
        return all("metadata" in cell for cell in read_cells(path))
    except (ValueError, KeyError, TypeError):
        return False


def grade_id_of(cell: dict[str, Any]) -> str:
    """What nbgrader calls a cell: "masked_mean" where it is written, "check-masked_mean" where it is graded."""
    return cell["metadata"].get("nbgrader", {}).get("grade_id", "")


def not_graded(course: Path) -> list[tuple[str, str]]:
    """(learner, assignment) of what was handed in and has no graded notebook: nbgrader has stopped there."""
    handed_in = {path.parts[-2:] for path in (course / "submitted").glob("*/*") if path.is_dir()}
    graded = {path.parts[-3:-1] for path in (course / "autograded").glob("*/*/*.ipynb")}
    return sorted((learner, assignment) for learner, assignment in handed_in - graded)
