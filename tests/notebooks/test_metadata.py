"""What a notebook carries besides its cells: ids that stay when cells come and go, and no trace of who executed it when."""

import json
import re
from collections import Counter
from pathlib import Path

import nbformat
import pytest
from execute import FOLDER, executed, notebook_path, without_noise
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

NOTEBOOKS = sorted(FOLDER.glob("[0-9]*.ipynb"))
ID = re.compile(r"([a-z0-9]+(?:-[a-z0-9]+)*)-\d{3}")  # kl-010


def ids_of(path: Path) -> list[str]:
    """As they stand in the file: nbformat would give one that is there twice another name as it reads."""
    return [cell["id"] for cell in json.loads(path.read_text())["cells"]]


def wrong_ids(stem: str, ids: list[str]) -> list[str]:
    """Ids that are not a word or some of the file name, the same in all cells, and a number; and repeated ones."""
    first = ID.fullmatch(ids[0])
    lesson, words = first[1].split("-") if first else [], stem.split("_")[1:]
    if not lesson or [word for word in words if word in lesson] != lesson:
        return ids
    right = {name for name in ids if (found := ID.fullmatch(name)) and found[1].split("-") == lesson}
    return [name for name, count in Counter(ids).items() if count > 1 or name not in right]


def metadata(notebook: NotebookNode) -> list[dict]:
    return [notebook.metadata, *(cell.metadata for cell in notebook.cells)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_ids_are_words_of_the_file_name_and_a_number(path):
    assert not wrong_ids(path.stem, ids_of(path)), "the rule is in CONTRIBUTING.md, section Tests"


def test_no_two_notebooks_have_an_id_in_common():
    counted = Counter(name for path in NOTEBOOKS for name in ids_of(path))
    assert not [name for name, count in counted.items() if count > 1]


@pytest.mark.parametrize(
    ("ids", "wrong"),
    [
        (["kl-010", "kl-015", "kl-020"], []),
        (["kl-010", "kl-010"], ["kl-010"]),  # twice
        (["kl-010", "dpo-020"], ["dpo-020"]),  # of another lesson
        (["kl-010", "kl-20", "kl-0300", "7841e621"], ["kl-20", "kl-0300", "7841e621"]),
        (["things-kl-010", "things-kl-020"], []),  # two words, where one does not say enough
        (["kl-things-010"], ["kl-things-010"]),  # not in the order of the file name
        (["three-010", "kl-020"], ["kl-020"]),  # the same in all cells
        (["cell-010"], ["cell-010"]),  # no word of the file name
        (["02-010"], ["02-010"]),  # nor its number, which changes when a lesson moves
    ],
)
def test_a_wrong_id_is_noticed(ids, wrong):
    assert wrong_ids("02_three_things_called_kl", ids) == wrong


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_committed_without_times_and_versions(path):
    notebook = nbformat.read(path, as_version=4)
    assert metadata(without_noise(notebook)) == metadata(notebook), f"run: make notebooks NB={path.stem}"


def test_times_and_versions_are_noise_and_tags_are_not():
    cell = new_code_cell("1 + 1", id="kl-010", execution_count=3, outputs=[])
    cell.metadata = {"execution": {"iopub.status.busy": "2026-01-01T00:00:00Z"}, "tags": ["nbval-ignore-output"]}
    before = new_notebook(cells=[cell], metadata={"language_info": {"name": "python", "version": "3.11.7"}})
    after = without_noise(before)
    assert after.cells[0] == {**cell, "metadata": {"tags": ["nbval-ignore-output"]}}
    assert after.metadata == {
        "kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"},
        "language_info": {"name": "python"},
    }
    nbformat.validate(after)


@pytest.mark.slow
def test_a_notebook_is_executed_without_times_and_its_prints_in_one_piece(tmp_path):
    path = tmp_path / "00_a_test.ipynb"
    cell = new_code_cell("import sys, time\nprint(1, flush=True)\ntime.sleep(0.2)\nprint(2, flush=True)\n3")
    nbformat.write(new_notebook(cells=[cell]), path)
    done = executed(path).cells[0]
    assert done.metadata == {} and done.execution_count == 1
    assert [output.get("text", output.get("data")) for output in done.outputs] == ["1\n2\n", {"text/plain": "3"}]


@pytest.mark.parametrize("name", ["02", "02_kl", "02_kl.ipynb", "notebooks/02_kl.ipynb"])
def test_a_notebook_is_chosen_by_number_or_by_file(tmp_path, name):
    for stem in ("01_masks", "02_kl", "10_kl"):
        (tmp_path / f"{stem}.ipynb").touch()
    assert notebook_path(name, tmp_path) == tmp_path / "02_kl.ipynb"


@pytest.mark.parametrize("name", ["3", "2", "kl", "02_k", "README.md"])
def test_a_notebook_that_is_not_there_is_told_with_those_that_are(tmp_path, name):
    (tmp_path / "02_kl.ipynb").touch()
    with pytest.raises(SystemExit, match=rf"NB={name}: there is no such notebook\. There are: 02_kl"):
        notebook_path(name, tmp_path)
