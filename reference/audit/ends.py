"""What of a batch is real and what is padding, the ids of both, and where rows begin and end. All tables are (rows, time).

Where the batch does not say, it is asked of the tokens themselves, and ``None`` is the answer if they do not tell either.
"""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from reference.audit.batch import Batch

ENDS_ALIKE = 0.5  # share of rows with the same last token from which on it is taken for the EOS


T = TypeVar("T")


def once(batch: Batch, function: Callable[[Batch], T]) -> T:
    """``function(batch)``, computed at the first call: a batch is frozen, and many checks ask the same of it."""
    found: dict[Callable, T] = batch.__dict__.setdefault("_found", {})
    if function not in found:
        found[function] = function(batch)
    return found[function]


def wide(batch: Batch, part: Tensor) -> Tensor:
    """A table (rows, K) as one of (rows, time): False, or 0, before ``start``."""
    full = part.new_zeros(batch.tokens.shape)
    full[:, batch.start :] = part
    return full


def in_loss(batch: Batch) -> Tensor | None:
    return None if batch.mask is None else wide(batch, batch.mask)


def id_of(batch: Batch, name: str) -> int | None:
    value = batch.numbers.get(name)
    return None if value is None or not 0 <= value < 2**63 else int(value)


def pad_id(batch: Batch) -> int | None:
    """The padding's id: as the batch says, else the only id that stands where the attention mask is 0."""
    known = id_of(batch, "pad_token_id")
    if known is not None or batch.attention_mask is None:
        return known
    ids = batch.tokens[~batch.attention_mask].unique()
    return int(ids) if len(ids) == 1 else None


def eos_id(batch: Batch) -> int | None:
    """The end's id: as the batch says, else the token in which at least half of the rows, and more than one, end."""
    if (known := id_of(batch, "eos_token_id")) is not None:
        return known
    if (kept := real(batch)) is None or len(batch.tokens) < 2:
        return None
    ids, counts = last_tokens(batch, kept).unique(return_counts=True)
    often = int(counts.argmax())
    return int(ids[often]) if counts[often] > 1 and counts[often] >= ENDS_ALIKE * len(batch.tokens) else None


def eos_is_known(batch: Batch) -> bool:
    """Whether the batch says which id the end has; else it is a guess."""
    return id_of(batch, "eos_token_id") is not None


def real(batch: Batch) -> Tensor | None:
    """True on what is no padding: by the attention mask, else by the padding's id."""
    if batch.attention_mask is not None:
        return batch.attention_mask
    return None if pad_id(batch) is None else by_value(batch)


def by_value(batch: Batch) -> Tensor:
    """True on what is no padding by its id. Where pad and EOS are one id, the first of those behind a row ends it."""
    pad, eos = pad_id(batch), id_of(batch, "eos_token_id")
    is_pad = batch.tokens.eq(-1 if pad is None else pad)
    behind = is_pad.flip(1).cummin(dim=1).values.flip(1)  # nothing but pads from here on
    if pad == eos:
        behind = behind & torch.nn.functional.pad(behind[:, :-1], (1, 0))  # a run's first one ends the row
    before = is_pad.cummin(dim=1).values
    return ~(behind | before)


def last_column(kept: Tensor) -> Tensor:
    """(rows,) the last column that is kept; 0 for a row without one."""
    return (torch.arange(kept.shape[1], device=kept.device) * kept).amax(dim=1)


def first_column(kept: Tensor) -> Tensor:
    """(rows,) the first column that is kept; 0 for a row without one."""
    return kept.int().argmax(dim=1)


def last_tokens(batch: Batch, kept: Tensor) -> Tensor:
    return batch.tokens.gather(1, last_column(kept)[:, None]).squeeze(1)


def ended(batch: Batch) -> Tensor | None:
    """(rows,) whose last real token is the EOS."""
    kept, eos = real(batch), eos_id(batch)
    return None if kept is None or eos is None else (last_tokens(batch, kept) == eos) & kept.any(dim=1)
