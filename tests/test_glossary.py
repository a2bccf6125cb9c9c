"""The glossary: in order, without a term twice, and everything that it points to, or that points to it, is there."""

import json
import re
from pathlib import Path

import pytest

from reference import objectives
from reference.algorithms.recipes import RECIPES
from reference.evaluation import best_of_n, contamination, paired, statistics

PLACES = (objectives, statistics, contamination, paired, best_of_n)  # where the functions are that an entry may name
ROOT = Path(__file__).parents[1]
GLOSSARY = ROOT / "docs" / "GLOSSARY.md"
TEXT = GLOSSARY.read_text()
ENTRIES = dict(re.findall(r"^## ([^\n]+)\n\n(.+?)(?=\n+## |\n+\[[^]]+\]: |\Z)", TEXT, re.M | re.S))
TITLES = dict(re.findall(r"^\[([^]]+)\]: (\S+)$", TEXT, re.M))  # what a title in brackets links to
LESSON = re.compile(r"\[([^]]+)\](?!\(), section (\d+)")
ANCHOR = re.compile(r"GLOSSARY\.md#([^\s)\"'`\\]+)")


def cells(path: Path) -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads(path.read_text())["cells"]]


def notebooks() -> dict[str, list[str]]:
    """The cells of every notebook, by its title without the number."""
    found = [cells(path) for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))]
    return {one[0].splitlines()[0].split(" · ", 1)[1]: one for one in found}


def section(lesson: list[str], number: str) -> str:
    """The text and the code of one section, "" if there is none of that number."""
    found = re.search(rf"^## {number} .*?(?=^## \d|\Z)", "\n".join(lesson), re.M | re.S)
    return found[0] if found else ""


def anchors(headings: list[str]) -> list[str]:
    """The anchors that GitHub gives to headings: a second one of the same name ends in -1."""
    names = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    return [f"{name}-{names[:i].count(name)}" if name in names[:i] else name for i, name in enumerate(names)]


def plain(text: str) -> str:
    """inner_epochs and Inner-epochs are both inner epochs."""
    return re.sub("[_-]", " ", text.casefold())


def shown(entry: str) -> str:
    """Its last paragraph: where the term is shown."""
    return entry.split("\n\n")[-1]


def functions(entry: str) -> list[str]:
    return [name for name in re.findall(r"`([^`]+)`", shown(entry)) if name.isidentifier()]


def dead_anchors(text: str, own: bool = False) -> list[str]:
    """Of all links to an entry, or in the glossary itself of all links to an anchor: those that lead nowhere."""
    named = re.findall(r"\]\(#([^)]+)\)", text) if own else ANCHOR.findall(text)
    return [name for name in named if name not in anchors(re.findall(r"^#+ (.+)$", TEXT, re.M))]


def test_every_heading_is_an_entry_and_every_entry_says_where():
    assert list(ENTRIES) == list(dict.fromkeys(re.findall(r"^## (.+)$", TEXT, re.M)))
    assert [term for term, entry in ENTRIES.items() if not shown(entry).startswith("Shown in ")] == []


def test_the_terms_are_in_alphabetical_order_and_none_is_there_twice():
    terms = [term.casefold() for term in re.findall(r"^## (.+)$", TEXT, re.M)]
    assert terms == sorted(set(terms))


@pytest.mark.parametrize("term", ENTRIES)
def test_what_an_entry_names_is_there(term):
    missing = [name for name in functions(ENTRIES[term]) if not any(hasattr(place, name) for place in PLACES)]
    assert missing == []
    commands = re.findall(r"`python -m reference (?:recipes|train) ([^`]+)`", ENTRIES[term])
    assert [name for names in commands for name in names.split() if name not in RECIPES] == []
    lessons = notebooks()
    for title, number in LESSON.findall(ENTRIES[term]):
        assert title in TITLES and title in lessons, f"no lesson is called {title!r}"
        assert section(lessons[title], number), f"{title} has no section {number}"


@pytest.mark.parametrize("term", ENTRIES)
def test_a_section_that_an_entry_names_speaks_of_its_term_or_its_functions(term):
    for title, number in LESSON.findall(ENTRIES[term]):
        names = [term.split(" (")[0], *functions(ENTRIES[term])]
        text = plain(section(notebooks()[title], number))
        assert any(plain(name) in text for name in names), f"{title}, section {number} has none of {names}"


def test_links_to_the_glossary_lead_to_an_entry():
    assert dead_anchors(TEXT, own=True) == []
    folders = [ROOT / name for name in ("reference", "tests", "findings", "docs")]
    files = [
        *ROOT.glob("*.md"),
        *(file for folder in folders for file in folder.rglob("*") if file.suffix in (".md", ".py")),
    ]
    for file in files:
        assert file == Path(__file__) or dead_anchors(file.read_text()) == [], file
    for title, lesson in notebooks().items():
        assert dead_anchors("\n".join(lesson)) == [], title


def test_a_link_that_leads_nowhere_is_noticed():
    assert dead_anchors("[a](../docs/GLOSSARY.md#advantage), [b](../docs/GLOSSARY.md#advantages)") == ["advantages"]
    assert dead_anchors("[a](#advantage), [b](#advantages)", own=True) == ["advantages"]


def test_anchors_are_those_of_github():
    assert anchors(["k1, k2, k3", "beta (β)", "Dr.GRPO", "REINFORCE", "REINFORCE++", "pass@k"]) == [
        "k1-k2-k3", "beta-β", "drgrpo", "reinforce", "reinforce-1", "passk"
    ]  # fmt: skip


def test_a_section_is_found_with_its_code_and_without_the_next():
    lesson = ["# 09 · X", "## 1 A\n\nwords", "code()", "### B", "## 10 C\n\nmore"]
    assert section(lesson, "1") == "## 1 A\n\nwords\ncode()\n### B\n"
    assert section(lesson, "10") == "## 10 C\n\nmore" and section(lesson, "2") == ""
