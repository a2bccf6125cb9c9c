"""A notebook of the course as a source notebook of nbgrader: which cells are made of it, and what a learner gets."""

import builtins
import functools
import json
import re
from pathlib import Path

import pytest
from submissions import grade_id

from reference.classroom.assignment import SKIP, source_notebook, with_links
from reference.classroom.cell_names import binds, binds_or_imports, reads
from reference.classroom.left_out import helps, left_out
from reference.lessons import EXERCISES

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("[0-9]*.ipynb"))


def lesson(path: Path) -> dict:
    return json.loads(path.read_text())


@functools.cache
def texts(path: Path) -> list[str]:
    return ["".join(cell["source"]) for cell in lesson(path)["cells"]]


@functools.cache
def made_of(path: Path) -> dict:
    return source_notebook(lesson(path), seed=1, seconds=60)


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request) -> Path:
    return request.param


def without(what: str, text: str) -> str:
    """As nbgrader gives a cell out: without what lies between two marks."""
    return re.sub(rf"^### BEGIN {what}\n.*?^### END {what}\n?", "", text, flags=re.M | re.S)


def by_id(notebook: dict) -> dict[str, dict]:
    return {grade_id(cell): cell for cell in notebook["cells"] if grade_id(cell)}


def test_every_exercise_is_a_cell_to_write_and_a_check_of_as_many_points_as_its_heading_has_minutes(path):
    made = by_id(made_of(path))
    headings = re.findall(r"^### Exercise \d+ · `(\w+)` · [●○]+ · (\d+) minutes", "\n".join(texts(path)), re.M)
    assert headings and len(made) == 1 + 2 * len(headings)
    for name, minutes in headings:
        written, graded = (made[each]["metadata"]["nbgrader"] for each in (name, f"check-{name}"))
        assert (written["solution"], written["grade"], written["locked"]) == (True, False, False)
        assert (graded["solution"], graded["grade"], graded["locked"]) == (False, True, True)
        assert graded["points"] == int(minutes)


def test_the_learner_gets_the_stub_and_the_check_of_the_lesson(path):
    made = by_id(made_of(path))
    for name in (name for name in made if name in EXERCISES):
        (original,) = [text for text in texts(path) if re.search(rf"^check\.{name}\(", text, re.M)]
        stub, check = without("SOLUTION", made[name]["source"]), made[f"check-{name}"]["source"]
        assert stub.rstrip() == original.partition(f"check.{name}(")[0].rstrip()
        assert without("HIDDEN TESTS", check) == f"check.{name}({name})\n"


def test_the_teacher_s_copy_holds_the_short_answer(path):
    for name, cell in by_id(made_of(path)).items():
        if name in EXERCISES:
            assert cell["source"].endswith(f"### BEGIN SOLUTION\n{EXERCISES[name].in_short.strip()}\n### END SOLUTION")


def test_no_output_is_left_and_no_id_stands_twice(path):
    cells = made_of(path)["cells"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells if cell["cell_type"] == "code")
    assert len({cell["id"] for cell in cells}) == len(cells)


def test_the_lesson_itself_stays_as_it_is():
    before = lesson(NOTEBOOKS[0])
    source_notebook(before, seed=1, seconds=60)
    assert before == lesson(NOTEBOOKS[0])


def test_a_stub_that_is_no_exercise_is_not_graded():
    (where,) = [path for path in NOTEBOOKS if path.name.startswith("07")]
    made = made_of(where)["cells"]
    (loop,) = [cell for cell in made if "check_loop(train)" in cell["source"]]
    assert "nbgrader" not in loop["metadata"] and "SOLUTION" not in loop["source"]


CELLS = [
    "import torch",  # 0
    "quiz('a')",
    "losses = [1.0]\nprint(losses)",
    "vocabulary = 7",  # 3: read by 4
    "def helper(x):\n    return x % vocabulary",  # 4: a solution may call it
    "from reference.lessons.kl.figures import figure\nshow(figure(helper))",
    "from copy import copy\nfor step in with_bar(range(9), 'training'):\n    model = copy(losses)",  # 6: trains
    "def probability(x):\n    return model(x)",  # 7: reads what 6 made
    "def f(x):\n    raise NotImplementedError",  # 8: graded
    "def later():\n    pass",
]


def test_grading_runs_what_a_solution_could_call_and_what_that_reads():
    assert set(range(10)) - left_out(CELLS, {8}) == {0, 3, 4, 8}


def test_a_name_that_is_bound_again_is_no_longer_of_the_training():
    assert 7 not in left_out([*CELLS[:7], "model = vocabulary\ndef probability(x):\n    return model", "graded"], {8})


def test_a_cell_that_imports_a_name_itself_does_not_read_that_of_the_training():
    own = "from copy import copy\ndef twice(x):\n    return copy(x)"
    assert 7 not in left_out([*CELLS[:7], own, "graded"], {8})


@pytest.mark.parametrize(
    ("source", "does"),
    [
        ("x = 1", False), ("import math", True), ("def f():\n    pass", True), ("class A:\n    pass", True),
        ("from torch import Tensor", True), ("from . import mine", True), ("from reference.lessons.kl.figures import figure", False),
    ],
)  # fmt: skip
def test_what_a_solution_could_call(source, does):
    assert helps(source) is does


def test_the_names_that_a_cell_binds_are_not_those_that_it_reads_or_imports():
    source = "import math\nfrom copy import copy as c\nx = y + math.pi\ndef f(a):\n    b = a"
    assert binds(source) == {"x", "f"} and binds_or_imports(source) == {"x", "f", "math", "c"}
    assert reads(source) == {"y"}
    assert reads("def f(a):\n    global g\n    g = a") == set()


def test_grading_trains_nothing_and_runs_all_that_the_short_answers_and_its_own_cells_read(path):
    cells = [cell for cell in made_of(path)["cells"] if cell["cell_type"] == "code"]
    run = [cell["source"] for cell in cells if SKIP not in cell["metadata"].get("tags", [])]
    assert not any("with_bar(" in source or "live(" in source for source in run)
    skipped = [cell["source"] for cell in cells if SKIP in cell["metadata"].get("tags", [])]
    known = set().union(*map(binds_or_imports, run), dir(builtins), {"display", "get_ipython"})
    assert skipped and not set().union(*map(reads, run)) - known


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a [mask](../docs/GLOSSARY.md#mask) of", "a [mask](docs/GLOSSARY.md#mask) of"),
        ("in [04](04_clipping.ipynb) too", "in [04](../04_clipping/04_clipping.ipynb) too"),
        ("see [the file](../reference/grpo_in_one_file.py).", "see the file."),
        ("from [TRL](https://github.com/huggingface/trl)", "from [TRL](https://github.com/huggingface/trl)"),
    ],
)
def test_links_lead_somewhere_or_are_none(before, after):
    assert with_links(before) == after
