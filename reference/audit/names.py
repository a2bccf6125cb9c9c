"""A saved batch of any codebase as a ``Batch``: which tensor is which, and which token each number is about.

    Batch.tokens            p p p c c c       start = 3
    Batch.mask, per_token         t t t       index t is about token start + t

Frameworks differ in the axis: verl and TRL save the completion alone, OpenRLHF one column less than the tokens, NeMo-RL and
transformers' labels as many columns as tokens. Which keys each has stands in ``layouts``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from reference.audit.batch import NUMBERS, PER_ROW, PER_TOKEN, Batch
from reference.audit.choice import Chosen, choose
from reference.audit.columns import Columns, columns_of
from reference.audit.groups import group_rows
from reference.audit.masks import MASKS, loss_mask, tool_tokens
from reference.audit.ragged import rectangles
from reference.objectives.shapes import InputError, at_least_float32


def batch_of(
    tensors: Mapping[str, Tensor],
    *,
    names: Mapping[str, str] | None = None,
    pad_token_id: int | None = None,
    eos_token_id: int | None = None,
    group_size: int | None = None,
) -> Batch:
    """The batch that was saved under a framework's own keys.

    ``names`` says what is not recognised: ``{"old_logprobs": "my_key"}``. ``group_size`` groups rows that have the same
    prompt. Keys that were not read, and what is worth knowing about the layout, are in ``notes``. Raises ``InputError``
    where there are no tokens, where two keys can be the same thing, and for shapes that do not belong together.

        batch = batch_of({"input_ids": ids, "labels": labels})
        batch.tokens[:, batch.start :][batch.mask]     # the tokens in the loss
    """
    chosen = choose(tensors, names or {})
    chosen = replace(chosen, tensors=rectangles(chosen.tensors, pad_token_id=pad_token_id))
    columns = columns_of(chosen)
    mask, notes = loss_mask(chosen, columns)
    per_token, per_row = values_of(chosen, columns)
    named = columns.named | chosen.keys
    if mask is not None and "mask" not in named:
        named["mask"] = next(chosen.key(name) for name in MASKS if name in chosen.tensors)
    if "token_rewards" in per_token and "rewards" not in per_row:
        per_row["rewards"] = per_token["token_rewards"].sum(dim=1)  # as verl and SkyRL take the reward of a completion
        named["rewards"] = chosen.key("token_rewards")
    given = {"pad_token_id": pad_token_id, "eos_token_id": eos_token_id, "group_size": group_size}
    numbers = numbers_of(chosen, given)
    batch = Batch(
        tokens=columns.tokens,
        attention_mask=columns.attention_mask,
        position_ids=columns.position_ids,
        start=columns.start,
        mask=mask,
        per_token=per_token,
        per_row=per_row,
        numbers=numbers,
        tool=tool_tokens(chosen, columns),
        named=named,
        source=chosen.source,
        notes=(*columns.notes, *notes, *unread_note(chosen)),
    )
    return batch if "group" in per_row or "group_size" not in numbers else group_rows(batch)


def values_of(chosen: Chosen, columns: Columns) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The tensors that have a number per token, (rows, K), and those that have one per row."""
    per_token, per_row = {}, {}
    for name in dict.fromkeys((*PER_TOKEN, *PER_ROW)):
        if (tensor := chosen.get(name)) is None:
            continue
        if name in PER_ROW and tensor.shape in ((columns.rows,), (columns.rows, 1)) and tensor.shape != columns.shape:
            per_row[name] = tensor.flatten() if name == "group" else floats(tensor.flatten())
        elif name in PER_TOKEN:
            per_token[name] = floats(columns.cut(tensor, chosen.key(name), per_row=name in PER_ROW))
        else:
            raise InputError(
                f"{chosen.key(name)} is {tuple(tensor.shape)}, expected ({columns.rows},): a number per row"
            )
    return per_token, per_row


def floats(tensor: Tensor) -> Tensor:
    """In float32, or in float64 where they are."""
    return at_least_float32(tensor) if tensor.is_floating_point() else tensor.float()


def numbers_of(chosen: Chosen, given: Mapping[str, int | None]) -> dict[str, float]:
    """Single numbers: those that were given, and those of the file."""
    numbers = {name: float(value) for name, value in given.items() if value is not None}
    for name in NUMBERS:
        tensor = chosen.get(name)
        if tensor is None or name in numbers:
            continue
        if tensor.unique().numel() != 1:
            raise InputError(f"{chosen.key(name)} is {tuple(tensor.shape)}, expected one number: {name} of the batch")
        numbers[name] = float(tensor.flatten()[0])
    return numbers


def unread_note(chosen: Chosen) -> tuple[str, ...]:
    """The keys that nothing was read from, in a sentence."""
    if not chosen.unread:
        return ()
    return (f"Not read: {', '.join(chosen.unread)}. If one of them is needed, say what it is with names.",)
