"""The tokens of a batch, and which of their columns the numbers per token are about."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from reference.audit.batch import PER_ROW, PER_TOKEN
from reference.audit.choice import Chosen
from reference.audit.square_masks import tokens_there
from reference.objectives.shapes import InputError

AS_WIDE_AS_TOKENS = ("labels", "shift_labels")  # by transformers' definition; the others are as wide as they are


@dataclass(frozen=True)
class Columns:
    """Tokens and their masks, (rows, time), and the first column that a number per token can be about."""

    tokens: Tensor
    attention_mask: Tensor | None
    position_ids: Tensor | None
    start: int
    like: str  # the key that has the shape (rows, K), for refusals
    named: dict[str, str]
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        return self.tokens.shape[0]

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows, self.tokens.shape[1] - self.start

    def cut(self, tensor: Tensor, key: str, *, per_row: bool = False) -> Tensor:
        """A tensor per token as (rows, K). One as wide as the tokens has index t for token t, and loses its first columns."""
        if tensor.shape == self.shape:
            return tensor
        if tensor.shape == self.tokens.shape:
            return tensor[:, self.start :]
        or_row = f", or ({self.rows},): a number per row" if per_row else ""
        raise InputError(f"{key} is {tuple(tensor.shape)}, expected {self.shape}, as {self.like} has it{or_row}")


def columns_of(chosen: Chosen) -> Columns:
    """Tokens, masks and start, from whatever the framework saves."""
    tokens, like, named = joined(chosen) if "completions" in chosen.tensors else given(chosen)
    require_ids(tokens, named["tokens"])
    tokens = tokens.long()
    attention_mask, notes = attention(chosen, tokens)
    position_ids = chosen.get("position_ids")
    if position_ids is not None and position_ids.shape != tokens.shape:
        if position_ids.dim() < 3 or position_ids.shape[0] != len(tokens):
            raise InputError(
                f"{chosen.key('position_ids')} is {tuple(position_ids.shape)}, expected {tuple(tokens.shape)} as the tokens"
            )
        notes.append(f"{chosen.key('position_ids')} has {position_ids.dim()} axes, as for images, and was left out.")
        position_ids = None
    start, like = start_of(chosen, tokens, like)
    notes += [*width_notes(chosen, tokens, start), *packed_note(position_ids, attention_mask)]
    return Columns(tokens, attention_mask, position_ids, start, like, named, tuple(notes))


def joined(chosen: Chosen) -> tuple[Tensor, str, dict[str, str]]:
    """Prompts and completions side by side. Tokens that are saved too must be the same ones."""
    completions, key = chosen.tensors["completions"], chosen.key("completions")
    prompts, tokens = chosen.get("prompts"), chosen.get("tokens")
    if prompts is None:
        raise InputError(f"{key} without prompts: save them too, or all tokens as input_ids")
    for tensor, name in ((prompts, chosen.key("prompts")), (completions, key)):
        require_ids(tensor, name)
    if len(prompts) != len(completions):
        raise InputError(f"{chosen.key('prompts')} has {len(prompts)} rows, {key} {len(completions)}: expected as many")
    both = torch.cat([prompts, completions], dim=1)
    if tokens is not None and (tokens.shape != both.shape or not tokens.equal(both)):
        raise InputError(
            f"{chosen.key('tokens')} {tuple(tokens.shape)} is not {chosen.key('prompts')} and {key} side by side: were they "
            "padded on the right each? Save verl's tensors as they are, nested, or prompts that are padded on the left"
        )
    name = chosen.key("tokens") if tokens is not None else f"{chosen.key('prompts')} + {key}"
    return both, key, {"tokens": name}


def given(chosen: Chosen) -> tuple[Tensor, str, dict[str, str]]:
    return chosen.tensors["tokens"], "", {"tokens": chosen.key("tokens")}


def require_ids(tokens: Tensor, key: str) -> None:
    """Refuse what cannot be token ids, (rows, time)."""
    if tokens.dim() != 2 or 0 in tokens.shape:
        raise InputError(
            f"{key} is {tuple(tokens.shape)}, expected (rows, time) with at least one token: a row alone is read where all "
            "tensors are as long as it is"
        )
    if tokens.is_floating_point() or tokens.dtype == torch.bool:
        raise InputError(f"{key} is {tokens.dtype}, expected token ids: whole numbers")


def attention(chosen: Chosen, tokens: Tensor) -> tuple[Tensor | None, list[str]]:
    """Which tokens are there, from a mask, its two halves, or lengths; None where nothing says."""
    mask, key = chosen.get("attention_mask"), chosen.key("attention_mask")
    if mask is None and {"prompts", "completions", "prompt_mask", "completion_mask"} <= chosen.tensors.keys():
        key = f"{chosen.key('prompt_mask')} + {chosen.key('completion_mask')}"
        mask = torch.cat([half(chosen, "prompt"), half(chosen, "completion")], dim=1)
    if mask is None and (lengths := chosen.get("lengths")) is not None:
        if lengths.shape != (len(tokens),):
            raise InputError(
                f"{chosen.key('lengths')} is {tuple(lengths.shape)}, expected ({len(tokens)},): a number per row"
            )
        return torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None], []
    if mask is None:
        return None, []
    if mask.shape != tokens.shape:
        return tokens_there(mask, key, tokens.shape), [
            f"{key} is {tuple(mask.shape)}: what its queries see was taken to be the tokens that are there."
        ]
    if mask.dtype != torch.bool and ((mask < 0) | (mask != mask.round())).any():
        raise InputError(f"{key} holds numbers other than 0 and 1: expected 1 where a token is")
    numbered = mask.dtype != torch.bool and bool((mask > 1).any())
    return mask > 0, [f"{key} numbers the documents of a row; the others of a row are not told apart."] * numbered


def half(chosen: Chosen, name: str) -> Tensor:
    """The attention mask of prompts or of completions, as wide as they are."""
    mask, ids = chosen.tensors[f"{name}_mask"], chosen.tensors[f"{name}s"]
    if mask.shape != ids.shape:
        raise InputError(
            f"{chosen.key(f'{name}_mask')} is {tuple(mask.shape)}, expected {tuple(ids.shape)} as its tokens"
        )
    return mask


def start_of(chosen: Chosen, tokens: Tensor, like: str) -> tuple[int, str]:
    """The first column that numbers per token are about, and the key that says so."""
    time = tokens.shape[1]
    if like:
        return time - chosen.tensors["completions"].shape[1], like
    if (start := chosen.get("start")) is not None:
        if start.numel() != 1 or start.item() not in range(time):
            raise InputError(
                f"{chosen.key('start')} is {start.tolist()}, expected a column of the tokens, below {time}"
            )
        return int(start), chosen.key("start")
    for name in ("mask", "logprobs", *PER_TOKEN):
        tensor = chosen.get(name)
        if tensor is None or tensor.dim() != 2 or (name in PER_ROW and tensor.shape[1] == 1):
            continue
        if tensor.shape[1] < time:
            return time - tensor.shape[1], chosen.key(name)
    return 1, named_first(chosen)  # nothing predicts token 0


def named_first(chosen: Chosen) -> str:
    return next((chosen.key(name) for name in ("mask", *AS_WIDE_AS_TOKENS, "tokens") if name in chosen.tensors), "")


def width_notes(chosen: Chosen, tokens: Tensor, start: int) -> list[str]:
    """What is as wide as the tokens was taken to be about the token in the same column."""
    wide = [
        chosen.key(name) for name in PER_TOKEN if name in chosen.tensors and chosen.tensors[name].shape == tokens.shape
    ]
    if not wide or start == 0 or chosen.source == "nemo":
        return []
    return [
        f"{', '.join(wide)}: as wide as the tokens, so index t was taken to be about token t, not about the next one."
    ]


def packed_note(position_ids: Tensor | None, attention_mask: Tensor | None) -> list[str]:
    """Rows that hold several texts, found where a position begins again."""
    if position_ids is None:
        return []
    there = attention_mask if attention_mask is not None else torch.ones_like(position_ids, dtype=torch.bool)
    again = (position_ids[:, 1:] == 0) & (position_ids[:, :-1] > 0) & there[:, 1:]
    texts = int(again.sum()) + len(position_ids)
    return [f"Several texts share a row: {texts} in {len(position_ids)}, by position_ids."] if again.any() else []
