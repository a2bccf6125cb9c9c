"""nbgrader itself grades ten learners: right, wrong and empty work, some that cheat, one that is slow, files that are broken.

It needs nbgrader 0.9.6 in an environment of its own, in .nbgrader beside this repository's .venv:

    python3 -m venv .nbgrader && .nbgrader/bin/pip install nbgrader==0.9.6

or in the folder that NBGRADER names.
"""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from submissions import LEARNERS, NOTEBOOK, hand_in, small_lesson

from reference.classroom.course import new_course
from reference.classroom.report import report
from reference.classroom.results import results_of

ROOT = Path(__file__).parents[2]
NBGRADER = Path(os.environ.get("NBGRADER", ROOT / ".nbgrader"))
PATIENCE = 30 * 60  # seconds: a limit for what hangs, not for what a busy machine delays

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (NBGRADER / "bin" / "nbgrader").exists(),
        reason="no nbgrader: python3 -m venv .nbgrader && .nbgrader/bin/pip install nbgrader==0.9.6",
    ),
]


def nbgrader(course: Path, kernels: Path, *arguments: str, fails: bool = False) -> str:
    """Run it in the folder of the course, with kernels of this Python."""
    environment = {
        **os.environ, "PATH": f"{NBGRADER / 'bin'}:{os.environ['PATH']}", "JUPYTER_PATH": str(kernels),
        "REFERENCE_PROGRESS": str(course / "verdicts.jsonl"),  # where the teacher's own progress would be
    }  # fmt: skip
    done = subprocess.run(
        ["nbgrader", *arguments], cwd=course, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert fails or done.returncode == 0, done.stderr
    return done.stderr


def kernel_of_this_python(folder: Path) -> Path:
    """A kernel python3 that has the course: nbgrader's own environment does not."""
    spec = folder / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    spec.write_text(json.dumps({"argv": command, "display_name": "Python 3", "language": "python", "env": environment}))
    return folder


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Path:
    """Graded, with feedback and with grades.csv."""
    folder = tmp_path_factory.mktemp("class")
    notebooks = small_lesson(folder / "notebooks", ROOT / "notebooks" / f"{NOTEBOOK}.ipynb")
    course, kernels = folder / "course", kernel_of_this_python(folder / "jupyter")
    new_course(course, lessons=[], seed=1, timeout=15, notebooks=notebooks)
    nbgrader(course, kernels, "generate_assignment", NOTEBOOK)
    hand_in(course, json.loads((course / "release" / NOTEBOOK / f"{NOTEBOOK}.ipynb").read_text()))
    nbgrader(course, kernels, "autograde", NOTEBOOK, fails=True)  # the broken ones, after all others are graded
    nbgrader(course, kernels, "generate_feedback", NOTEBOOK)
    nbgrader(course, kernels, "export")
    return course


def scores(course: Path) -> dict[str, float]:
    with (course / "grades.csv").open() as file:
        return {row["student_id"]: float(row["raw_score"] or 0) for row in csv.DictReader(file)}


def feedback(course: Path, learner: str) -> str:
    return (course / "feedback" / learner / NOTEBOOK / f"{NOTEBOOK}.html").read_text()


def test_the_release_holds_neither_solutions_nor_grades(course):
    released = (course / "release" / NOTEBOOK / f"{NOTEBOOK}.ipynb").read_text()
    assert released.count("raise NotImplementedError") == 3
    assert "SOLUTION" not in released and "grade(" not in released and "torch.where" not in released


def test_a_right_submission_gets_all_points_also_where_it_warns(course):
    assert scores(course)["ann"] == 5 + 10 + 5


def test_a_wrong_one_with_a_copied_cell_gets_points_by_cases_and_what_was_not_begun_none(course):
    assert scores(course)["Zoë Müller"] == 0 + 3.33 + 0  # aggregate: 5 of 15 cases, of 10 points


def test_calling_the_reference_editing_checks_a_syntax_error_and_changed_inputs_give_none(course):
    assert scores(course)["cat"] == 0


def test_a_function_without_end_costs_its_own_points_only(course):
    assert scores(course)["dan"] == 0 + 0 + 5


def test_what_learners_have_solved_is_no_progress_of_the_teacher(course):
    assert not (course / "verdicts.jsonl").exists()


def test_feedback_carries_the_named_mistake(course):
    assert "your sum leaves the masked positions out, but your denominator still counts them" in feedback(
        course, "Zoë Müller"
    )
    assert "calls masked_mean of the reference" in feedback(course, "cat")


def test_feedback_has_the_beginning_of_a_long_output_and_no_more(course):
    page = feedback(course, "ann")
    assert (
        page.count("long ") <= 2 * 100_000 + 10 and "the rest of the output was cut" in page and len(page) < 3_000_000
    )


def test_the_report_has_the_points_of_nbgrader(course):
    ours = dict.fromkeys(scores(course), 0.0)
    for result in results_of(course):
        ours[result.learner] += result.points
    assert ours == pytest.approx(scores(course))
    assert set(ours) >= {*LEARNERS, "eve", "fay", "gus", "hal", "ida"}


def rows(table: str) -> list[str]:
    """The verdict and the names of each row."""
    return [re.sub(r"^ +\d+ +| {2,}", " ", line).strip() for line in table.splitlines()[1:]]


def test_the_report_names_mistakes_and_what_to_look_at(course):
    masked_mean, aggregate, reinforce_loss, by_hand = report(course).split("\n\n")
    assert set(rows(masked_mean)) == {
        "passed ann", "calls the reference cat", "takes too long dan",
        "your sum leaves the masked positions out, but your denominator still counts them Zoë Müller",
    }  # fmt: skip
    assert {"its cell fails with SyntaxError cat", "no function is called aggregate dan"} <= set(rows(aggregate))
    assert {"not attempted Zoë Müller", "passed ann, dan"} <= set(rows(reinforce_loss))
    for learner, what in [
        ("ann", 'has the code that answer("aggregate") shows'), ("cat", "edits the cell imports"),
        ("cat", "edits the cell check-aggregate"), ("cat", "deletes the cell check-reinforce_loss"),
        ("dan", "assigns to reference.teaching.check.only_with"), ("eve", "cannot be read as a notebook"),
        ("fay", "holds lesson (1).ipynb: rename it"), ("gus", "has lost the cells imports, masked_mean"),
        ("hal", "its code stops the process"), ("hal", "imports os"), ("ida", "has lost the cells imports, masked_mean"),
        ("jo", "holds no notebook"),
    ]:  # fmt: skip
        assert any(line.strip().startswith(learner) and what in line for line in by_hand.splitlines()), (learner, what)
    assert "in the cell imports" not in by_hand  # cells without ids are known by their names
