"""The address of the repository stands in one place, and what holds it agrees with that place."""

import ast
import importlib.util
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from website.badges import (
    PICTURES,
    PLACE,
    PLACEHOLDER,
    TABLE,
    lessons_of,
    links,
    named,
    published,
    ready,
    row,
    source_of,
    table,
    with_address,
    write,
)  # fmt: skip

ROOT = Path(__file__).parents[2]
LESSONS = lessons_of(ROOT)


@pytest.mark.parametrize("file", LESSONS)
def test_the_badges_and_the_first_cell_of_a_lesson_name_the_repository_of_pyproject(file):
    notebook = json.loads((ROOT / file).read_text())
    assert with_address(notebook, named(ROOT), file) == notebook, "run: make badges REPOSITORY=owner/name"


def test_the_readme_names_the_repository_of_pyproject():
    found = TABLE.findall((ROOT / "README.md").read_text())
    assert found == [table(named(ROOT), LESSONS)], "run: make badges REPOSITORY=owner/name"


@pytest.fixture
def small(tmp_path) -> Path:
    """A repository with one lesson, before it has an address."""
    first = {"cell_type": "code", "source": ["import torch\n", "\n", "print(1)"], "outputs": [{"text": "1"}]}
    title = {"cell_type": "markdown", "source": ["# 04 · Clipping\n", "\n", "**The question.** Why?"]}
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks/04_clipping.ipynb").write_text(json.dumps({"cells": [title, first, title, first]}))
    (tmp_path / "pyproject.toml").write_text(f'[project.urls]\nRepository = "https://github.com/{PLACEHOLDER}"\n')
    (tmp_path / "README.md").write_text("Before.\n<!-- hosts -->\n<!-- end of hosts -->\nAfter.\n")
    return tmp_path


def texts(root: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(root.rglob("*.*")) if path.is_file()}


def test_one_command_writes_all_places_and_can_be_repeated_and_taken_back(small):
    write(small, PLACEHOLDER)
    without = texts(small)
    write(small, "ada/course")
    written = texts(small)
    assert all("ada/course" in text and PLACEHOLDER not in text for text in written.values())
    write(small, "ada/course")
    assert texts(small) == written
    write(small, "bob-b/fork_2.x")
    assert all("bob-b/fork_2.x" in text and "ada" not in text for text in texts(small).values())
    write(small, PLACEHOLDER)
    assert texts(small) == without


def test_all_else_in_a_lesson_stays(small):
    path = small / "notebooks/04_clipping.ipynb"
    title, first, *rest = json.loads(path.read_text())["cells"]
    write(small, "ada/course")
    changed = json.loads(path.read_text())["cells"]
    assert changed[2:] == rest and changed[1]["outputs"] == first["outputs"]
    assert changed[1]["source"][-3:] == first["source"]
    assert [line for line in changed[0]["source"] if "ada" not in line][::2] == [title["source"][0], title["source"][1]]
    assert changed[0]["source"][-1] == title["source"][-1]


@pytest.mark.parametrize("name", ["ada", "ada/", "/course", "ada/course/more", "-ada/course", "ada/a b", "ada/x.git", "ada/..",
                                  'ada/"', "a--b/c", "https://github.com/ada/course"])  # fmt: skip
def test_what_is_no_repository_is_refused_and_nothing_is_written(small, name):
    before = texts(small)
    with pytest.raises(
        ValueError, match=r"is no repository of GitHub: say its owner and its name, as in owner/repository"
    ):
        write(small, name)
    assert texts(small) == before


def test_without_a_name_the_command_says_how_to_give_one():
    done = subprocess.run([sys.executable, "-m", "website.badges"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and "make badges REPOSITORY=owner/name" in done.stderr


def test_every_lesson_has_a_badge_for_each_host_with_a_text_alternative():
    shown = table("ada/course", LESSONS)
    for file in LESSONS:
        for host, link in links("ada/course", file).items():
            assert f"[![{host}]({PICTURES[host]})]({link})" in shown and link in row("ada/course", file)
            assert file in link or host == "Codespaces"
    assert list(links("ada/course", "x")) == list(PICTURES)


def test_behind_the_badges_a_whole_address_leads_to_the_glossary():
    """Colab and Kaggle open one file, and a relative link of it leads nowhere there."""
    place, _, file = (
        row("ada/course", "notebooks/x.ipynb").rpartition("[Glossary](")[2].rstrip(")").partition("/blob/main/")
    )
    assert place == "https://github.com/ada/course" and (ROOT / file).is_file()


def test_before_anybody_publishes_there_is_a_command_and_no_badge():
    shown = table(PLACEHOLDER, LESSONS)
    assert "make badges REPOSITORY=owner/name" in shown and "![" not in shown and PLACEHOLDER not in shown


def test_the_site_asks_github_only_where_no_address_is_written(small):
    assert published(small, {}) is None
    assert published(small, {"GITHUB_REPOSITORY": "ada/course"}) == "ada/course"
    write(small, "bob/course")
    assert published(small, {"GITHUB_REPOSITORY": "ada/course"}) == "bob/course"


def test_a_pyproject_without_the_place_is_told(small):
    (small / "pyproject.toml").write_text("[project]\n")
    with pytest.raises(ValueError, match=r"no line Repository"):
        named(small)


class Shell:
    """What the first cell may ask of IPython."""

    def __init__(self) -> None:
        self.commands: list[str] = []

    def system(self, command: str) -> None:
        self.commands.append(command)


def commands_of(source: str) -> list[str]:
    shell = Shell()
    exec(ready(source), {"get_ipython": lambda: shell})
    return shell.commands


def test_where_the_package_is_the_first_lines_do_nothing():
    assert commands_of("..") == []


@pytest.mark.parametrize("name", ["ada/course", PLACEHOLDER])
def test_where_it_is_missing_they_install_one_archive_and_never_a_name_from_the_index(name, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    (command,) = commands_of(source_of(name))
    python, *arguments, source = shlex.split(command)
    assert python == sys.executable and arguments == ["-m", "pip", "install", "-qq"]
    assert source in ("https://github.com/ada/course/archive/main.zip", "..")


@pytest.mark.parametrize(
    "name", ["ada/course", "a-long-organisation/a-course-about-training", f"{'a' * 39}/{'b' * 100}"]
)
def test_the_first_lines_are_as_ruff_writes_them(name):
    text = ready(source_of(name)) + "print(1)\n"
    assert ast.parse(text)
    formatted = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "120", "-"]
    assert subprocess.run(formatted, input=text, capture_output=True, text=True, check=True).stdout == text


def test_the_pattern_finds_the_place_in_pyproject():
    assert len(PLACE.findall((ROOT / "pyproject.toml").read_text())) == 1
