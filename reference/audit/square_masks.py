"""An attention mask over queries and keys, as attention itself takes it, read back as a mask of tokens.

1 0 0 0
1 1 0 0     ->     1 1 1 0     causal, and a column of padding
1 1 1 0
1 1 1 0
"""

from __future__ import annotations

import torch
from torch import Tensor

from reference.objectives.shapes import InputError


def tokens_there(mask: Tensor, key: str, shape: torch.Size) -> Tensor:
    """(rows, time), True where a token is, of a mask (rows, 1, time, time) or (rows, time, time).

    True, 1, or 0 where it is added to the scores, is what a query sees. Raises ``InputError`` for other shapes, and for a
    mask that is not causal with padding alone, as that of several texts in a row: it says more than which tokens are there.
    """
    rows, time = shape
    if mask.shape not in ((rows, 1, time, time), (rows, time, time)):
        raise InputError(f"{key} is {tuple(mask.shape)}, expected {tuple(shape)} as the tokens")
    seen = seen_by_queries(mask.reshape(rows, time, time))
    before = torch.ones(time, time, dtype=torch.bool, device=mask.device).tril()
    looks_back = ~(seen & ~before).any(dim=2)  # some masks let a query of padding see everything, and some nothing
    there = (seen & looks_back[:, :, None]).any(dim=1)
    if ((seen != (there[:, None] & before)) & there[:, :, None]).any():
        raise InputError(
            f"{key} is {tuple(mask.shape)}, and not causal with padding alone: pass {tuple(shape)}, 1 where a token is"
        )
    return there


def seen_by_queries(mask: Tensor) -> Tensor:
    """What is not 0 in a mask of 0 and 1; what is 0 in one of 0 and large negative numbers."""
    return mask == 0 if (mask < 0).any() else mask != 0
