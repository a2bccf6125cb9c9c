"""Batches in a form that is no longer written, or without the axis of rows, in the form that is read here.

Older versions of TRL had preference pairs apart: chosen and rejected, each with its prompt, or the prompt apart as well. They
become rows below each other, the chosen ones first.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import pad

from reference.audit.layouts import IGNORED
from reference.objectives.shapes import InputError

PAIR = ("chosen_input_ids", "rejected_input_ids")
PARTS = ("input_ids", "attention_mask", "labels")


def in_rows(saved: Mapping[str, object]) -> dict[str, object]:
    """The batch with one tensor for both sides of pairs, and with an axis of rows."""
    return with_row_axis(pairs_joined(saved) if set(PAIR) <= saved.keys() else dict(saved))


def with_row_axis(saved: dict[str, object]) -> dict[str, object]:
    """A single row, whose tensors all have one axis of the same length, as a batch of one row."""
    rows = {key: value for key, value in saved.items() if isinstance(value, Tensor) and value.numel() > 1}
    if any(row.is_nested or row.dim() != 1 for row in rows.values()) or len({len(row) for row in rows.values()}) != 1:
        return saved
    return saved | {key: row[None] for key, row in rows.items()}


def pairs_joined(saved: Mapping[str, object]) -> dict[str, object]:
    """Both sides below each other. With labels, a side holds its prompt; without, the prompts must be there apart."""
    both = {part: side(saved, part) for part in PARTS if f"chosen_{part}" in saved}
    if "attention_mask" not in both:
        raise InputError(
            f"{PAIR[0]} and {PAIR[1]} without attention masks: save chosen_attention_mask and rejected_attention_mask too"
        )
    ids, masks = both["input_ids"], both["attention_mask"]
    fill = padding_of(ids, masks)
    joined: dict[str, Tensor] = {"attention_mask": below(masks, 0)}
    if "labels" in both:
        joined |= {"input_ids": below(ids, fill), "labels": below(both["labels"], IGNORED)}
    else:
        joined = {"completion_ids": below(ids, fill), "completion_mask": joined["attention_mask"], **prompts(saved)}
    read = {key for key in saved if key.startswith(("chosen_", "rejected_", "prompt_")) and key.endswith(PARTS)}
    return {key: value for key, value in saved.items() if key not in read} | joined


def side(saved: Mapping[str, object], part: str) -> tuple[Tensor, Tensor]:
    """What chosen and rejected hold of one part, (pairs, time) each; their widths may differ."""
    chosen, rejected = (saved.get(f"{name}_{part}") for name in ("chosen", "rejected"))
    if not isinstance(chosen, Tensor) or not isinstance(rejected, Tensor) or {chosen.dim(), rejected.dim()} != {2}:
        raise InputError(f"chosen_{part} and rejected_{part} are expected to be two tensors (pairs, time)")
    if len(chosen) != len(rejected):
        raise InputError(f"chosen_{part} has {len(chosen)} rows, rejected_{part} {len(rejected)}: expected as many")
    return chosen, rejected


def prompts(saved: Mapping[str, object]) -> dict[str, Tensor]:
    """The prompts, for both sides."""
    ids, mask = saved.get("prompt_input_ids"), saved.get("prompt_attention_mask")
    if not isinstance(ids, Tensor) or not isinstance(mask, Tensor):
        raise InputError(
            f"{PAIR[0]} and {PAIR[1]} have neither labels nor prompts beside them: save chosen_labels and "
            "rejected_labels, or prompt_input_ids and prompt_attention_mask"
        )
    return {"prompt_ids": torch.cat([ids, ids]), "prompt_mask": torch.cat([mask, mask])}


def padding_of(ids: tuple[Tensor, Tensor], masks: tuple[Tensor, Tensor]) -> int:
    """The id that the narrower side is padded with: that of the padding that is there, else 0."""
    found = [tokens[mask == 0] for tokens, mask in zip(ids, masks, strict=True) if tokens.shape == mask.shape]
    there = torch.cat([torch.zeros(0, dtype=torch.long), *found])
    return int(there[0]) if len(there) else 0


def below(sides: tuple[Tensor, Tensor], fill: int) -> Tensor:
    """Chosen above rejected, the narrower one padded on the right."""
    width = max(tensor.shape[1] for tensor in sides)
    return torch.cat([pad(tensor, (0, width - tensor.shape[1]), value=fill) for tensor in sides])
