"""A lesson is added with its folder, its notebook and one line in the list: nothing else is touched."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import reference

pytestmark = pytest.mark.slow

FILES = {
    "__init__.py": '"""Twice as much."""\n\nNOTEBOOK = "09_twice"\n',
    "exercises.py": '''
import torch

from reference.teaching.exercise import Case, Exercise


def doubled(x):
    """Twice x."""
    return 2 * x


def doubled_cases(seed):
    return [Case({"x": torch.tensor([1.0, 3.0 + seed])}, {})]


HINTS = ("How often is x in it?", "Once more than once.", "return x + x")
EXERCISES = {"doubled": Exercise(doubled, doubled_cases, HINTS, """
def doubled(x):
    return x + x
""")}
''',
    "mistakes/__init__.py": "",
    "mistakes/doubled.py": """
from reference.teaching.bug import bug


@bug("squared", mistake="x is multiplied by itself", symptom="small numbers get smaller")
def doubled__squared(x):
    return x * x
""",
    "questions.py": """
from reference.teaching.question import Question, no, yes

QUESTIONS = {"once": Question("Twice one?", (yes("Two.", "1 + 1"), no("One.", "That is once.")))}
""",
    "figures.py": """
from matplotlib.figure import Figure

from reference.teaching.show import describe


def figure_twice(x):
    figure = Figure()
    figure.subplots().bar(["x", "twice x"], [x, 2 * x])
    return describe(figure, f"a bar of {x:g} and one of {2 * x:g}")
""",
    "widgets.py": """
from reference.teaching import controls

from .figures import figure_twice


def twice(x=3.0):
    controls.interact(lambda x: figure_twice(x), x=controls.dial("x", x, 0.0, 9.0, 1.0))


WIDGETS = {"twice": twice}
""",
    "experiments.py": 'EXPERIMENTS = {"twice-seed-0": "grpo --steps 2 --seed 0"}\n',
}
CELLS = (
    "from reference import answer, check, hint, play, quiz",
    "check.doubled(lambda x: x * x)",
    'hint("doubled")',
    'answer("doubled")',
    'quiz("once")',
    "play.twice()",
)


@pytest.fixture
def course(tmp_path, monkeypatch) -> Path:
    """A copy of the package with a lesson more, and one that has nothing but its name."""
    package = tmp_path / "reference"
    shutil.copytree(Path(reference.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    the_list = package / "lessons" / "__init__.py"
    text = the_list.read_text()
    assert text.count('    "preference",\n') == 1
    the_list.write_text(text.replace('    "preference",\n', '    "preference",\n    "twice",\n    "bare",\n'))
    for name, content in FILES.items():
        file = package / "lessons" / "twice" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    (package / "lessons" / "bare").mkdir()
    (package / "lessons" / "bare" / "__init__.py").write_text('NOTEBOOK = "10_bare"\n')
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("REFERENCE_STATIC", "1")
    return tmp_path


def test_its_notebook_runs_with_its_mistake_hint_question_and_widget(course):
    path = course / "09_twice.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS]), path)
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=900, startup_timeout=300, resources={"metadata": {"path": course}}).execute()
    _, checked, hinted, answered, asked, played = ([dict(out) for out in cell.outputs] for cell in notebook.cells)
    assert checked[0]["text"] == "✗ doubled: x is multiplied by itself.\n  In a run: small numbers get smaller.\n"
    assert hinted[0]["text"].startswith("hint 1 of 3: How often is x in it?")
    assert "return x + x" in answered[0]["data"]["text/markdown"] and "Twice x." in answered[0]["data"]["text/markdown"]
    assert asked[0]["data"]["text/plain"] == "Twice one?\n  ( ) Two.\n  ( ) One."
    assert played[0]["data"]["text/plain"] == "a bar of 3 and one of 6" and "image/png" in played[0]["data"]


def test_its_runs_are_listed_by_the_command_that_records_them(course):
    command = [sys.executable, "-m", "reference", "record", "--folder", "runs"]
    done = subprocess.run(command, cwd=course, env=os.environ, capture_output=True, text=True, check=True)
    assert any(line.split()[1] == "twice-seed-0" for line in done.stdout.splitlines())
