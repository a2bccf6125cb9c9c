"""Which cells of a submission are read, against which cell as it was given out, and what is told of them."""

import json

import pytest

from reference.classroom import same_code as same
from reference.classroom.look_at import changed_checks, original_of, suspicions, to_look_at
from reference.classroom.same_code import body_of, same_code
from reference.lessons import EXERCISES


def cell(source, name="", *, kind="code", locked=False, **more):
    graded = {"nbgrader": {"grade_id": name, "locked": locked}} if name else {}
    return {"cell_type": kind, "source": source, "metadata": graded, **more}


def told(folder, submitted, released):
    for place, cells in (("submitted/ann", submitted), ("release", released)):
        path = folder / place / "00" / "lesson.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"cells": cells}))
    return to_look_at(folder, "ann", "00")


NAMED, WITH_ID, BARE = cell("a", "f", id="1"), cell("b", id="2"), cell("c")


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (cell("x", "f", id="2"), NAMED),  # the name counts more than the id
        (cell("a", id="2"), WITH_ID),  # the id counts more than the text
        (cell("c", id="9"), BARE),  # the text is left
        (cell("c"), BARE),  # no name and no id is not the same name and id
        (cell("a", id="9"), NAMED),
        (cell("new", "g", id="9"), {"source": "", "metadata": {}}),
        (cell("new"), {"source": "", "metadata": {}}),
    ],
)
def test_a_cell_is_compared_with_the_one_of_its_name_then_of_its_id_then_of_its_text(found, wanted):
    assert original_of(found, [NAMED, WITH_ID, BARE]) == wanted


def test_a_changed_cell_is_called_by_its_name_or_its_id(tmp_path):
    use = "open('a')"
    submitted = [cell(use, "f", id="1"), cell(use, id="2"), cell(use)]
    assert told(tmp_path, submitted, [NAMED, WITH_ID, BARE]) == [
        "calls open, in the cell f", "calls open, in the cell 2", "calls open, in the cell without a name",
    ]  # fmt: skip


def test_prose_and_a_check_that_was_edited_are_not_read_as_code(tmp_path):
    given = [cell("check.f(f)", "check-f", locked=True), cell("some words", id="2", kind="markdown")]
    changed = [cell("open('a')", "check-f", locked=True), cell("other words", id="2", kind="markdown")]
    assert told(tmp_path, changed, given) == ["edits the cell check-f, and nbgrader grades with the original"]


def test_the_code_of_a_long_answer_is_told_with_its_cell(tmp_path):
    answer = cell(EXERCISES["aggregate"].in_short, "aggregate")
    assert told(tmp_path, [answer], [cell("", "aggregate")]) == [
        'has the code that answer("aggregate") shows, in the cell aggregate'
    ]


def test_spaces_at_the_ends_of_a_check_are_no_change_and_other_cells_are_no_checks():
    released = [cell("check.f(f)\n", "check-f", locked=True), cell("a", "f"), cell("b")]
    assert list(changed_checks([cell("\ncheck.f(f)", "check-f", locked=True)], released)) == []


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("del check.f", ["assigns to check.f"]),
        ("torch.ops[0].sum = 1", ["assigns to torch.ops[0].sum"]),
        ("from math import pi as p\np.x = 1", ["assigns to p.x"]),
        ("import math.more\nmath.x = 1", ["assigns to math.x"]),
        ("x.objectives.y", []),
        ("mine.y = 1\nfrom . import a", []),
        ("print(torch)\nx.open()", []),
        ("open('a')\nopen('b')", ["calls open"]),
        ("import math, os.path as p", ["imports os.path"]),
        ("f()[0].x = 1", []),
        ("objectives.kl_k3 = None", ["assigns to objectives.kl_k3"]),
    ],
)
def test_what_is_told_of_code_and_what_is_not(source, wanted):
    assert suspicions(source) == wanted


@pytest.mark.parametrize(
    ("source", "body"),
    [
        ("def f(x):\n    '''Words.'''\n    y = x  # more\n\n    return  y", "y = x\nreturn y"),
        ("def f(x):\n    return 1\ndef f(x):\n    return 2\ndef g(x):\n    return 3", "return 2"),
        ("f = 1", ""),
        ("def f(", ""),
    ],
)
def test_the_body_of_the_last_function_of_that_name(source, body):
    assert body_of(source, "f") == body


def test_a_body_of_just_the_length_is_told_and_a_cell_that_is_no_exercise_is_not(monkeypatch):
    source = EXERCISES["masked_mean"].in_short
    lines = len(body_of(source, "masked_mean").splitlines())
    monkeypatch.setattr(same, "LENGTH", lines)
    assert len(list(same_code(source, "masked_mean"))) == 1
    monkeypatch.setattr(same, "LENGTH", lines + 1)
    assert list(same_code(source, "masked_mean")) == list(same_code(source, "my_mean")) == []
