#!/usr/bin/env bash
# nbgrader: a right function that warns gets no points.
#
# One would guess: a test cell gives no points where it raises, and all points where it does not.
#
# Seen: a line on stderr counts as an error. The function below is right, and its assert holds. It uses something that is
# deprecated, so Python prints a warning into the output of the test cell, and the cell gets 0 of 5 points.
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


def graded(course, learner, solutions):
    """The points of each test cell; None where the submission has no grade."""
    released = nbformat.read("release/ps/one.ipynb", 4)
    for each in released.cells:
        each.source = solutions.get(each.metadata.nbgrader.grade_id, each.source)
    write(f"submitted/{learner}/ps/one.ipynb", released.cells)
    done = course.autograde("ps", learner)["success"]
    with Gradebook("sqlite:///gradebook.db") as gradebook:
        found = {g.name: g.auto_score for g in gradebook.find_submission_notebook("one", "ps", learner).grades}
    return found if done else None


def course_of(cells, timeout=60):
    write("source/ps/one.ipynb", cells)
    config = Config({"Execute": {"timeout": timeout}})
    course = NbGraderAPI(CourseDirectory(root=os.getcwd(), config=config), config=config, log_level=logging.CRITICAL)
    assert course.generate_assignment("ps")["success"]
    return course


print(f"nbgrader {nbgrader.__version__}")
SOLUTION = "def double(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION"
course = course_of([cell(SOLUTION, "double"), cell("assert double(2) == 4", "test", 5)])
RIGHT = "def double(x):\n    return 2 * x"
WARNS = "import warnings\ndef double(x):\n    warnings.warn('deprecated', DeprecationWarning)\n    return 2 * x"
plain, warns = graded(course, "ann", {"double": RIGHT}), graded(course, "bob", {"double": WARNS})
print(f"right: {plain}, right with a warning: {warns}, of 5 points")
as_seen = plain == {"test": 5.0} and warns == {"test": 0.0}
sys.exit(0 if as_seen else 1)
PROGRAM
