"""Which rows complete the same prompt, where a file does not say it: found from the prompts and the size of a group."""

from __future__ import annotations

from dataclasses import replace

import torch

from reference.audit.batch import Batch
from reference.objectives.shapes import InputError


def group_rows(batch: Batch) -> Batch:
    """The batch with a group per row: rows side by side where their prompts agree, else the rows with equal prompts.

    Where neither prompts nor the number of rows say anything, the batch stays as it is.
    """
    given, rows = batch.numbers["group_size"], len(batch.tokens)
    size = int(given) if 1 <= given < 2**62 else 0
    if size < 1:
        raise InputError(f"group_size is {given:g}, expected at least 1: how many completions a prompt has")
    beside = torch.arange(rows, device=batch.tokens.device) // size
    prompts = prompts_of(batch)
    if prompts is None:
        return batch if rows % size else replace(batch, per_row={**batch.per_row, "group": beside})
    numbers = {prompt: number for number, prompt in enumerate(dict.fromkeys(prompts))}
    equal = [numbers[prompt] for prompt in prompts]
    if rows % size == 0 and all(len(set(equal[first : first + size])) == 1 for first in range(0, rows, size)):
        return replace(batch, per_row={**batch.per_row, "group": beside})  # one prompt may be drawn twice
    note = "The rows of a prompt do not stand side by side, or not all are here: rows with equal prompts are a group."
    group = torch.tensor(equal, device=batch.tokens.device)
    return replace(batch, per_row={**batch.per_row, "group": group}, notes=(*batch.notes, note))


def prompts_of(batch: Batch) -> list[tuple[int, ...]] | None:
    """The tokens before the first that trains, without padding; None where a row does not say where its prompt ends."""
    if batch.start > 1 and not padded_left_only(batch):
        ends = torch.full((len(batch.tokens),), batch.start, device=batch.tokens.device)
    elif batch.mask is not None and batch.mask.any(dim=1).all():
        ends = batch.start + batch.mask.int().argmax(dim=1)
    else:
        return None
    there = torch.ones_like(batch.tokens) if batch.attention_mask is None else batch.attention_mask
    rows = zip(batch.tokens.tolist(), there.tolist(), ends.tolist(), strict=True)
    return [tuple(t for t, real in zip(row[:end], mask[:end], strict=True) if real) for row, mask, end in rows]


def padded_left_only(batch: Batch) -> bool:
    """Whether every row ends in the last column, as SkyRL has it: then completions begin in different columns."""
    return batch.attention_mask is not None and bool(batch.attention_mask[:, -1].all())
