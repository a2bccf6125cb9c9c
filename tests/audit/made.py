"""Batches of a few tokens, written as text: one letter a token, so that every place can be counted by hand.

q  a question    o  opens the assistant's turn    c  a completion    e  the EOS
T  opens a tool's turn    t  a result    k  opens a call    _  padding
"""

from __future__ import annotations

import torch
from torch import Tensor

from reference.audit import Batch

IDS = {"_": 0, "e": 1, "o": 3, "T": 4, "k": 5, "q": 20, "c": 40, "t": 60}
MARKERS = {"assistant_start": 3.0, "tool_start": 4.0, "call_start": 5.0}


def made(
    *rows: str,
    loss: tuple[str, ...] | None = None,
    start: int = 0,
    markers: bool = False,
    per_token: dict | None = None,
    per_row: dict | None = None,
    **numbers: float,
) -> Batch:
    """``loss``: a 1 for each token in the loss, in rows as wide as the tokens; None: completions and the EOS behind them."""
    tokens = torch.tensor([[IDS[letter] for letter in row] for row in rows])
    masks = tuple("".join("1" if letter in "ce" else "0" for letter in row) for row in rows) if loss is None else loss
    mask = torch.tensor([[mark == "1" for mark in row] for row in masks])
    return Batch(
        tokens=tokens, attention_mask=tokens != IDS["_"], position_ids=None, start=start, mask=mask[:, start:],
        per_token={name: table(value, start) for name, value in (per_token or {}).items()},
        per_row={name: torch.as_tensor(value) for name, value in (per_row or {}).items()},
        numbers={"pad_token_id": 0.0, "eos_token_id": 1.0} | (MARKERS if markers else {}) | numbers,
    )  # fmt: skip


def table(value: object, start: int) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float)[:, start:]


def seen(found: list) -> list[tuple[str, str]]:
    """What a check found, in short."""
    return [(finding.level, finding.what) for finding in found]
