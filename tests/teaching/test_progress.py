"""``progress``: what the file of verdicts says, and that nothing about this file can break a check."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import reference
from reference import check
from reference.__main__ import main
from reference.lessons import BUGS, EXERCISES
from reference.lessons.tools import exercises_by_notebook
from reference.objectives.shapes import InputError
from reference.teaching import progress as module
from reference.teaching import verdict_file
from reference.teaching.progress import next_exercise, report, states, table_rows
from reference.teaching.verdict_file import Line, kept

COURSE = {"00_a": ["x", "y"], "01_b": ["z"], "02_c": ["p", "q"]}
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.fixture
def file(tmp_path, monkeypatch) -> Path:
    """The file of a learner who sits at a notebook."""
    path = tmp_path / "kept" / "verdicts.jsonl"
    monkeypatch.setenv("REFERENCE_PROGRESS", str(path))
    monkeypatch.setattr(verdict_file, "a_person_is_there", lambda: True)
    return path


def right(name: str):
    return EXERCISES[name].reference


def stub(x, mask):
    raise NotImplementedError


def test_check_keeps_every_verdict_with_the_named_mistake_and_no_code(file):
    bug = next(bug for bug in BUGS if bug.breaks == "masked_mean")
    check.masked_mean(bug.wrong)
    check.masked_mean(right("masked_mean"))
    first, second = kept(file)
    assert (first.exercise, first.status, first.mistake) == ("masked_mean", "mistake", bug.mistake)
    assert (second.exercise, second.status, second.mistake) == ("masked_mean", "passed", "")
    assert all(
        json.loads(line).keys() == {"exercise", "status", "mistake", "at"} for line in file.read_text().splitlines()
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", first.at)


def test_a_stub_is_not_a_try(file):
    assert check.masked_mean(stub).status == "not attempted"
    assert not file.exists()


def test_nothing_is_kept_of_a_script_and_where_it_is_switched_off(tmp_path, monkeypatch):
    file = tmp_path / "verdicts.jsonl"
    monkeypatch.setenv("REFERENCE_PROGRESS", str(file))
    check.masked_mean(right("masked_mean"))  # pytest is no prompt
    monkeypatch.setattr(verdict_file, "a_person_is_there", lambda: True)
    monkeypatch.setenv("REFERENCE_PROGRESS", "off")
    check.masked_mean(right("masked_mean"))
    assert not file.exists()
    monkeypatch.setenv("REFERENCE_PROGRESS", str(file))
    check.masked_mean(right("masked_mean"))
    assert file.exists()


@pytest.mark.parametrize("place", ["taken", "taken/verdicts.jsonl", "nul\0.jsonl"])
def test_a_file_that_cannot_be_written_changes_no_verdict(tmp_path, monkeypatch, place):
    (tmp_path / "taken").mkdir() if place == "taken" else (tmp_path / "taken").write_text("")
    monkeypatch.setattr(verdict_file, "verdict_file", lambda: tmp_path / place)
    monkeypatch.setattr(verdict_file, "a_person_is_there", lambda: True)
    assert check.masked_mean(right("masked_mean")).passed


def test_damaged_lines_are_left_out(file):
    check.masked_mean(right("masked_mean"))
    good = file.read_text()
    bad = [
        "{",
        "[]",
        "null",
        '{"exercise": "x"}',
        good.replace('"masked_mean"', "3"),
        good.replace("passed", "won"),
        good[:20],
    ]
    file.write_bytes("\n".join([*bad, good, "\xff"]).encode("latin-1"))
    assert [line.exercise for line in kept(file)] == ["masked_mean"]


@pytest.mark.parametrize(
    ("platform", "environment", "place"),
    [
        ("linux", {}, ".local/share"),
        ("linux", {"XDG_DATA_HOME": "/data"}, "/data"),
        ("darwin", {"XDG_DATA_HOME": "/data"}, "Library/Application Support"),
        ("win32", {}, "AppData/Local"),
        ("win32", {"LOCALAPPDATA": "/data"}, "/data"),
    ],
)
def test_the_file_lies_where_the_system_wants_it(platform, environment, place):
    found = verdict_file.verdict_file(environment, platform)
    assert found == Path.home() / place / "llm-post-training-course" / "verdicts.jsonl"


def test_without_a_home_folder_nothing_is_kept(monkeypatch):
    def nobody():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    assert verdict_file.verdict_file({}, "linux") is None
    assert verdict_file.verdict_file({"REFERENCE_PROGRESS": "/data/mine"}, "linux") == Path("/data/mine")


def test_what_was_solved_stays_solved_and_tries_are_counted_up_to_it():
    lines = [
        Line("x", "wrong"),
        Line("y", "mistake", "no mask"),
        Line("x", "passed"),
        Line("x", "wrong"),
        Line("old", "passed"),
    ]
    found = states(COURSE, lines)
    assert [(one.exercise, one.words, one.mistake) for one in found] == [
        ("x", "solved at try 2", ""), ("y", "tried 1 time", "no mask"), ("z", "not tried", ""),
        ("p", "not tried", ""), ("q", "not tried", ""),
    ]  # fmt: skip
    assert table_rows(found) == [  # the lesson that was begun, exercise by exercise; each other one in a row
        ("00_a", "x", "solved at try 2", ""), ("00_a", "y", "tried 1 time", "no mask"),
        ("01_b", "z", "not tried", ""), ("02_c", "all 2", "not tried", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ("", "x"),  # the first of the course
        ("x+", "y"),
        ("z-", "z"),  # what was tried last
        ("z+", "p"),  # whoever begins in the middle goes on there
        ("z- x+", "y"),
        ("z+ q+", "x"),  # round the course
        ("x+ y+ z+ p+ q+", None),
    ],
)
def test_next_is_what_was_tried_last_or_what_follows_it(lines, wanted):
    verdicts = [Line(text[0], "passed" if text[1] == "+" else "wrong") for text in lines.split()]
    found = next_exercise(states(COURSE, verdicts), verdicts)
    assert (found and found.exercise) == wanted


def test_the_page_is_a_table_with_a_caption_and_headings_and_escapes_what_it_shows(file):
    verdict_file.keep("x", "mistake", "the <mask> is lost")
    found = report(COURSE)
    assert found.page.startswith("<table><caption>0 of 5 exercises are solved; 1 more was tried.</caption>")
    assert found.page.count('<th scope="col">') == 4 and found.page.count('<th scope="row">') == 4
    assert "the &lt;mask&gt; is lost" in found.page and "<mask>" not in found.page
    assert "the <mask> is lost" in found.text
    assert 'Next: x in 00_a.ipynb. hint("x") helps.' in found.text and str(file) in found.text


def test_in_a_notebook_it_is_displayed_and_elsewhere_printed(file, monkeypatch, capsys):
    shown = []
    monkeypatch.setattr(module, "display", lambda data, raw: shown.append(data))
    reference.progress()
    assert capsys.readouterr().out.startswith(f"0 of {len(EXERCISES)} exercises are solved; 0 more were tried.")
    monkeypatch.setattr(module, "get_ipython", lambda: "a shell")
    reference.progress()
    assert shown[0].keys() == {"text/html", "text/plain"} and capsys.readouterr().out == ""


def test_reset_deletes_the_file_and_says_how_much_it_held(file, capsys):
    check.masked_mean(right("masked_mean"))
    capsys.readouterr()
    reference.progress(reset=True)
    assert capsys.readouterr().out == f"Deleted: 1 verdict in {file}.\n" and not file.exists()
    reference.progress(reset=True)
    assert capsys.readouterr().out == f"{file} was empty.\n"


def test_the_command_says_the_same_and_resets(file, capsys):
    verdict_file.keep("masked_mean", "passed")
    assert main(["progress"]) == 0
    assert capsys.readouterr().out == report(exercises_by_notebook()).text + "\n"
    assert main(["progress", "--reset"]) == 0
    assert not file.exists()


def test_a_file_that_cannot_be_read_is_told_in_a_sentence(file, capsys):
    file.mkdir(parents=True)
    assert main(["progress"]) == 2
    told = capsys.readouterr().err
    assert "cannot be read (Is a directory): delete it, or name another file in REFERENCE_PROGRESS" in told
    reference.progress()
    assert "cannot be read" in capsys.readouterr().out
    with pytest.raises(InputError, match="cannot be read"):
        report(COURSE)


def test_switched_off_it_says_so(monkeypatch, capsys):
    monkeypatch.setenv("REFERENCE_PROGRESS", "Off")
    for reset in (False, True):
        reference.progress(reset=reset)
        assert "Nothing is kept, because the environment variable REFERENCE_PROGRESS is off" in capsys.readouterr().out


def test_exercises_stand_in_the_order_of_their_notebooks():
    for notebook, names in exercises_by_notebook().items():
        cells = json.loads((NOTEBOOKS / f"{notebook}.ipynb").read_text())["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        assert list(dict.fromkeys(re.findall(r"^check\.(\w+)\(", code, re.M))) == names, notebook
    assert {name for names in exercises_by_notebook().values() for name in names} == set(EXERCISES)


@pytest.mark.slow
def test_a_real_kernel_keeps_what_was_solved_and_shows_the_table(tmp_path, monkeypatch):
    """A notebook counts as a person, which no test above can show."""
    monkeypatch.setenv("REFERENCE_PROGRESS", str(tmp_path / "verdicts.jsonl"))
    solved = "from reference import check, progress\nfrom reference.objectives import masked_mean\ncheck.masked_mean(masked_mean)"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in (solved, "progress()")])
    NotebookClient(notebook, timeout=900, startup_timeout=900, resources={"metadata": {"path": tmp_path}}).execute()
    assert [line.exercise for line in kept(tmp_path / "verdicts.jsonl")] == ["masked_mean"]
    [shown] = notebook.cells[1].outputs
    assert "solved at the first try" in shown.data["text/plain"]
    assert shown.data["text/html"].startswith("<table><caption>1 of ")
