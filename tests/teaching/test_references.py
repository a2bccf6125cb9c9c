"""Every issue and pull request that the course cites has a row in docs/REFERENCES.md, and every row is used.

A reference is a repository's name, then ``#3741`` for an issue or ``PR #3029`` for a pull request. A list carries the
repository on, not the kind: "verl #3562, PR #5362" is an issue and a pull request of verl.
"""

import json
import re
from collections import defaultdict
from pathlib import Path

import pytest

from reference.lessons import BUGS

ROOT = Path(__file__).parents[2]
LESSONS = ROOT / "reference" / "lessons"

ONE = r"(?:PR\s+)?#[1-9]\d{0,4}\b"
NAME = r"(?!(?:PR|issues?)\b)[A-Za-z][\w.-]*(?:/[\w.-]+)?"
LIST = re.compile(rf"\b(?P<repository>{NAME})\s+(?P<numbers>{ONE}(?:(?:,|,? and|,? or)\s+{ONE})*)")
LINK = re.compile(r"https://github\.com/[\w.-]+/[\w.-]+/(?:issues|pull)/\d+")
ROW = re.compile(
    r"\| \[(?P<name>[^]]+)\]\((?P<link>[^)]+)\) \| (?P<kind>[^|]+) \| (?P<says>[^|]+) \| (?P<used>[^|]+) \|"
)


def references(text: str) -> list[str]:
    """All references of a text. A number without a repository comes back as "? #298"."""
    found = [
        f"{match['repository']} {' '.join(one.split())}"
        for match in LIST.finditer(text)
        for one in re.findall(ONE, match["numbers"])
    ]
    return found + [f"? {' '.join(one.split())}" for one in re.findall(rf"(?<![\w&#]){ONE}", LIST.sub("", text))]


def prose(file: Path) -> str:
    """What a reader sees of a file: of a notebook the cells and their text outputs, of all others everything."""
    if file.suffix != ".ipynb":
        return file.read_text()
    cells = json.loads(file.read_text())["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    shown = [output.get("text", []) for output in outputs] + [
        output.get("data", {}).get(kind, []) for output in outputs for kind in ("text/plain", "text/html")
    ]
    return "\n".join("".join(lines) for lines in [cell["source"] for cell in cells] + shown)


def texts() -> dict[str, str]:
    """The prose of all files that may cite, by the name of the place."""
    files = [*ROOT.glob("*.md"), *(ROOT / "notebooks").glob("*.ipynb")]
    for folder in ("reference", "tests"):
        files += [file for end in ("py", "md") for file in (ROOT / folder).rglob(f"*.{end}")]
    named = {f"notebook {f.name[:2]}" if f.suffix == ".ipynb" else str(f.relative_to(ROOT)): f for f in files}
    return {name: prose(file) for name, file in named.items() if file != Path(__file__)}


def places() -> dict[str, set[str]]:
    """Where each reference is used: the mistakes of the catalogue by their names, all else by file."""
    found = defaultdict(set)
    for bug in BUGS:
        for name in references(bug.wild):
            found[name.casefold()].add(f"`{bug.breaks}` {bug.name}")
    for place, text in texts().items():
        for name in references(text):
            if not is_of_the_catalogue(ROOT / place) or name.casefold() not in found:
                found[name.casefold()].add(place)
    return dict(found)


def is_of_the_catalogue(file: Path) -> bool:
    return LESSONS in file.parents and file.parent.name == "mistakes"


def table() -> list[re.Match]:
    lines = (ROOT / "docs" / "REFERENCES.md").read_text().splitlines()
    return [row for row in (ROW.fullmatch(line) for line in lines) if row]


def differences(used: dict[str, set[str]], listed: dict[str, set[str]]) -> list[str]:
    """What is wrong between the places that cite and the table, one sentence each."""
    lonely = [f"{name}, cited in {', '.join(sorted(used[name]))}, has no row" for name in sorted(used.keys() - listed)]
    unused = [f"{name} has a row and is cited nowhere" for name in sorted(listed.keys() - used)]
    both = sorted(name for name in used.keys() & listed if used[name] != listed[name])
    return lonely + unused + [f"the row of {name} should end in: {'; '.join(sorted(used[name]))}" for name in both]


def test_the_table_lists_what_is_cited_and_nothing_else():
    listed = {row["name"].casefold(): set(row["used"].split("; ")) for row in table()}
    assert differences(places(), listed) == []


def test_every_line_of_the_table_is_a_row_and_stands_there_once():
    lines = [line for line in (ROOT / "docs" / "REFERENCES.md").read_text().splitlines() if line.startswith("|")]
    rows = table()
    assert len(rows) == len(lines) - 2  # the head and the rule under it
    assert len({row["name"].casefold() for row in rows}) == len(rows)


def test_every_link_of_the_table_leads_where_its_name_says():
    homes = defaultdict(set)
    for row in table():
        repository, number = row["name"].split()[0], row["name"].split("#")[1]
        pull = "PR #" in row["name"]
        home, end = row["link"].rsplit("/pull/" if pull else "/issues/", 1)
        assert end == number, row["name"]
        assert ("PR" in row["kind"].split(",")[0]) == pull, row["name"]
        homes[repository].add(home)
    assert {name: len(home) for name, home in homes.items() if len(home) > 1} == {}
    assert len({home for found in homes.values() for home in found}) == len(homes)  # one name per repository


def test_every_link_to_a_thread_is_a_link_of_the_table():
    listed = {row["link"] for row in table()}
    for place, text in texts().items():
        assert set(LINK.findall(text)) <= listed, place


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("TRL PR #3029", ["TRL PR #3029"]),
        ("mended in TRL\nPR #3145.", ["TRL PR #3145"]),
        ("verl #3741, mended in verl PR #5417", ["verl #3741", "verl PR #5417"]),
        ("verl #3562, PR #5362: shifted twice", ["verl #3562", "verl PR #5362"]),
        ("verl PR #3287, #3562 and #5362", ["verl PR #3287", "verl #3562", "verl #5362"]),
        ("verl PR #906 and nanochat PR #400", ["verl PR #906", "nanochat PR #400"]),
        ("(Kaixhin/ACER #6, rlax #14)", ["Kaixhin/ACER #6", "rlax #14"]),
        ("[open-instruct #534](https://example.org/issues/534)", ["open-instruct #534"]),
        ("minimind had the mean (#298, PR #659)", ["? #298", "? PR #659"]),
        ("TRL has it; #3750 says why", ["? #3750"]),
        ("see issue #3120, PR #12", ["? #3120", "? PR #12"]),
        ("the mark of an answer, #### 72 or ####72", []),
        ("a colour, #0072B2 or #999999, a day, #07, and &#39; in HTML", []),
    ],
)
def test_a_text_gives_its_references(text, found):
    assert references(text) == found


@pytest.mark.parametrize(
    ("used", "listed", "sentence"),
    [
        ({"trl #1": {"README.md"}}, {}, "trl #1, cited in README.md, has no row"),
        ({"? #1": {"notebook 03", "notebook 01"}}, {}, "? #1, cited in notebook 01, notebook 03, has no row"),
        ({}, {"trl #1": {"README.md"}}, "trl #1 has a row and is cited nowhere"),
        ({"trl #1": {"b", "a"}}, {"trl #1": {"a"}}, "the row of trl #1 should end in: a; b"),
    ],
)
def test_a_reference_without_a_row_and_a_row_without_a_reference_are_named(used, listed, sentence):
    assert differences(used, listed) == [sentence]
