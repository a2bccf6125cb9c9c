"""What the report reads: the order of its results, what was handed in, and which files are notebooks."""

import json

import pytest

from reference.classroom.report import as_html, as_text
from reference.classroom.results import VERDICT, is_notebook, not_graded, results_of, what_came_out


def graded(points):
    verdict = {"points": points, "status": "wrong", "mistake": ""}
    return {
        "cell_type": "code", "source": ["check", ".f(f)"], "outputs": [{"output_type": "display_data", "data": {VERDICT: verdict}}],
        "metadata": {"nbgrader": {"grade_id": "check-f", "points": 10}},
    }  # fmt: skip


def write(course, learner, assignment, *cells):
    path = course / "autograded" / learner / assignment / "lesson.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"cells": cells}))


def test_results_are_in_the_order_of_assignments_then_of_learners(tmp_path):
    for points, (learner, assignment) in enumerate([("bob", "01"), ("ann", "02"), ("cat", "00"), ("ann", "01")]):
        write(tmp_path, learner, assignment, {"cell_type": "markdown", "source": "", "metadata": {}}, graded(points))
    found = [(each.assignment, each.learner, each.exercise, each.points, each.of) for each in results_of(tmp_path)]
    assert found == [
        ("00", "cat", "f", 2, 10),
        ("01", "ann", "f", 3, 10),
        ("01", "bob", "f", 0, 10),
        ("02", "ann", "f", 1, 10),
    ]


def test_what_was_handed_in_and_has_no_graded_notebook_is_in_order(tmp_path):
    for learner, assignment in [("cat", "00"), ("ann", "01"), ("ann", "00"), ("bob", "00")]:
        (tmp_path / "submitted" / learner / assignment).mkdir(parents=True)
    (tmp_path / "submitted" / "ann" / "notes.txt").write_text("")
    write(tmp_path, "ann", "00")
    write(tmp_path, "eve", "00")  # handed in by another way
    assert not_graded(tmp_path) == [("ann", "01"), ("bob", "00"), ("cat", "00")]


@pytest.mark.parametrize(
    ("text", "does"),
    [
        ('{"cells": []}', True), ('{"cells": [{"source": "", "metadata": {}}]}', True), ('{"cells": [{"source": ""}]}', False),
        ('{"cells": [{"metadata": {}}]}', False), ("{}", False), ("3", False), ("{", False),
    ],
)  # fmt: skip
def test_a_notebook_is_a_file_whose_cells_can_be_read(text, does, tmp_path):
    (tmp_path / "a.ipynb").write_text(text)
    assert is_notebook(tmp_path / "a.ipynb") is does


def test_too_slow_comes_before_any_other_error_and_the_first_of_those_is_named():
    errors = [{"output_type": "error", "ename": name, "evalue": ""} for name in ("NoPoints", "KeyError", "ValueError")]
    assert what_came_out(errors) == (0.0, "fails with KeyError")
    assert what_came_out([*errors, {**errors[0], "ename": "TooSlow"}]) == (0.0, "takes too long")


def test_a_table_of_what_to_look_at_has_titles_of_its_own_and_columns_of_one_width():
    rows = [("ann", "00", "a < b"), ("bobby", "01", "c")]
    titles = ['<th scope="col">learner</th><th scope="col">assignment</th><th scope="col">what</th>',
              '<th scope="col">learners</th><th scope="col">verdict</th><th scope="col">who</th>']  # fmt: skip
    assert titles[0] in as_html(("To look at by hand", rows)) and titles[1] in as_html(("00 · f", rows))
    assert "<tr><td>ann</td><td>00</td><td>a &lt; b</td></tr>" in as_html(("f", rows))
    assert as_text(("f", rows)) == "f\n  ann    00  a < b\n  bobby  01  c"
