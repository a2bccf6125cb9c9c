"""Rows of what transformers' Trainer prints: lines {'loss': 0.5, ..., 'epoch': 0.1}, and a progress bar between them.

The lines have no step. Where the output went into a file, bar and lines come from two buffers, so a bar does not stand
beside its line either: the lines are counted, and the bar says how many steps there were.
"""

import re
from typing import Any

from reference.evaluation.printable import counted
from reference.objectives.shapes import InputError

LINE = re.compile(r"\{'[^{}\n]*'epoch': [^{}\n]*\}")
PAIR = re.compile(r"'([^']+)': '?([^,'{}]+)'?")
BAR = re.compile(r"(\d+)/(\d+) \[")


def rows_of_trainer(text: str, notes: list[str], *, source: str) -> list[dict[str, Any]]:
    """The lines of training, each with the step that it stands for; none where there are no such lines."""
    found = [dict(PAIR.findall(line)) for line in LINE.findall(text)]
    rows: list[dict[str, Any]] = [row for row in found if "loss" in row]  # not those of evaluation, nor the last one
    if not rows:
        return []
    last = last_step(text)
    if last < len(rows):
        raise InputError(
            f"{source} is what a Trainer printed, without the steps: pass trainer_state.json of the newest checkpoint"
        )
    each = last // len(rows)
    notes.append(
        f"The lines of a Trainer have no step: {counted(len(rows), 'line')} and a progress bar up to {last} make "
        f"{counted(each, 'step')} a line."
    )
    return [{"step": each * place, **row} for place, row in enumerate(rows, start=1)]


def last_step(text: str) -> int:
    """Where the bar of training ended: that with the most steps, since those of evaluation begin anew; 0 without a bar."""
    bars: dict[str, set[int]] = {}
    for step, total in BAR.findall(text):
        bars.setdefault(total, set()).add(int(step))
    longest: set[int] = max(bars.values(), key=lambda steps: len(steps), default=set())
    return max(longest, default=0)
