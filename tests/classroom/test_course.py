"""``class new``: the folder that nbgrader reads."""

import ast
import copy
import json
import sys
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

from reference.__main__ import main
from reference.classroom.course import REPOSITORY, linked_pages, settings
from reference.classroom.results import VERDICT


def test_it_writes_the_chosen_lessons_and_says_what_to_run(tmp_path, capsys):
    assert main(["class", "new", str(tmp_path / "course"), "--lesson", "04", "--lesson", "00", "--timeout", "77"]) == 0
    said = capsys.readouterr().out
    names = [path.name for path in sorted((tmp_path / "course" / "source").iterdir())]
    assert names == ["00_everything_is_a_masked_loss", "04_clipping"]
    assert "nbgrader generate_assignment 00_everything_is_a_masked_loss" in said and "2 assignments" in said
    config = (tmp_path / "course" / "nbgrader_config.py").read_text()
    ast.parse(config)
    assert "c.Execute.timeout = 385\n" in config and 'course_id = "course"' in config


class Settings(dict):
    """Stands for the c of nbgrader's settings: c.Execute.timeout = 5."""

    def __getattr__(self, name: str) -> SimpleNamespace:
        return self.setdefault(name, SimpleNamespace())


@pytest.fixture
def short_output(monkeypatch):
    """The class of the settings that bounds what a cell has printed, without nbgrader itself."""
    for name in ("nbgrader", "nbgrader.preprocessors", "nbconvert.preprocessors"):
        monkeypatch.setitem(sys.modules, name, MagicMock(NbGraderPreprocessor=object))
    monkeypatch.setattr("os.environ", {})
    names: dict = {"get_config": Settings}
    exec(settings("class", timeout=15), names)  # as traitlets does
    return names["ShortOutput"]()


def kept(short_output, *outputs: dict) -> list[dict]:
    return short_output.preprocess_cell({"cell_type": "code", "outputs": list(outputs)}, {}, 0)[0]["outputs"]


def test_the_output_of_a_cell_is_bounded_and_its_verdict_is_not(short_output):
    long, png = "x" * 400_000, {"output_type": "display_data", "data": {"image/png": "y" * 400_000}}
    verdict = {"output_type": "display_data", "data": {VERDICT: {"points": 5}, "text/plain": "5 of 5"}}
    failed = {"output_type": "error", "ename": "E", "evalue": "e" * 10, "traceback": ["a\nb", "c" * 10**6]}
    printed = {"output_type": "stream", "name": "stdout", "text": long}
    first, picture, second, error, last = kept(short_output, printed, png, dict(printed), failed, verdict)
    assert first["text"] == long and list(picture["data"]) == ["text/plain"]
    assert second["text"] == error["evalue"] == "... the rest of the output was cut ..."
    assert len("".join(error["traceback"])) < 100 and last == verdict


def test_a_short_output_stays_as_it_is(short_output):
    outputs = [
        {"output_type": "stream", "name": "stderr", "text": "a\nb"},
        {"output_type": "execute_result", "data": {"text/plain": "5.0", "image/png": "abc"}},
        {"output_type": "error", "ename": "E", "evalue": "no", "traceback": ["a", "b\nc"]},
    ]
    assert kept(short_output, *copy.deepcopy(outputs))[:2] == outputs[:2]
    assert short_output.preprocess_cell({"cell_type": "markdown"}, {}, 0)[0] == {"cell_type": "markdown"}


def test_the_pages_that_a_lesson_links_to_lie_beside_it(tmp_path):
    assert main(["class", "new", str(tmp_path / "course"), "--lesson", "13"]) == 0
    (folder,) = (tmp_path / "course" / "source").iterdir()
    notebook = json.loads((folder / f"{folder.name}.ipynb").read_text())
    pages = linked_pages(notebook)
    assert "docs/GLOSSARY.md" in pages
    for page in pages:
        assert (folder / page).read_text() == (REPOSITORY / page).read_text()


def test_the_seed_of_grading_is_hidden_in_the_check(tmp_path):
    main(["class", "new", str(tmp_path / "course"), "--lesson", "00", "--grading-seed", "7"])
    (path,) = (tmp_path / "course" / "source").glob("*/*.ipynb")
    assert path.read_text().count("seed=7") == 3


def test_the_time_of_an_exercise_is_hidden_too(tmp_path):
    main(["class", "new", str(tmp_path / "course"), "--lesson", "00", "--timeout", "77"])
    (path,) = (tmp_path / "course" / "source").glob("*/*.ipynb")
    assert path.read_text().count("begin(seconds=77)") == 3


def test_a_folder_that_holds_something_is_left_alone(tmp_path, capsys):
    (tmp_path / "mine").write_text("a")
    assert main(["class", "new", str(tmp_path)]) == 2
    assert "is not empty: name a folder that is not there yet" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_lesson_that_is_not_there_is_named_before_anything_is_written(tmp_path, capsys):
    assert main(["class", "new", str(tmp_path / "course"), "--lesson", "99"]) == 2
    assert "there is no lesson 99: the lessons are 00, 01" in capsys.readouterr().err
    assert not (tmp_path / "course").exists()


def test_a_folder_without_notebooks_is_told(tmp_path, capsys):
    assert main(["class", "new", str(tmp_path / "course"), "--notebooks", str(tmp_path)]) == 2
    assert "there are no notebooks in" in capsys.readouterr().err
