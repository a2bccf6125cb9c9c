#!/usr/bin/env bash
# nbgrader: a learner who has copied a cell gets no grade at all.
#
# One would guess: a cell that was copied and pasted does no harm, for autograde has a step of its own for it, DeduplicateIds.
#
# Seen: that step empties the entry of nbgrader in the first of the two cells, and leaves {}. The next ones take an entry
# without a version for one of an old version, and ask the teacher to update the course: the submission has no grade. With
# OverwriteCells.add_missing_cells, which puts deleted checks back, it is KeyError: 'grade_id' instead. A step between that
# deletes the empty entry helps.
#
# Exits with 1 if this changes.
# FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  "$python" -m pip install --quiet --disable-pip-version-check nbgrader==0.9.6
fi
export PATH="$(dirname "$python"):$PATH"  # nbgrader starts alembic by its name
mkdir "$folder/course" && cd "$folder/course"
"$python" -W ignore - <<'PROGRAM'
import logging, os, sys

import nbformat, nbgrader
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config


def cell(source, grade_id, points=None):
    told = {"grade": points is not None, "solution": points is None, "locked": points is not None, "task": False}
    told |= {"grade_id": grade_id, "schema_version": 3} | ({} if points is None else {"points": points})
    return new_code_cell(source, metadata={"nbgrader": told})


def write(path, cells):
    os.makedirs(os.path.dirname(path))
    nbformat.write(new_notebook(cells=cells), path)


def graded(course, learner, copies):
    """The points of each test cell; None where the submission has no grade. The cell with the solution is there so often."""
    solution, test = nbformat.read("release/ps/one.ipynb", 4).cells
    solution.source = "def double(x):\n    return 2 * x"
    written = [nbformat.from_dict({**solution, "id": f"copy-{number}"}) for number in range(copies)]
    write(f"submitted/{learner}/ps/one.ipynb", [*written, test])
    done = course.autograde("ps", learner)["success"]
    with Gradebook("sqlite:///gradebook.db") as gradebook:
        found = {g.name: g.auto_score for g in gradebook.find_submission_notebook("one", "ps", learner).grades}
    return found if done else None


def course_of(cells):
    write("source/ps/one.ipynb", cells)
    config = Config()
    course = NbGraderAPI(CourseDirectory(root=os.getcwd(), config=config), config=config, log_level=logging.CRITICAL)
    assert course.generate_assignment("ps")["success"]
    return course


print(f"nbgrader {nbgrader.__version__}")
SOLUTION = "def double(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION"
course = course_of([cell(SOLUTION, "double"), cell("assert double(2) == 4", "test-double", 5)])
once, twice = graded(course, "ann", copies=1), graded(course, "bob", copies=2)
print(f"the solution once: {once}, twice: {twice}")
sys.exit(0 if once == {"test-double": 5.0} and twice is None else 1)
PROGRAM
