"""The notebooks as files, and as a learner leaves them: nbval runs them unsolved; here is run what a solution can change."""

import ast
import json
import re
from importlib import import_module
from pathlib import Path

import pytest
from cells import binds, imports, needed, readers
from solved import outputs_of, with_few_steps

from reference import check
from reference.lessons import BUGS, EXERCISES, LESSONS, file_of

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("[0-9]*.ipynb"))


def code_cells(path: Path) -> list[dict]:
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]


def source(cell: dict) -> str:
    return "".join(cell["source"])


def prose(path: Path) -> list[str]:
    return [source(cell) for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "markdown"]


def numbers_of(what: str, path: Path) -> list[int]:
    """Of all headings "## 3 ..." or "### Exercise 3 ...", in their order."""
    return [int(number) for number in re.findall(rf"^{what}(\d+) ", "\n".join(prose(path)), re.M)]


def without_gap(numbers: list[int], first: int = 1) -> bool:
    return numbers == list(range(first, first + len(numbers)))


@pytest.fixture(params=NOTEBOOKS, ids=lambda p: p.stem)
def path(request) -> Path:
    return request.param


def test_it_is_committed_executed_without_errors(path):
    for cell in code_cells(path):
        assert cell["execution_count"] is not None, source(cell)
        assert all(output["output_type"] != "error" for output in cell["outputs"])
        assert cell["outputs"], f"a cell that shows nothing:\n{source(cell)}"


def test_it_carries_no_widget_state_that_a_viewer_would_choke_on(path):
    text = path.read_text()
    assert "application/vnd.jupyter.widget" not in text
    assert "ipykernel_" not in text and "/home/" not in text and "/tmp/" not in text


def test_cells_are_short(path):
    lengths = sorted(sum(bool(line.strip()) for line in source(cell).splitlines()) for cell in code_cells(path))
    assert lengths[len(lengths) // 2] <= 8 and lengths[int(0.9 * len(lengths))] <= 25 and lengths[-1] <= 40


def test_every_picture_has_a_description(path):
    for cell in code_cells(path):
        for output in cell["outputs"]:
            if "image/png" in output.get("data", {}):
                text = "".join(output["data"]["text/plain"])
                assert len(text) > 20 and "<" not in text[:1]


def stubs(path: Path) -> dict[str, int]:
    """Exercise name -> index of the cell with its stub."""
    cells = json.loads(path.read_text())["cells"]
    return {
        name: index
        for index, cell in enumerate(cells)
        if cell["cell_type"] == "code" and "raise NotImplementedError" in source(cell)
        for name in re.findall(r"^check\.(\w+)\(", source(cell), re.M)
    }


def test_notebooks_are_numbered_from_00_without_a_gap():
    assert without_gap([int(path.name[:2]) for path in NOTEBOOKS], first=0)


def test_sections_and_exercises_are_numbered_from_1_without_a_gap(path):
    for what in ("## ", "### Exercise "):
        assert numbers_of(what, path) and without_gap(numbers_of(what, path)), what


@pytest.mark.parametrize(("numbers", "first", "fine"), [([1, 2], 1, True), ([1, 3], 1, False), ([0, 1, 1], 0, False)])
def test_a_gap_and_a_double_are_noticed(numbers, first, fine):
    assert without_gap(numbers, first) is fine


def test_the_title_is_that_of_the_file(path):
    title = prose(path)[0].splitlines()[0].removeprefix("# ").replace(" · ", " ")
    assert title.lower().replace("β", "beta").replace("-", "").replace(" ", "_") == path.stem


def test_exercises_and_minutes_are_those_of_the_title_cell_and_of_the_readme(path):
    promise = re.search(r"\*\*You write\*\* (.+?)\. \*\*It takes\*\* about (\d+) minutes", prose(path)[0])
    rows = re.findall(r"^\| \[.+\|$", (FOLDER.parent / "README.md").read_text(), re.M)
    (row,) = [row.split("|") for row in rows if f"notebooks/{path.name}" in row]
    set_here = re.findall(r"^### Exercise \d+ · `(\w+)`", "\n".join(prose(path)), re.M)
    assert set_here == list(stubs(path)) == re.findall(r"`(\w+)`", promise[1]) == re.findall(r"`(\w+)`", row[3])
    assert promise[2] == row[4].strip()


def test_every_exercise_is_set_in_the_notebook_of_its_lesson():
    lessons = {import_module(f"reference.lessons.{lesson}").NOTEBOOK: lesson for lesson in LESSONS}
    assert [path.stem for path in NOTEBOOKS] == list(lessons)
    for path in NOTEBOOKS:
        exercises = file_of(lessons[path.stem], "exercises")
        assert sorted(stubs(path)) == sorted(exercises.EXERCISES if exercises else [])


def test_nothing_but_the_check_depends_on_a_stub(path):
    # unsolved, the notebook must run to its end: no other cell may call what the learner was to write
    cells = code_cells(path)
    for name in stubs(path):
        for cell in cells:
            if "raise NotImplementedError" in source(cell):
                continue
            called = [
                n.func.id
                for n in ast.walk(ast.parse(source(cell)))
                if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
            ]
            assert name not in called, source(cell)


@pytest.mark.slow
def test_solved_with_the_reference_every_check_passes_and_what_reads_the_solution_runs(path, tmp_path):
    # From another folder, as nbgrader, nbconvert and a copied notebook run it.
    cells = json.loads(path.read_text())["cells"]
    code = [index for index, cell in enumerate(cells) if cell["cell_type"] == "code"]
    solved = {name: code.index(index) for name, index in stubs(path).items()}
    sources = [source(cells[index]) for index in code]
    for name, index in solved.items():
        call = next(line for line in sources[index].splitlines() if line.startswith(f"check.{name}("))
        sources[index] = f"from {EXERCISES[name].reference.__module__} import {name}\n{call}"
    kept = needed(sources, readers(sources, solved), made=binds)
    outputs = outputs_of(
        [with_few_steps(text) if index in kept else imports(text) for index, text in enumerate(sources)], tmp_path
    )  # nbval runs the other cells, and all steps of these
    for name, index in solved.items():
        assert outputs[index].startswith(f"✓ {name}: right on all"), outputs[index]


@pytest.mark.slow
def test_each_mistake_put_in_the_place_of_its_stub_is_named(path, capsys):
    cells = json.loads(path.read_text())["cells"]
    for name, index in stubs(path).items():
        call = next(line for line in source(cells[index]).splitlines() if line.startswith(f"check.{name}("))
        for bug in (bug for bug in BUGS if bug.breaks == name):
            exec(call, {"check": check, name: bug.wrong})
            printed = capsys.readouterr().out
            assert printed.startswith(f"✗ {name}: {bug.mistake}.\n  In a run: {bug.symptom}."), printed
            assert len(printed.splitlines()) <= 6 and "Traceback" not in printed
