"""What the texts point to is there: notebooks and sections by their numbers, links, files, and commands."""

import ast
import json
import re
from collections import defaultdict
from importlib import import_module
from pathlib import Path

import pytest

from reference.cli.commands import build_parser
from reference.cli.parser import vocabulary

ROOT = Path(__file__).parents[2]
NOTEBOOKS = {path.name[:2]: path for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))}
SECTION = re.compile(
    r"(?:[Nn]otebook (\d\d),? )?\b[Ss]ections? (\d+)(?: (?:and|to) (\d+))?(?!\.?\d)(?: of notebook (\d\d))?"
)
NOTEBOOK = re.compile(r"\b[Nn]otebooks? (\d\d(?:(?:, | and | to )\d\d\b)*)")
TWO_DIGITS = re.compile(r"(?<![\d.,#])(0\d)(?![\d.]*\d)")  # 07 in prose is a notebook; in 0.07 or #07 it is not
FOLDERS = [ROOT / name for name in ("reference", "tests", "notebooks", "figures", "findings") if (ROOT / name).is_dir()]
FILE = re.compile(rf"(?<![\w/.-])(?:{'|'.join(folder.name for folder in FOLDERS)})/[\w./-]*\w")
NAMES = {path.name for folder in FOLDERS for path in folder.rglob("*")}
ALONE = re.compile(r"`([\w-]+\.(?:py|sh|ipynb))`")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
LESSON = re.compile(r"\[\**([^]*]+)\**\]\((?:\.\./)?(?:notebooks/)?((\d\d)_\w+\.ipynb)\)")
TESTS = {
    name
    for file in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"^def (test_\w+)", file.read_text(), re.M)
}
COMMANDS = {*vocabulary(build_parser(defaultdict(lambda: print)))}  # train, and grpo below it


def cells(number: str, kind: str) -> list[str]:
    found = json.loads(NOTEBOOKS[number].read_text())["cells"]
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] == kind]


def prose(number: str) -> str:
    return "\n".join(cells(number, "markdown"))


def numbers_of_sections(number: str) -> list[int]:
    return [int(n) for n in re.findall(r"^## (\d+) ", prose(number), re.M)]


def heading(number: str) -> str:
    """The number and the title as the notebook itself says them: 06 · Aggregation."""
    return cells(number, "markdown")[0].splitlines()[0].removeprefix("# ")


def strings_of(path: Path) -> list[str]:
    """All texts of a Python file, docstrings among them, an f-string as the parts that are written out."""
    return [node.value for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)]  # fmt: skip


def missing_sections(text: str, own: str | None) -> list[str]:
    """Of all "section 3" and "notebook 06, section 6": those that do not exist. ``own``: the notebook of the text."""
    missing = []
    for before, *sections, behind in SECTION.findall(text):
        notebook = before or behind or own
        there = numbers_of_sections(notebook) if notebook in NOTEBOOKS else []
        missing += [f"{notebook}: section {n}" for n in sections if n and int(n) not in there]
    return missing


def missing_notebooks(text: str) -> list[str]:
    """Of all "notebook 03" and "notebooks 00, 02 and 05": those that do not exist."""
    return [n for numbers in NOTEBOOK.findall(text) for n in re.findall(r"\d\d", numbers) if n not in NOTEBOOKS]


def mislabelled_links(text: str) -> list[str]:
    """Of all links to notebooks: those that say another number or title than the notebook's own."""
    wrong = []
    for label, _, number in LESSON.findall(text):
        title = heading(number).lower() if number in NOTEBOOKS else None
        if label.lower() not in (title, str(title).replace(" · ", " "), f"notebook {number}"):
            wrong.append(label)
    return wrong


def missing_files(text: str, folder: Path | None = None) -> list[str]:
    """Of all paths, and of the links of a page in ``folder``: those that lead nowhere."""
    paths = [name for name in FILE.findall(text) if "NAME" not in name and not (ROOT / name).exists()]
    alone = [name for name in ALONE.findall(text) if name not in NAMES]
    return paths + alone + [link for link in LINK.findall(text) if folder and not (folder / link).exists()]


def missing_commands(text: str) -> list[str]:
    """Of all ``python -m reference NAME``: those that the command line does not know."""
    return [name for name in re.findall(r"python -m reference ([a-z][a-z-]*)", text) if name not in COMMANDS]


def missing_tests(text: str) -> list[str]:
    """Of all `test_that_something_holds`: those that no file of tests has."""
    return [name for name in re.findall(r"`(test_\w+)`", text) if name not in TESTS]


PACKAGE = sorted((ROOT / "reference").rglob("*.py"))
PAGES = [
    ROOT / "README.md", ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("[!.]*/**/README.md")),
]  # fmt: skip


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_what_a_notebook_points_to_is_there(number):
    text = prose(number)
    assert missing_sections(text + "\n".join(cells(number, "code")), number) == []
    assert [n for n in TWO_DIGITS.findall(text) if n not in NOTEBOOKS] == []
    assert missing_notebooks(text + "\n".join(cells(number, "code"))) == []
    assert mislabelled_links(text) == []
    assert missing_files(text, ROOT / "notebooks") == []
    assert missing_commands(text) == []


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_a_notebook_leads_to_the_next_one_or_says_that_it_is_the_last(number):
    following = next((other for other in NOTEBOOKS if other > number), None)
    if following:
        assert NOTEBOOKS[following].name in cells(number, "markdown")[-1]
    else:
        assert "Next:" not in cells(number, "markdown")[-1]


def notebook_of(path: Path) -> str | None:
    """The number of the notebook whose sections a file means: that of its lesson; None where it belongs to none."""
    folders = path.relative_to(ROOT / "reference").parts[:-1]
    return (
        import_module(".".join(("reference", *folders[:2]))).NOTEBOOK[:2]
        if folders[1:] and folders[0] == "lessons"
        else None
    )


@pytest.mark.parametrize("path", PACKAGE, ids=named)
def test_what_a_file_of_the_package_points_to_is_there(path):
    texts = strings_of(path)
    for text in texts:
        assert missing_notebooks(text) == []
        assert missing_sections(text, notebook_of(path)) == []
        assert missing_files(text) == []
        assert missing_commands(text) == []


@pytest.mark.parametrize("path", [*PAGES, ROOT / "CHANGELOG.md"], ids=named)
def test_the_notebooks_that_a_page_names_are_there(path):
    text = path.read_text()
    assert missing_notebooks(text) == [] and mislabelled_links(text) == []


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("test_*.py")), ids=named)
def test_the_notebooks_that_a_test_is_about_are_there(path):
    assert missing_notebooks(ast.get_docstring(ast.parse(path.read_text())) or "") == []


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_what_a_page_points_to_is_there(path):
    assert missing_files(path.read_text(), path.parent) == []
    assert missing_commands(path.read_text()) == []
    assert missing_tests(path.read_text()) == []


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("(more in section 7)", []),
        ("Section 99 shows it.", ["00: section 99"]),
        ("sections 2 and 99", ["00: section 99"]),
        ("notebook 06, section 6", []),
        ("notebook 06, section 60", ["06: section 60"]),
        ("Notebook 99 section 1", ["99: section 1"]),
        ("section 7 of notebook 06", []),
        ("section 12 of notebook 06", ["06: section 12"]),
        ("sections 1 to 99", ["00: section 99"]),
        ("section 4.2 of the paper", []),
    ],
)
def test_a_section_that_is_not_there_is_noticed(text, missing):
    assert missing_sections(text, "00") == missing


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("notebook 03, and notebooks 00, 01 and 05", []),
        ("Notebook 98 has it", ["98"]),
        ("notebooks 00, 97 and 98", ["97", "98"]),
        ("Notebooks 02 to 99: KL", ["99"]),
        ("a notebook of 99 cells", []),
    ],
)
def test_a_notebook_that_is_not_there_is_noticed(text, missing):
    assert missing_notebooks(text) == missing


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[**04 · clipping**](04_clipping.ipynb), [notebook 04](04_clipping.ipynb)", []),
        ("[04 Clipping](notebooks/04_clipping.ipynb), [the docs](https://example.org/04)", []),
        ("[**05 · clipping**](04_clipping.ipynb)", ["05 · clipping"]),
        ("[04 Clipped](../notebooks/04_clipping.ipynb)", ["04 Clipped"]),
        ("[99 Nothing](99_nothing.ipynb)", ["99 Nothing"]),
    ],
)
def test_a_link_with_another_number_or_title_is_noticed(text, wrong):
    assert mislabelled_links(text) == wrong


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("see reference/algorithms/rl.py, and `recipes.py`.", []),
        ("`nobody_wrote_this.py`", ["nobody_wrote_this.py"]),
        ("tests/objectives/test_nothing.py says so", ["tests/objectives/test_nothing.py"]),
        ("[02](02_nothing.ipynb)", ["02_nothing.ipynb"]),
        ("[**05 · GRPO advantages**](05_grpo_advantages.ipynb)", []),
        ("[verl](https://example.org/reference/x)", []),
        ("`bash tests/NAME.sh` takes any of them", []),
        ("transformers/models/x.py is not ours", []),
    ],
)
def test_a_file_that_is_not_there_is_noticed(text, missing):
    assert missing_files(text, ROOT / "notebooks") == missing


def test_a_number_of_two_digits_is_a_notebook_unless_it_is_a_share():
    assert TWO_DIGITS.findall("(03 and 05 say), as in 05. From 0.05 to 0.5, 1.05, #07, 2005") == ["03", "05", "05"]


def test_a_command_that_is_not_there_is_noticed():
    assert missing_commands("`python -m reference record`, python -m reference trian grpo") == ["trian"]


def test_a_test_that_is_not_there_is_noticed():
    assert missing_tests("`test_a_test_that_is_not_there_is_noticed`, `test_nothing`; `test_lessons.py`") == [
        "test_nothing"
    ]
