"""What a check found: a sentence, the places, why it matters, what to do, and the lesson that teaches it.

The words that are the same for every finding of a check stand in ``advice``; a check says only what it saw and where.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from reference.audit.advice import ADVICE

Level = Literal["fault", "doubt", "note"]
LEVELS: tuple[Level, ...] = get_args(Level)  # the worst first
FEW = 5  # rows that are named


@dataclass(frozen=True)
class Finding:
    """``fault``: wrong whatever was meant. ``doubt``: right only for a reason that the batch does not show. ``note``: to know."""

    check: str
    level: Level
    what: str
    where: str = ""
    why: str = ""
    do: str = ""
    lesson: str = ""  # the name of a notebook


def finding(check: str, level: Level, what: str, where: str = "") -> Finding:
    """With the advice of its check. A note needs none: it says what is there."""
    advice = ADVICE[check]
    if level == "note":
        return Finding(check, level, what, where, lesson=advice.lesson)
    return Finding(check, level, what, where, advice.why, advice.do, advice.lesson)


def rows_named(rows: Tensor) -> str:
    """Which rows are True: "3 of 8 rows: 0, 2, 5"."""
    found = rows.nonzero().flatten().tolist()
    names = ", ".join(map(str, found[:FEW])) + (", ..." if len(found) > FEW else "")
    return f"{len(found)} of {len(rows)} rows: {names}"


def places(marked: Tensor, start: int = 0) -> str:
    """Where a table (rows, K) is True: how often, in which rows, and the first of them. Columns count from the row's beginning."""
    row, column = marked.nonzero()[0].tolist()
    count, rows = int(marked.sum()), int(marked.any(dim=1).sum())
    tokens = f"{count} token" + ("" if count == 1 else "s")
    return f"{tokens} in {rows} of {len(marked)} rows, the first in row {row}, column {column + start}"


def worst(values: Tensor, kept: Tensor, start: int = 0) -> str:
    """The place of the largest absolute value among the kept ones."""
    size = torch.where(kept, values.abs(), -1.0)
    row, column = divmod(int(size.argmax()), values.shape[1])
    return f"the worst in row {row}, column {column + start}"
