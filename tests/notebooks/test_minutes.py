"""The minutes of a lesson are computed, and not guessed: the rule is one sentence in the README."""

import json
import re
from pathlib import Path

import pytest
from minutes import FIGURE, FOLDER, LINE, QUIZ, WORDS_PER_MINUTE, minutes, stated

NOTEBOOKS = sorted(FOLDER.glob("[0-9]*.ipynb"))


def text(*lines: str) -> dict:
    return {"cell_type": "markdown", "source": [line + "\n" for line in lines]}


def code(source: str, *kinds: str) -> dict:
    return {"cell_type": "code", "source": source, "outputs": [{"data": {kind: ""}} for kind in kinds]}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_title_states_the_minutes_that_are_computed(path: Path) -> None:
    cells = json.loads(path.read_text())["cells"]
    (said,) = re.findall(r"\*\*It takes\*\* about (\d+) minutes", "".join(cells[0]["source"]))
    assert int(said) == stated(minutes(cells)), "python tests/notebooks/minutes.py prints what the title has to state"


def test_the_readme_tells_the_rule() -> None:
    rule = (
        f"The minutes are computed: {WORDS_PER_MINUTE} words a minute, {60 * LINE:g} seconds for a line of given code, "
        f"{FIGURE:g} minutes for a figure or widget, {QUIZ:g} minute for a quiz, and the stated minutes of the exercises"
    )
    assert rule in (FOLDER.parent / "README.md").read_text()


@pytest.mark.parametrize(
    ("cell", "part", "expected"),
    [
        (text("word " * 130), "reading", 1.0),
        (text("[![Colab](https://a/b.svg)](https://c/d) [![Kaggle](https://a/c.svg)](https://c/e)"), "reading", 0.0),
        (code("one()\n\ntwo()"), "code", 16 / 60),  # an empty line is no line
        (code('quiz("one")'), "code", 0.0),
        (code("def one():\n    raise NotImplementedError\n\n\ncheck.one(one)"), "code", 0.0),
        (code("play.one()", "image/png"), "figures", 1.5),
        (code("table(one)", "text/plain"), "figures", 0.0),
        (code('quiz("one")'), "quizzes", 1.0),
        (text("### Exercise 1 · `one` · ●○○ · 5 minutes", "", "### Exercise 2 · `two` · ●●● · 20 minutes"), "exercises", 25.0),
        (text("Write the loop. This takes 20 minutes."), "exercises", 20.0),
        (text("This takes up to a minute."), "exercises", 0.0),
    ],
)  # fmt: skip
def test_what_a_cell_adds_to_a_part(cell: dict, part: str, expected: float) -> None:
    assert minutes([cell])[part] == pytest.approx(expected)


@pytest.mark.parametrize(("total", "rounded"), [(97.4, 95), (97.5, 100), (100.0, 100), (102.4, 100)])
def test_minutes_are_rounded_to_the_nearest_five(total: float, rounded: int) -> None:
    assert stated({"reading": total - 40, "code": 40.0}) == rounded
