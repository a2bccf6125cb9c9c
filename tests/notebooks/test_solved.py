"""The cells of a solved notebook that are run: none that a solution can change is left out."""

import json
from pathlib import Path

import pytest
from cells import binds, imports, needed, readers, reads
from solved import outputs_of, with_few_steps

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("[0-9]*.ipynb"))
CELLS = [
    "import torch\nmodel = load()",  # 0: needed by 4
    "def f(x):\n    return x",  # 1: the exercise
    "other = 1\nfor i in range(3):\n    print(other, i)",  # 2
    "def mine_or_not():\n    return f",  # 3: reads the exercise inside of a function
    "loss = mine_or_not()(model)",  # 4: reads what 3 made
    "loss.backward()",  # 5: reads what 4 made
    "model = None\nprint(model)",  # 6
]


def test_cells_that_read_the_solution_by_name_or_through_others_are_kept_with_what_they_need():
    assert readers(CELLS, {"f": 1}) == {1, 3, 4, 5}
    assert needed(CELLS, readers(CELLS, {"f": 1})) == {0, 1, 3, 4, 5}


def test_reading_binding_and_importing():
    assert reads("y = 1\nz = y + x\n") == {"x"} and reads("x = x + 1") == {"x"}
    assert reads("g = lambda a: a + b\n[c for c in d]") == {"b", "d"}
    assert binds("import os\na, b = 1, 2\nfor c in []:\n    d = c\ndef e():\n    g = 1") == {"a", "b", "c", "d", "e"}
    assert imports("import os\nfrom sys import path as p\nprint(p)") == "import os\nfrom sys import path as p"


def test_the_last_binding_before_a_reader_is_taken():
    assert needed(["x = 1", "x = 2", "print(x)", "x = 3"], {2}) == {1, 2}
    assert needed(["x = 1", "x = x + 1", "print(x)"], {2}) == {0, 1, 2}


def test_a_cell_is_needed_for_its_imports_only_where_they_would_not_run_anyway():
    cells = ["import os\nprint(1 / 0)", "print(os.name)"]
    assert needed(cells, {1}) == {0, 1}
    assert needed(cells, {1}, made=binds) == {1}


def test_steps_are_few_and_nothing_else_changes():
    written = "run(replace(row, steps=12, size=12), steps)\nrun(steps=1)"
    assert with_few_steps(written) == written.replace("steps=12", "steps=2")


@pytest.mark.slow
def test_cells_run_in_order_and_an_error_in_one_is_a_failure(tmp_path):
    cells = ["x = 2\nprint(x)", "", "from pathlib import Path\nprint(Path.cwd().name, x)"]
    assert outputs_of(cells, tmp_path) == ["2\n", "", f"{tmp_path.name} 2\n"]
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        outputs_of(["1 / 0", "print('it went on')"], tmp_path)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_every_cell_that_takes_the_learners_function_is_kept(path):
    code = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    cells = ["".join(cell["source"]) for cell in code]
    names = {name.split("(")[0]: i for i, text in enumerate(cells) for name in text.split("check.")[1:]}
    taking = {i for i, text in enumerate(cells) if "from reference import mine" in text}
    assert taking <= readers(cells, names)
    assert bool(taking) == (path.name[:2] in ("04", "05", "08", "09", "10", "11", "12", "13"))
