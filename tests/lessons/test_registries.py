"""One list makes everything that is known of the lessons, and no lesson needs to be imported before another."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from reference import lessons
from reference.lessons import LESSONS, union

ROOM = Path(lessons.__file__).parent
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def test_every_folder_is_a_lesson_of_the_list():
    folders = {file.relative_to(ROOM).parts[0] for file in ROOM.rglob("*.py") if file.parent != ROOM}
    assert folders == set(LESSONS), f"in LESSONS or a folder, and not both: {sorted(folders ^ set(LESSONS))}"
    for lesson in LESSONS:
        assert (ROOM / lesson / "__init__.py").is_file(), f"{lesson} has no __init__.py with its NOTEBOOK: add it"


@pytest.mark.parametrize(("number", "lesson"), enumerate(LESSONS))
def test_a_notebook_has_the_number_of_its_lesson(number, lesson):
    notebook = import_module(f"reference.lessons.{lesson}").NOTEBOOK
    assert notebook.startswith(f"{number:02}_") and (NOTEBOOKS / f"{notebook}.ipynb").is_file()


def test_a_name_that_two_lessons_use_is_refused():
    assert union([{"a": 1}, {"b": 2}]) == {"a": 1, "b": 2}
    with pytest.raises(ValueError, match="two lessons have an entry a: rename one of them"):
        union([{"a": 1, "b": 2}, {"a": 1}])


def test_an_unknown_name_is_no_registry():
    with pytest.raises(ImportError, match="cannot import name 'NOTHING'"):
        from reference.lessons import NOTHING  # noqa: F401


def run(code: str) -> str:
    """What the code prints; where it ends with an error, that one's line is shown, and not the code."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if done.returncode:
        pytest.fail(done.stderr.strip().splitlines()[-1], pytrace=False)
    return done.stdout.strip()


@pytest.mark.slow
def test_every_file_of_every_lesson_can_be_the_first_that_is_imported():
    files = [file for file in ROOM.rglob("*.py") if file.parent.name != "configs"]  # those are read, and never run
    names = sorted(".".join(file.relative_to(ROOM.parents[1]).with_suffix("").parts) for file in files)
    assert len(names) > 50
    code = f"""
import sys
from importlib import import_module
for name in {names}:
    for loaded in [known for known in sys.modules if known.startswith("reference.lessons")]:
        del sys.modules[loaded]
    try:
        import_module(name)
    except Exception as error:
        sys.exit(f"{{name}} cannot be the first: {{type(error).__name__}}: {{error}}")
"""
    assert run(code) == ""


@pytest.mark.slow
def test_the_experiments_are_known_without_loading_a_picture_or_a_widget():
    code = "import sys, reference.lessons; reference.lessons.EXPERIMENTS; print({'matplotlib', 'ipywidgets'} & set(sys.modules))"
    assert run(code) == "set()"
