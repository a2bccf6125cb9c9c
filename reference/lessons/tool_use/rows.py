"""Rows of tokens made of turns: what the exercise ``tool_mask`` is tried on."""

import torch
from torch import Tensor

Turns = list[tuple[str, int]]


def batch(layout: list[Turns], g: torch.Generator, *, header: int, eos: int, pads: int | str) -> tuple[Tensor, Tensor]:
    """Tokens and attention mask of rows of turns, one column of pads on the left and at least one on the right.

    ``pads``: 0 for none, where all rows are as long; 1 for pads whose id is 0; "eos" for pads whose id is the EOS; "stale"
    for the header and the words of an older trajectory on the right, which attention leaves out.
    """
    rows = [tokens_of(turns, g, header, eos) for turns in layout]
    width = max(map(len, rows))
    if pads == 0:
        return torch.tensor(rows), torch.ones(len(rows), width, dtype=torch.long)
    pad = eos if pads == "eos" else 0
    behind = [header, 20, 21, eos] if pads == "stale" else [pad, pad]
    tokens = [[pad, *row, *(behind * width)][: width + 1 + len(behind)] for row in rows]
    attention = [[0, *[1] * len(row), *[0] * (width + len(behind) - len(row))] for row in rows]
    return torch.tensor(tokens), torch.tensor(attention)


def tokens_of(turns: Turns, g: torch.Generator, header: int, eos: int) -> list[int]:
    """A header, words and an EOS for each turn. The headers of user and tool are 10 and 11, words are 12 to 19."""
    headers = {"user": 10, "tool": 11, "assistant": header, "cut": header}
    row: list[int] = []
    for who, length in turns:
        words = torch.randint(12, 20, (length,), generator=g).tolist()
        row += [headers[who], *words, *([] if who == "cut" else [eos])]
    return row
