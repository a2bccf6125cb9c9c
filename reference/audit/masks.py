"""Which tokens are in the loss, and which a tool wrote: from masks, labels and masks of whole rows."""

from __future__ import annotations

import torch
from torch import Tensor

from reference.audit.choice import Chosen
from reference.audit.columns import Columns
from reference.audit.layouts import IGNORED
from reference.objectives.shapes import InputError, kept

MASKS = ("mask", "labels", "shift_labels", "completion_mask")  # what says which tokens are in the loss


def loss_mask(chosen: Chosen, columns: Columns) -> tuple[Tensor | None, list[str]]:
    """(rows, K), True on what is in the loss, or None where nothing says; and sentences about it."""
    masks: dict[str, Tensor] = {}
    notes: list[str] = []
    for name, read in READERS.items():
        if name in chosen.tensors:
            masks[name], more = read(chosen, columns)
            notes += more
    if chosen.source == "trl" and "completion_mask" in chosen.tensors:  # tokens that are there, less those of a tool
        masks["completion_mask"] = in_columns(chosen, columns, "completion_mask")
        if "model_mask" in chosen.tensors:
            masks["completion_mask"] = masks["completion_mask"] & in_columns(chosen, columns, "model_mask")
    require_one_mask(chosen, masks)
    if not masks:
        return None, notes
    mask = next(iter(masks.values()))
    if (rows := chosen.get("sample_mask")) is not None:
        if rows.shape not in ((columns.rows,), (columns.rows, 1)):
            raise InputError(
                f"{chosen.key('sample_mask')} is {tuple(rows.shape)}, expected ({columns.rows},): one per row"
            )
        mask = mask & (rows.view(-1, 1) != 0)
    return mask, notes


def in_columns(chosen: Chosen, columns: Columns, name: str) -> Tensor:
    key = chosen.key(name)
    return kept(columns.cut(chosen.tensors[name], key), key)


def by_mask(chosen: Chosen, columns: Columns) -> tuple[Tensor, list[str]]:
    """A mask of zeros and ones; what it keeps before the first column is said."""
    return in_columns(chosen, columns, "mask"), lost(chosen, columns, chosen.tensors["mask"] != 0, "mask")


def by_labels(chosen: Chosen, columns: Columns) -> tuple[Tensor, list[str]]:
    """Labels that the model shifts: label t is token t. Says so where they are not."""
    key, labels = chosen.key("labels"), chosen.tensors["labels"]
    if labels.shape != columns.tokens.shape:
        raise InputError(f"{key} is {tuple(labels.shape)}, expected {tuple(columns.tokens.shape)} as the tokens")
    there = labels != IGNORED
    notes = lost(chosen, columns, there, "labels")
    if (other := there & (labels != columns.tokens)).any():
        row, column = other.nonzero()[0].tolist()
        early = there[:, :-1] & (labels[:, :-1] == columns.tokens[:, 1:])
        shifted = "They are the next tokens: shifted here, and again in the model. " * bool(
            early.sum() > there.sum() / 2
        )
        notes.append(
            f"{key} are not the tokens at {int(other.sum())} of {int(there.sum())} places, the first in row {row}, column "
            f"{column}. {shifted}The model shifts labels, so they must equal the tokens or be {IGNORED}."
        )
    return there[:, columns.start :], notes


def by_shift_labels(chosen: Chosen, columns: Columns) -> tuple[Tensor, list[str]]:
    """Labels that the loss takes as they are: label t is token t + 1."""
    key, labels = chosen.key("shift_labels"), chosen.tensors["shift_labels"]
    if labels.shape != columns.tokens.shape:
        raise InputError(f"{key} is {tuple(labels.shape)}, expected {tuple(columns.tokens.shape)} as the tokens")
    there = torch.cat([torch.zeros_like(labels[:, :1], dtype=torch.bool), labels[:, :-1] != IGNORED], dim=1)
    return there[:, columns.start :], lost(chosen, columns, there, "shift_labels")


def lost(chosen: Chosen, columns: Columns, there: Tensor, name: str) -> list[str]:
    """A sentence about tokens that are kept before the columns of the other tensors; token 0 is never predicted."""
    if there.shape != columns.tokens.shape or not (dropped := int(there[:, : columns.start].sum())):
        return []
    why = "no token predicts the first one" if columns.start == 1 else f"{columns.like} begins there"
    return [
        f"{dropped} tokens before column {columns.start} are in the loss by {chosen.key(name)}, and left out: {why}."
    ]


def require_one_mask(chosen: Chosen, masks: dict[str, Tensor]) -> None:
    """Two masks of a file must keep the same tokens."""
    (first, mask), *others = [*masks.items()] or [("", torch.empty(0))]
    for name, other in others:
        if not mask.equal(other):
            a, b = chosen.key(first), chosen.key(name)
            raise InputError(
                f"{a} keeps {int(mask.sum())} tokens and {b} {int(other.sum())}, not the same ones: leave the one out that "
                "the loss does not read"
            )


def tool_tokens(chosen: Chosen, columns: Columns) -> Tensor | None:
    """(rows, K), True on what a tool wrote, where a tensor says so. TRL's tool_mask is 0 there, and 1 on padding."""
    if "tool" in chosen.tensors:
        return in_columns(chosen, columns, "tool")
    if "model_mask" in chosen.tensors and "completion_mask" in chosen.tensors:
        return in_columns(chosen, columns, "completion_mask") & ~in_columns(chosen, columns, "model_mask")
    return None


READERS = {"mask": by_mask, "labels": by_labels, "shift_labels": by_shift_labels}
