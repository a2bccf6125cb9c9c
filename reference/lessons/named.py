"""The first picture of the README: a solution with a mistake, and what ``check`` says of it."""

import textwrap
from typing import Any

import torch
from matplotlib.figure import Figure

from reference.style import FAINT, INK, MUTED, RED, describe, style, words_in
from reference.teaching.check import judge

SOLUTION = """\
def token_logprobs(logits, tokens, *, temperature=1.0):
    logits = logits[:, :-1]
    logprobs = logits.log_softmax(dim=-1)
    return logprobs.gather(-1, tokens[:, 1:, None]).squeeze(-1)

check.token_logprobs(token_logprobs)
"""
WIDTH = 74  # characters of a line


def verdict_on(solution: str, exercise: str) -> str:
    """What ``check`` prints for a solution, given as the text of its cell."""
    from reference.lessons import BUGS, EXERCISES

    names: dict[str, Any] = {"torch": torch}
    exec(solution.rpartition("check.")[0], names)
    return judge(EXERCISES[exercise], BUGS, names[exercise]).message


def figure_named(solution: str, verdict: str) -> Figure:
    """A cell as a learner has written it, and below it the verdict."""
    code = solution.rstrip().splitlines()
    said = [
        (part, words_in(RED) if place == 0 else MUTED)
        for place, line in enumerate(verdict.splitlines())
        for part in textwrap.wrap(line, WIDTH, subsequent_indent="    ")
    ]
    lines = len(code) + len(said) + 3
    with style():
        figure = Figure(figsize=(10, 0.32 * lines))
        ax = figure.add_axes((0, 0, 1, 1))
        ax.set_axis_off()
        ax.set(xlim=(0, 1), ylim=(lines, 0))
        ax.axhspan(0.4, len(code) + 1.1, color=FAINT, xmin=0.01, xmax=0.99)
        for row, line in enumerate(code):
            ax.text(0.03, row + 1.2, line, family="monospace", fontsize=13, color=INK, va="center")
        for row, (line, colour) in enumerate(said):
            ax.text(0.03, len(code) + row + 2.2, line, family="monospace", fontsize=13, color=colour, va="center")
        return describe(figure, f"A learner's cell: {' '.join(solution.split())} What check says: {verdict}")
