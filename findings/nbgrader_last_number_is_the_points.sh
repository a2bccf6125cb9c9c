#!/usr/bin/env bash
# nbgrader: a test cell that ends with a number gives that number of points.
#
# One would guess: the last line of a test cell may show a value, as in any cell.
#
# Seen: a number there is taken as the points. The test cell asserts that double(2) is 4, and then shows double(2). A right
# submission gets 4 of 10 points. Where the cell is worth 3 points, the same number is above them: grading stops with
# an error, and the submission has no grade, for its other cells too.
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
TEST = "assert double(2) == 4\ndouble(2)"
RIGHT = "def double(x):\n    return 2 * x"
course = course_of([cell(SOLUTION, "double"), cell(TEST, "test", 10)])
of_ten = graded(course, "ann", {"double": RIGHT})
os.mkdir("again"), os.chdir("again")
course = course_of([cell(SOLUTION, "double"), cell(TEST, "test", 3), cell("assert double(0) == 0", "other", 2)])
of_three = graded(course, "ann", {"double": RIGHT})
print(f"worth 10: {of_ten}, worth 3 beside another cell: {of_three}")
as_seen = of_ten == {"test": 4.0} and of_three is None
sys.exit(0 if as_seen else 1)
PROGRAM
