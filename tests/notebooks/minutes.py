"""The minutes that a lesson takes, computed from its cells.

    python tests/notebooks/minutes.py

What its title cell and the README state is the sum of a row, rounded to the nearest 5.
"""

import json
import re
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "notebooks"
WORDS_PER_MINUTE = 130  # a reader whose first language is not English, formulas and tables among the words
LINE, FIGURE, QUIZ = 8 / 60, 1.5, 1.0  # minutes for a line of given code, for a picture or widget, for a question
BADGE = re.compile(r"\[!\[\w+\]\(\S+\)\]\(\S+\)")  # a picture that links: nobody reads its address
STATED = re.compile(r"^### Exercise .+ · (\d+) minutes$|\bThis takes (\d+) minutes\b", re.M)


def source(cell: dict) -> str:
    return "".join(cell["source"])


def lines_of(cells: list[str]) -> int:
    return sum(bool(line.strip()) for cell in cells for line in cell.splitlines())


def minutes(cells: list[dict]) -> dict[str, float]:
    """What takes how long. The lines of a stub are part of its exercise, and a quiz is not read as code."""
    text = BADGE.sub("", "\n".join(source(cell) for cell in cells if cell["cell_type"] == "markdown"))
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    quizzes = [cell for cell in code if source(cell).startswith("quiz(")]
    given = [source(cell) for cell in code if cell not in quizzes and "raise NotImplementedError" not in source(cell)]
    figures = [cell for cell in code if any("image/png" in output.get("data", {}) for output in cell["outputs"])]
    return {
        "reading": len(text.split()) / WORDS_PER_MINUTE,
        "code": LINE * lines_of(given),
        "figures": FIGURE * len(figures),
        "quizzes": QUIZ * len(quizzes),
        "exercises": float(sum(int(one or other) for one, other in STATED.findall(text))),
    }


def stated(parts: dict[str, float]) -> int:
    """The sum, rounded to the nearest 5: 97.4 is 95, and 97.5 is 100."""
    return 5 * int(sum(parts.values()) / 5 + 0.5)


def main() -> None:
    for path in sorted(FOLDER.glob("[0-9]*.ipynb")):
        parts = minutes(json.loads(path.read_text())["cells"])
        print(path.stem, *(f"{name} {value:.1f}" for name, value in parts.items()), f"= {stated(parts)}", sep="  ")


if __name__ == "__main__":
    main()
