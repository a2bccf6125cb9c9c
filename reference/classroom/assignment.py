"""A notebook of the course as a source notebook of nbgrader.

An exercise becomes two cells: the learner's, with a solution that nbgrader takes out, and the check, which is locked.
The line that gives points is a hidden test: the learner's copy has the check of the course and no more.
"""

import copy
import re
from typing import Any

from reference.classroom.left_out import left_out
from reference.lessons import EXERCISES

STUB = "raise NotImplementedError"
SKIP = "skip-execution"  # nbclient, and so nbgrader, does not run a cell with this tag; JupyterLab does
EXERCISE = re.compile(r"^### Exercise \d+ · `(\w+)` · .* · (\d+) minutes", re.M)
LINK = re.compile(r"\[([^\[\]]+)\]\((\.\./[^)\s]*)\)")
NOTEBOOK_LINK = re.compile(r"\]\((\d\d_\w+)\.ipynb")
GRADED = """### BEGIN HIDDEN TESTS
from reference.classroom.grading import begin, grade

begin(seconds={seconds})
### END HIDDEN TESTS
check.{name}({name})
### BEGIN HIDDEN TESTS
grade("{name}", {name}, points={points}, seed={seed})
### END HIDDEN TESTS"""

Cell = dict[str, Any]
Notebook = dict[str, Any]


def source_notebook(notebook: Notebook, *, seed: int, seconds: int) -> Notebook:
    """The notebook with solutions, checks that give points, and without outputs.

    ``seed`` draws the inputs of grading, and ``seconds`` is the time that an exercise has there.
    """
    cells = [clean(cell) for cell in notebook["cells"]]
    points = points_of(cells)
    made: list[Cell] = []
    for cell in cells:
        name = exercise_of(cell)
        if name is None:
            made.append(cell)
        else:
            graded = GRADED.format(name=name, points=points[name], seed=seed, seconds=seconds)
            made += [solution_cell(cell, name), check_cell(cell, name, points[name], graded)]
    lock_first_code_cell(made)
    skip_what_no_check_needs(made)
    return {**notebook, "cells": made}


def clean(cell: Cell) -> Cell:
    """A copy with one text, without outputs, and with links that lead somewhere in a folder of the class."""
    made = copy.deepcopy(cell)
    made["source"] = "".join(cell["source"])
    if cell["cell_type"] == "code":
        made["outputs"], made["execution_count"] = [], None
    else:
        made["source"] = with_links(made["source"])
    return made


def with_links(text: str) -> str:
    """../docs stands beside the notebook here, and other lessons in folders of their own. What is not here is no link."""
    text = LINK.sub(lambda link: link[0] if link[2].startswith("../docs/") else link[1], text)
    return NOTEBOOK_LINK.sub(r"](../\1/\1.ipynb", text.replace("](../docs/", "](docs/"))


def points_of(cells: list[Cell]) -> dict[str, int]:
    """Exercise -> its points: as many as its heading has minutes."""
    headings = [cell["source"] for cell in cells if cell["cell_type"] == "markdown"]
    return {name: int(minutes) for name, minutes in EXERCISE.findall("\n".join(headings))}


def exercise_of(cell: Cell) -> str | None:
    """The exercise whose stub and check a cell holds."""
    if cell["cell_type"] != "code" or STUB not in cell["source"]:
        return None
    found = re.search(r"^check\.(\w+)\(", cell["source"], re.M)
    return found[1] if found and found[1] in EXERCISES else None


def solution_cell(cell: Cell, name: str) -> Cell:
    """The stub as the lesson has it. Behind it the solution, which takes its place in the teacher's copy."""
    stub = cell["source"].partition(f"check.{name}(")[0].rstrip()
    solution = EXERCISES[name].in_short.strip()
    made = copy.deepcopy(cell)
    made["source"] = f"{stub}\n### BEGIN SOLUTION\n{solution}\n### END SOLUTION"
    made["metadata"]["nbgrader"] = nbgrader_metadata(name, solution=True)
    return made


def check_cell(cell: Cell, name: str, points: int, source: str) -> Cell:
    """The check of the lesson between hidden lines, the last of which gives points."""
    made = copy.deepcopy(cell)
    made["id"] = f"{cell['id']}-check"
    made["source"] = source
    made["metadata"]["nbgrader"] = nbgrader_metadata(f"check-{name}", points=points)
    return made


def nbgrader_metadata(grade_id: str, *, solution: bool = False, points: int | None = None) -> dict[str, Any]:
    """Of a cell that the learner writes (solution), that is graded (points), or that is only locked."""
    graded = {} if points is None else {"points": points}
    return {
        "grade": points is not None, "grade_id": grade_id, "locked": not solution, "schema_version": 3,
        "solution": solution, "task": False, **graded,
    }  # fmt: skip


def lock_first_code_cell(cells: list[Cell]) -> None:
    """The imports: nbgrader puts them back where somebody has bound ``check`` to something else there."""
    first = next(cell for cell in cells if cell["cell_type"] == "code")
    first["metadata"]["nbgrader"] = nbgrader_metadata("imports")


def skip_what_no_check_needs(cells: list[Cell]) -> None:
    """Tag the cells that grading leaves out."""
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    graded = {index for index, cell in enumerate(code) if "nbgrader" in cell["metadata"]}
    for index in left_out([cell["source"] for cell in code], graded):
        code[index]["metadata"]["tags"] = [*code[index]["metadata"].get("tags", []), SKIP]
