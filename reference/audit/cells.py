"""The tokens of a batch as cells to draw: the word, what it is, whether it is in the loss, and a number."""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from reference.audit.batch import Batch
from reference.audit.ends import in_loss, real, wide
from reference.audit.regions import ends_anywhere, of_prompts
from reference.audit.turns import tool_tokens
from reference.evaluation.printable import printable
from reference.objectives.shapes import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ROLES = ("prompt", "completion", "EOS", "tool", "padding")
LONGEST = 16  # characters of a word


class Cell(NamedTuple):
    """One token, or a run of padding."""

    word: str
    role: str
    kept: bool
    value: float | None
    column: int


def row_cells(batch: Batch, row: int, *, tokenizer: "PreTrainedTokenizerBase | None", value: str | None) -> list[Cell]:
    """The cells of one row. Neighbours of padding that are alike become one."""
    roles, kept, numbers = roles_of(batch)[row], kept_of_row(batch, row), numbers_of(batch, value, row)
    words = [word_of(id, tokenizer) for id in batch.tokens[row].tolist()]
    cells = [
        Cell(word, ROLES[role], keep, number if keep or role == ROLES.index("completion") else None, column)
        for column, (word, role, keep, number) in enumerate(zip(words, roles.tolist(), kept, numbers, strict=True))
    ]
    merged: list[Cell] = []
    for (role, _, _), run in groupby(cells, key=lambda c: (c.role, c.kept, c.role != "padding" and c.column)):
        same = list(run)
        first = same[0]
        merged.append(padding_cell(first, len(same)) if role == "padding" else first)
    return merged


def padding_cell(first: Cell, count: int) -> Cell:
    """A run of padding as one cell."""
    return first._replace(word="pad" if count == 1 else f"{count} pads", value=None)


def kept_of_row(batch: Batch, row: int) -> list[bool]:
    mask = in_loss(batch)
    return [False] * batch.tokens.shape[1] if mask is None else mask[row].tolist()


def numbers_of(batch: Batch, value: str | None, row: int) -> list[float | None]:
    if value is None:
        return [None] * batch.tokens.shape[1]
    if value not in batch.per_token:
        there = ", ".join(batch.per_token) or "none"
        raise InputError(f"the batch has no {value!r} for each token: it has {there}")
    return list(wide(batch, batch.per_token[value])[row].tolist())


def roles_of(batch: Batch) -> Tensor:
    """(rows, time) the number of each token's role in ``ROLES``."""
    roles = torch.full_like(batch.tokens, ROLES.index("completion"))
    tool, kept = tool_tokens(batch), real(batch)
    roles[of_prompts(batch)] = ROLES.index("prompt")
    roles[ends_anywhere(batch)] = ROLES.index("EOS")
    if tool is not None:
        roles[tool] = ROLES.index("tool")
    if kept is not None:
        roles[~kept] = ROLES.index("padding")
    return roles


def word_of(id: int, tokenizer: "PreTrainedTokenizerBase | None") -> str:
    """A token as text in one line; its id where nobody can read it."""
    if tokenizer is None or id < 0:
        return str(id)
    try:
        text = str(tokenizer.decode([id]))
    except (IndexError, OverflowError, TypeError, ValueError):  # of a larger vocabulary
        return str(id)
    shown = printable(text.replace("\n", "\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}"), LONGEST)
    return shown.replace(" ", "\N{OPEN BOX}") if shown.strip() == "" else shown


def summary(batch: Batch, rows: Sequence[int]) -> str:
    """The rows in words: how many tokens of each role there are, and how many of them are in the loss."""
    roles, mask = roles_of(batch), in_loss(batch)
    lines = []
    for row in rows:
        parts = []
        for number, role in enumerate(ROLES):
            there = roles[row] == number
            if (count := int(there.sum())) == 0:
                continue
            kept = "" if mask is None else f" ({int((mask[row] & there).sum())} in the loss)"
            parts.append(f"{count} {role}{kept}")
        lines.append(f"row {row}: {', '.join(parts)}")
    return "\n".join(lines)


def shown_rows(batch: Batch, rows: int | Sequence[int]) -> list[int]:
    """The first so many rows, or those that are named. Raises ``InputError`` for one that is not there."""
    most = len(batch.tokens)
    chosen = list(range(min(rows, most))) if isinstance(rows, int) else list(rows)
    if wrong := [row for row in chosen if not 0 <= row < most]:
        raise InputError(f"there is no row {wrong[0]}: the batch has {most}, from 0 on")
    if not chosen:
        raise InputError("no row is to be shown: name at least one")
    return chosen
