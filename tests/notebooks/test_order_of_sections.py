"""Every lesson begins and ends in the same order: the list is in CONTRIBUTING.md, under Prose."""

import json
import re
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("[0-9]*.ipynb"))
LABELS = ("**The question.**", "**You need**", "**You write**", "**It takes**")
LAST = re.compile(r"Break it, In the wild(, [^,]+ trains? the model)?, Interview card, What to take away")
EXERCISE = re.compile(r"### Exercise \d+ · `\w+` · (●○○|●●○|●●●) · \d+ minutes")


def texts(path: Path) -> list[str]:
    cells = json.loads(path.read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]


def labels(first: str) -> list[str]:
    """Those of the four labels that the first cell has, in the order in which it has them."""
    return sorted((label for label in LABELS if label in first), key=first.index)


def ends_in_order(sections: list[str]) -> bool:
    return any(LAST.fullmatch(", ".join(sections[-count:])) for count in (4, 5))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_lesson_begins_and_ends_in_the_common_order(path):
    assert labels(texts(path)[0]) == list(LABELS)
    assert ends_in_order(re.findall(r"^## \d+ (.+)$", "\n".join(texts(path)), re.M))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_an_exercise_says_how_hard_it_is_and_how_long_it_takes(path):
    found = re.findall(r"^### Exercise .+$", "\n".join(texts(path)), re.M)
    assert [heading for heading in found if not EXERCISE.fullmatch(heading)] == []


@pytest.mark.parametrize(
    ("sections", "right"),
    [
        (["Break it", "In the wild", "Interview card", "What to take away"], True),
        (["Break it", "In the wild", "Your loss trains the model", "Interview card", "What to take away"], True),
        (["In the wild", "Break it", "Interview card", "What to take away"], False),
        (["Break it", "In the wild", "What to take away", "Interview card"], False),
        (["Break it", "In the wild", "What to take away"], False),
        (["What to take away"], False),
        (["Break it", "In the wild", "Interview card", "What to take away", "Break it"], False),
    ],
)
def test_another_order_is_noticed(sections, right):
    assert ends_in_order(sections) == right


def test_a_label_that_is_missing_or_in_another_place_is_noticed():
    assert labels("**You need** a. **The question.** b. **It takes** c.") == [LABELS[1], LABELS[0], LABELS[3]]
    assert labels("**The question.** a **You need** b **You write** c **It takes** d") == list(LABELS)


def test_the_passages_that_contributing_praises_stand_in_the_lessons():
    page = (NOTEBOOKS[0].parents[1] / "CONTRIBUTING.md").read_text()
    pairs = re.findall(r"^\[.+?\]\((notebooks/\S+)\), section \d+.*?> \*After\.\* (.+?)$", page, re.M | re.S)
    assert len(pairs) == 3
    for path, passage in pairs:
        prose = "\n".join(texts(NOTEBOOKS[0].parents[1] / path)).replace("(../docs/", "(docs/")
        assert passage in prose, path
