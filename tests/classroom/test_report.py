"""The report: read from notebooks that nbgrader would write, here written by hand."""

import csv
import inspect
import json

import pytest

from reference import objectives
from reference.__main__ import main
from reference.classroom.look_at import suspicions
from reference.classroom.report import report
from reference.classroom.results import VERDICT, what_came_out
from reference.classroom.same_code import same_code
from reference.lessons import EXERCISES

ASSIGNMENT = "00_everything"


def verdict(points, status, mistake=""):
    data = {"points": points, "status": status, "mistake": mistake}
    return {"output_type": "display_data", "data": {"text/plain": "...", VERDICT: data}}


def error(name, evalue=""):
    return {"output_type": "error", "ename": name, "evalue": evalue, "traceback": []}


def check(name, outputs=(), source=None):
    graded = {"grade_id": f"check-{name}", "points": 10, "locked": True}
    text = source or f"check.{name}({name})"
    return {
        "cell_type": "code",
        "id": f"c-{name}",
        "source": [text],
        "metadata": {"nbgrader": graded},
        "outputs": list(outputs),
    }


def written(name, source):
    return {
        "cell_type": "code", "id": name, "source": source, "outputs": [],
        "metadata": {"nbgrader": {"grade_id": name, "locked": False}},
    }  # fmt: skip


def write(course, place, cells):
    path = course / place / ASSIGNMENT / "lesson.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"cells": cells}))


@pytest.fixture
def course(tmp_path):
    write(tmp_path, "release", [written("f", "def f(): ..."), check("f"), check("g")])
    for learner, f, g in [
        ("ann", verdict(10, "passed"), verdict(10, "passed")),
        ("bob", verdict(2.5, "mistake", "a < b"), verdict(0, "not attempted")),
        ("cat", verdict(4, "mistake", "a < b"), error("CellTimeoutError")),
    ]:
        write(tmp_path, f"autograded/{learner}", [check("f", [f]), check("g", [g])])
        write(tmp_path, f"submitted/{learner}", [written("f", "def f(): return 1"), check("f"), check("g")])
    return tmp_path


def test_an_exercise_has_its_verdicts_with_the_most_frequent_first(course):
    assert report(course) == (
        "00_everything · f: 1 of 3 passed, 5.5 of 10 points on average\n"
        "  2  a < b   bob, cat\n"
        "  1  passed  ann\n\n"
        "00_everything · g: 1 of 3 passed, 3.3 of 10 points on average\n"
        "  1  not attempted   bob\n"
        "  1  passed          ann\n"
        "  1  takes too long  cat"
    )


def test_the_csv_has_a_row_for_each_learner_and_exercise(course):
    report(course, csv=course / "grades.csv")
    rows = list(csv.DictReader((course / "grades.csv").open()))
    assert len(rows) == 6
    assert rows[2] == {
        "learner": "bob", "assignment": ASSIGNMENT, "exercise": "f", "points": "2.5", "of": "10", "verdict": "a < b",
    }  # fmt: skip


def test_the_page_escapes_what_learners_and_mistakes_are_called(course):
    report(course, html=course / "report.html")
    page = (course / "report.html").read_text()
    assert "<td>a &lt; b</td>" in page and page.count("<table>") == 2 and 'lang="en"' in page


def test_an_edited_a_deleted_check_and_a_patch_are_to_be_looked_at(course):
    patch = written("f", "import reference.runs\nreference.runs.judge = None")
    write(course, "submitted/dan", [patch, check("f", source="10")])
    write(course, "autograded/dan", [check("f", [verdict(10, "passed")])])
    shown = report(course).split("To look at by hand\n")[1].splitlines()
    assert [" ".join(line.split()) for line in shown] == [
        "dan 00_everything edits the cell check-f, and nbgrader grades with the original",
        "dan 00_everything deletes the cell check-g",
        "dan 00_everything imports reference.runs, in the cell f",
        "dan 00_everything assigns to reference.runs.judge, in the cell f",
    ]


def test_what_the_lesson_itself_does_is_not_told(course):
    write(course, "submitted/dan", [written("f", "def f(): ...\nx = objectives.kl_k3"), check("f"), check("g")])
    write(course, "autograded/dan", [check("f", [verdict(10, "passed")])])
    assert "uses objectives.kl_k3, in the cell f" in report(course)
    (course / "release" / ASSIGNMENT / "lesson.ipynb").write_text(
        json.dumps({"cells": [written("f", "def f(): ...\nobjectives.kl_k3"), check("f"), check("g")]})
    )
    assert "To look at by hand" not in report(course)


def test_what_the_short_answer_imports_is_not_told(course):
    use = "from reference.evaluation.answers import read_number"
    assert suspicions(EXERCISES["extract_answer"].in_short) == ["imports reference.evaluation.answers"]
    write(course, "submitted/dan", [written("extract_answer", use), check("f"), check("g")])
    write(course, "autograded/dan", [check("f", [verdict(10, "passed")])])
    release = course / "release" / ASSIGNMENT / "lesson.ipynb"
    release.write_text(json.dumps({"cells": [written("extract_answer", ""), check("f"), check("g")]}))
    assert "imports reference" not in report(course)


UNREADABLE = '{"cells": ['
LOST = json.dumps({"cells": [check("f"), check("g")]})


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("lesson.ipynb", UNREADABLE, "lesson.ipynb cannot be read as a notebook"),
        ("lesson.ipynb", "[]", "lesson.ipynb cannot be read as a notebook"),
        ("lesson (1).ipynb", LOST, "holds lesson (1).ipynb: rename it to lesson.ipynb"),
        ("lesson.ipynb", LOST, "has lost the cells f,"),
        (
            "lesson.ipynb",
            json.dumps({"cells": [written("f", "quit()"), check("f"), check("g")]}),
            "has no grade: its code",
        ),
        ("lesson.txt", "", "holds no notebook"),
    ],
)
def test_what_nbgrader_did_not_grade_is_told_with_the_reason(course, name, text, wanted):
    folder = course / "submitted" / "eve" / ASSIGNMENT
    folder.mkdir(parents=True)
    (folder / name).write_text(text)
    assert f"eve  00_everything  {wanted}" in report(course)


def test_code_that_stops_the_process_is_told_where_there_is_no_grade(course):
    write(course, "submitted/eve", [written("f", "quit()"), check("f"), check("g")])
    assert "eve  00_everything  calls quit, in the cell f" in report(course)


def test_cells_without_ids_are_known_by_their_name_or_text(course):
    given = {"cell_type": "code", "source": "import sys", "metadata": {}, "outputs": []}
    (course / "release" / ASSIGNMENT / "lesson.ipynb").write_text(
        json.dumps({"cells": [{**given, "id": "a"}, written("f", "def f(): ..."), check("f"), check("g")]})
    )
    cells = [given, written("f", "def f(): ..."), check("f"), check("g")]
    write(course, "submitted/dan", [{k: v for k, v in cell.items() if k != "id"} for cell in cells])
    write(course, "autograded/dan", [check("f", [verdict(10, "passed")])])
    assert "To look at by hand" not in report(course)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (EXERCISES["aggregate"].in_short, True),
        (EXERCISES["aggregate"].in_short + "\n\n# mine", True),
        (inspect.getsource(inspect.unwrap(objectives.aggregate)), True),
        (EXERCISES["aggregate"].in_short.replace("row_sums", "totals"), False),
        ("def aggregate(", False),
        ("aggregate = 1", False),
    ],
)
def test_the_code_that_answer_shows_is_told_where_it_is_long(source, told):
    assert list(same_code(source, "aggregate")) == ['has the code that answer("aggregate") shows'] * told


def test_the_code_of_a_short_answer_is_not_told():
    assert list(same_code(EXERCISES["masked_mean"].in_short, "masked_mean")) == []


@pytest.mark.parametrize(
    ("outputs", "wanted"),
    [
        ([], (0.0, "was not run")),
        ([error("NameError")], (0.0, "fails with NameError")),
        ([verdict(0, "copied"), error("NoPoints")], (0, "calls the reference")),
        ([verdict(0, "wrong"), error("NoPoints")], (0, "wrong, and no mistake that is known")),
        ([verdict(10, "passed"), verdict(1, "wrong")], (1, "wrong, and no mistake that is known")),  # the last is ours
        ([error("KeyboardInterrupt"), error("CellTimeoutError")], (0.0, "takes too long")),
        ([error("KeyboardInterrupt")], (0.0, "fails with KeyboardInterrupt")),
        ([verdict(10, "passed"), error("GeneratorExit")], (0.0, "fails with GeneratorExit")),  # the verdict is not ours
    ],
)
def test_what_a_graded_cell_says(outputs, wanted):
    assert what_came_out(outputs) == wanted


@pytest.mark.parametrize(
    ("of_solution", "wanted"),
    [([error("SyntaxError")], "its cell fails with SyntaxError"), ([], "no function is called f")],
)
def test_where_there_is_no_function_its_own_cell_says_why(of_solution, wanted):
    missing = error("NameError", "name 'f' is not defined")
    assert what_came_out([missing], "f", of_solution) == (0.0, wanted)
    assert what_came_out([error("NameError", "name 'x' is not defined")], "f", of_solution)[1] == "fails with NameError"


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("open('gradebook.db')", ["calls open"]),
        ("import urllib.request", ["imports urllib.request"]),
        ("def f(x):\n    x = x + 1\n    return x.sum()", []),
        ("import math\ny = math.pi", []),
        ("import torch.nn.functional as F\nF.relu = None", ["assigns to F.relu"]),
        ("check = print", ["gives check another meaning"]),
        ("check._exercises = {}", ["assigns to check._exercises"]),
        ("def f(x):\n    return objectives.token_mean(x)", ["uses objectives.token_mean"]),
        ("import sys", ["imports sys"]),
        ("from reference.teaching import check as c", ["imports reference.teaching"]),
        ("setattr(torch, 'sum', 1)\nexec('a')", ["calls setattr", "calls exec"]),
        ("%matplotlib inline", ["holds no plain Python"]),
    ],
)
def test_code_that_has_no_place_in_an_exercise(source, wanted):
    assert suspicions(source) == wanted


def test_a_course_without_grades_is_told_what_to_run(tmp_path, capsys):
    assert main(["class", "report", str(tmp_path)]) == 2
    assert "run nbgrader autograde ASSIGNMENT there first" in capsys.readouterr().err
