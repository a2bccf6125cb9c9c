"""``python -m reference lessons FOLDER``: what is copied, that its links lead somewhere, and that no work is overwritten."""

import json
from functools import cache
from pathlib import Path

import pytest

from reference.__main__ import main
from reference.lessons import LESSONS, copying
from reference.lessons.copying import LINK, copy_files, how_to_open, lesson_files, relinked, resolved, there
from reference.objectives.shapes import InputError
from reference.runs.course import COURSE, course_folder

FIRST = "notebooks/00_everything_is_a_masked_loss.ipynb"
FEW = {FIRST: b"a lesson", "notebooks/01.ipynb": b"another", "README.md": b"a page"}


def refusal(capsys: pytest.CaptureFixture, *arguments: str) -> str:
    """What a refused command says."""
    assert main(list(arguments)) == 2
    return capsys.readouterr().err


@cache
def files() -> dict[str, bytes]:
    return lesson_files()


def cells(kind: str, notebook: bytes) -> list[dict]:
    return [cell for cell in json.loads(notebook)["cells"] if cell["cell_type"] == kind]


def prose(name: str) -> str:
    content = files()[name]
    if name.endswith(".md"):
        return content.decode()
    return "\n".join("".join(cell["source"]) for cell in cells("markdown", content))


def test_all_notebooks_are_copied_with_their_cells_as_they_are():
    notebooks = [name for name in files() if name.endswith(".ipynb")]
    assert len(notebooks) == len(LESSONS)
    for name in notebooks:
        assert cells("code", files()[name]) == cells("code", (COURSE / name).read_bytes())


def test_every_link_of_the_copy_leads_to_a_file_or_a_folder_of_it():
    pages = [name for name in files() if name.endswith((".md", ".ipynb")) and not name.startswith("code/")]
    links = [(name, resolved(name, link[2])) for name in pages for link in LINK.finditer(prose(name))]
    assert len(links) > 200
    assert not [(name, target) for name, target in links if not there(target, set(files()))]


def test_code_that_a_lesson_tells_to_read_is_there():
    assert "(../code/reference/grpo_in_one_file.py)" in prose(FIRST)
    assert files()["code/reference/grpo_in_one_file.py"] == (COURSE / "reference/grpo_in_one_file.py").read_bytes()
    assert "code/reference/lessons/codebases/configs/trl_cispo.py" in files()  # of a folder that is linked as a whole


def test_a_link_is_kept_or_turned_to_the_code_or_its_words_stand_alone():
    text = "[a](../docs/A.md#x), [b](../reference/b.py), [c](../tests/c.py), [d](https://d), rows[i](x)"
    wanted = "[a](../docs/A.md#x), [b](../code/reference/b.py), c, [d](https://d), rows[i](x)"
    assert relinked(text, "notebooks/00.ipynb", {"docs/A.md", "code/reference/b.py"}) == wanted


def test_no_folder_of_the_copy_can_be_taken_for_the_package():
    assert not [name for name in files() if name.startswith("reference/")]


def test_copying_again_writes_nothing_and_a_missing_file_comes_back(tmp_path):
    copy_files(FEW, tmp_path)
    (tmp_path / FIRST).unlink()
    before = (tmp_path / "README.md").stat().st_mtime_ns
    copy_files(FEW, tmp_path)
    assert (tmp_path / FIRST).read_bytes() == FEW[FIRST]
    assert (tmp_path / "README.md").stat().st_mtime_ns == before


def test_work_is_overwritten_with_force_only(tmp_path):
    mine = tmp_path / FIRST
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(
        InputError, match=r"00_\w+.ipynb differs .*: your work may be there\. Name another folder, or add --force"
    ):
        copy_files(FEW, tmp_path)
    assert mine.read_text() == "mine" and [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]
    (tmp_path / "README.md").write_text("mine too")
    with pytest.raises(InputError, match=r"differs .*\(one of 2 such files\)"):
        copy_files(FEW, tmp_path)
    copy_files(FEW, tmp_path, force=True)
    assert mine.read_bytes() == FEW[FIRST]


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("nowhere")])
def test_a_folder_or_a_broken_link_in_the_place_of_a_file_is_not_ours_either(tmp_path, make):
    make(tmp_path / "README.md")
    with pytest.raises(InputError, match=r"README\.md differs"):
        copy_files(FEW, tmp_path)


def test_the_command_says_where_they_are_and_how_to_open_the_first(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(copying, "lesson_files", lambda: FEW)
    assert main(["lessons", str(tmp_path / "course")]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"2 notebooks are in {tmp_path / 'course' / 'notebooks'}. Open the first with: ")
    assert said.strip().endswith(f"python -m jupyter lab {tmp_path / 'course' / FIRST}")
    (tmp_path / "course" / FIRST).write_text("mine")
    assert "add --force" in refusal(capsys, "lessons", str(tmp_path / "course"))


def test_without_jupyterlab_it_is_said_how_to_get_it():
    assert how_to_open(Path("a b.ipynb"), lab=True) == "python -m jupyter lab 'a b.ipynb'"
    assert how_to_open(Path("a.ipynb"), lab=False).startswith(
        "python -m pip install jupyterlab, and then python -m jupyter"
    )


def test_a_file_in_the_place_of_the_folder_is_told_in_a_sentence(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(copying, "lesson_files", lambda: FEW)
    (tmp_path / "course").write_text("")
    assert str(tmp_path / "course") in refusal(capsys, "lessons", str(tmp_path / "course"))


def test_the_course_lies_in_the_package_where_it_was_installed_and_beside_it_in_a_clone(tmp_path):
    package = tmp_path / "reference"
    assert course_folder(package) == tmp_path
    (package / "course").mkdir(parents=True)
    assert course_folder(package) == package / "course"


def test_without_notebooks_the_sentence_says_where_they_are(tmp_path):
    with pytest.raises(InputError, match="work in a clone of the repository, or install its wheel"):
        lesson_files(tmp_path)
