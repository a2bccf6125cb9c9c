"""Nested tensors, in which every row has its own length, as rectangles: verl's trainers keep their batches so.

prompts    [1 2] [3 4 5]          0 1 2
responses  [6 7 8] [9]     ->     3 4 5     the prompts padded on the left, what belongs to the responses on the right
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from reference.audit.layouts import IGNORED
from reference.objectives.shapes import InputError

IDS = ("tokens", "prompts", "completions")
FILLS = {"labels": IGNORED, "shift_labels": IGNORED}


def rejoined(saved: Mapping[str, object]) -> dict[str, object]:
    """The file with nested tensors again where it holds their two parts: ``KEY.values`` and ``KEY.offsets``.

    safetensors and npz have no nested tensors; ``tensor.values()`` and ``tensor.offsets()`` are plain ones.
    """
    parts = [key.removesuffix(".values") for key in saved if key.endswith(".values")]
    pairs = [key for key in parts if isinstance(saved.get(f"{key}.offsets"), Tensor)]
    taken = {f"{key}.{part}" for key in pairs for part in ("values", "offsets")}
    return {key: value for key, value in saved.items() if key not in taken} | {key: nested(saved, key) for key in pairs}


def nested(saved: Mapping[str, object], key: str) -> Tensor:
    values, offsets = saved[f"{key}.values"], saved[f"{key}.offsets"]
    assert isinstance(offsets, Tensor)
    ends = offsets.tolist() if offsets.dim() == 1 and not offsets.is_floating_point() else []
    if (
        not isinstance(values, Tensor)
        or len(ends) < 2
        or ends[0] != 0
        or sorted(ends) != ends
        or ends[-1] != len(values)
    ):
        raise InputError(
            f"{key}.offsets are not the offsets of {key}.values: expected 0, then where each row ends, then the length"
        )
    return torch.nested.nested_tensor_from_jagged(values, offsets)


def rectangles(tensors: Mapping[str, Tensor], *, pad_token_id: int | None) -> dict[str, Tensor]:
    """The tensors without nested ones, and an ``attention_mask`` if there were any. Names are ours."""
    if not any(tensor.is_nested for tensor in tensors.values()):
        return dict(tensors)
    rows_of = {name: [*tensor.unbind()] for name, tensor in tensors.items() if tensor.dim() == 2}
    require_rows(rows_of)
    lengths = {name: [len(row) for row in rows] for name, rows in rows_of.items()}
    whole = lengths.get("tokens") or [sum(pair) for pair in zip(*halves(lengths), strict=True)]
    before = lengths.get("prompts", [0] * len(whole))
    after = [length - prompt for length, prompt in zip(whole, before, strict=True)]
    made = {"attention_mask": padded([torch.ones(n, dtype=torch.bool) for n in whole], before, after, fill=0)}
    for name, rows in rows_of.items():
        fill = FILLS.get(name, 0) if pad_token_id is None or name not in IDS else pad_token_id
        if name == "prompts":
            made[name] = padded(rows, before, [0] * len(rows), fill=fill)
        elif lengths[name] == whole:
            made[name] = padded(rows, before, after, fill=fill)
        elif lengths[name] == after:
            made[name] = padded(rows, [0] * len(rows), after, fill=fill)
        elif tensors[name].is_nested:
            raise InputError(f"{name} has rows of {lengths[name]}, expected {after} as the responses, or {whole}")
    return {name: tensor for name, tensor in tensors.items() if not tensor.is_nested} | made


def require_rows(rows_of: Mapping[str, list[Tensor]]) -> None:
    """Refuse nested tensors of different numbers of rows."""
    counts = {name: len(rows) for name, rows in rows_of.items()}
    if len(set(counts.values())) > 1:
        raise InputError(
            f"the numbers of rows differ: {', '.join(f'{name} {count}' for name, count in counts.items())}"
        )


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
