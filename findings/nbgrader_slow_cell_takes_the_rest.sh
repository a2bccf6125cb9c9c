#!/usr/bin/env bash
# nbgrader: a cell that is too slow can take the points of all other cells with it.
#
# One would guess: a cell that runs into the timeout gets no points, and the cells behind it are graded.
#
# Seen: so it is if the kernel answers within 4 seconds after nbgrader has interrupted it (Execute.iopub_timeout). The
# function below tries again whatever happens, so the interrupt ends nothing. Then grading of this submission stops, what
# was graded is removed, and the second exercise, which is right, has no points either. A machine on which the kernel needs
# more than 4 seconds does the same to a function that only sleeps; a longer Execute.iopub_timeout helps there.
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
RIGHT = "def double(x):\n    return 2 * x"
RETRIES = """def wait(x):
    import time
    while True:
        try:
            time.sleep(1000)
        except BaseException:
            pass"""
course = course_of([
    cell(SOLUTION.replace("double", "wait"), "wait"), cell("assert wait(2) == 4", "test-wait", 5),
    cell(SOLUTION, "double"), cell("assert double(2) == 4", "test-double", 5),
], timeout=10)
sleeps = graded(course, "ann", {"double": RIGHT, "wait": "def wait(x):\n    import time\n    time.sleep(1000)"})
retries = graded(course, "bob", {"double": RIGHT, "wait": RETRIES})
print(f"one that sleeps: {sleeps}, one that tries again: {retries}")
as_seen = retries is None and (sleeps is None or sleeps == {"test-wait": 0.0, "test-double": 5.0})
sys.exit(0 if as_seen else 1)
PROGRAM
