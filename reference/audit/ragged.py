"""Nested tensors, in which every row has its own length, as rectangles: verl's trainers keep their batches so.

prompts    [1 2] [3 4 5]          0 1 2
responses  [6 7 8] [9]     ->     3 4 5     the prompts padded on the left, what belongs to the responses on the right
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from reference.objectives.shapes import InputError


def rectangles(tensors: Mapping[str, Tensor], *, pad_token_id: int | None) -> dict[str, Tensor]:
    """The tensors without nested ones, and an ``attention_mask`` if there were any. Names are ours."""
    if not any(tensor.is_nested for tensor in tensors.values()):
        return dict(tensors)
    nested = {name: [*tensor.unbind()] for name, tensor in tensors.items() if tensor.dim() > 1}  # verl stacks equal rows
    lengths = {name: [len(row) for row in rows] for name, rows in nested.items()}
    whole = lengths.get("tokens") or [sum(pair) for pair in zip(*halves(lengths), strict=True)]
    prompts = lengths["prompts"] if "prompts" in lengths else [0] * len(whole)
    after = [length - prompt for length, prompt in zip(whole, prompts, strict=True)]
    made = {"attention_mask": padded([torch.ones(n, dtype=torch.bool) for n in whole], prompts, after, fill=0)}
    for name, rows in nested.items():
        fill = (pad_token_id or 0) if name in ("tokens", "prompts", "completions") else 0
        if name == "prompts":
            made[name] = padded(rows, prompts, [0] * len(rows), fill=fill)
        elif lengths[name] == whole:
            made[name] = padded(rows, prompts, after, fill=fill)
        elif lengths[name] == after:
            made[name] = padded(rows, [0] * len(rows), after, fill=fill)
        else:
            raise InputError(f"{name} has rows of {lengths[name]}, expected {after} as the responses, or {whole}")
    return {name: tensor for name, tensor in tensors.items() if name not in nested} | made


def halves(lengths: Mapping[str, list[int]]) -> tuple[list[int], list[int]]:
    if not {"prompts", "completions"} <= lengths.keys():
        raise InputError("nested tensors without token ids: save prompts and responses, or input_ids, with them")
    return lengths["prompts"], lengths["completions"]


def padded(rows: list[Tensor], before: list[int], after: list[int], *, fill: int) -> Tensor:
    """(rows, max before + max after), each row placed so that its first ``before`` tokens end at column max before."""
    left, right = max(before), max(after)
    out = rows[0].new_full((len(rows), left + right, *rows[0].shape[1:]), fill)
    for i, (row, first) in enumerate(zip(rows, before, strict=True)):
        out[i, left - first : left - first + len(row)] = row
    return out
