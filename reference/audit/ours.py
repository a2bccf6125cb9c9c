"""A batch of this course's own loops as tensors by name: what ``audit`` reads, and what a file of safetensors can hold.

experience, _ = collect(model, tokenizer, recipe, rng)
save_file(batch_tensors(experience, tokenizer=tokenizer), "batch.safetensors")
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from reference.algorithms.data import Experience, Pairs

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from reference.world.rollout import Rollout

MARKERS = {"assistant_start": "<|assistant|>", "tool_start": "<|tool|>", "call_start": "<|call|>"}
LEFT_OUT = ("logits", "teacher_logits")  # large, and of a micro-batch only


def batch_tensors(
    batch: Experience | Pairs | tuple[Tensor, Tensor],
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    **more: Tensor | float,
) -> dict[str, Tensor]:
    """``batch``: an experience of ``collect``, pairs of ``draw_pairs``, or tokens and mask of ``draw_demonstrations``.

    ``tokenizer`` adds the ids of padding, EOS and markers. ``more``: what else is known, such as ``logprobs`` of the policy
    that trains, ``sampler_logprobs``, or ``num_tokens``.
    """
    found = tensors_of(batch) | (ids_of(tokenizer) if tokenizer is not None else {})
    found |= {name: torch.as_tensor(value) for name, value in more.items()}
    return {name: value.detach().cpu().contiguous().clone() for name, value in found.items()}


def tensors_of(batch: Experience | Pairs | tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    if isinstance(batch, Experience):
        return of_experience(batch)
    if isinstance(batch, Pairs):
        return of_rollout(batch.completions)
    tokens, mask = batch
    return {"tokens": tokens, "mask": mask}


def of_experience(batch: Experience) -> dict[str, Tensor]:
    """Every tensor that is there. An advantage per completion is given to each of its tokens."""
    values = {field.name: getattr(batch, field.name) for field in fields(batch) if field.name not in LEFT_OUT}
    found = {name: value for name, value in values.items() if isinstance(value, Tensor)}
    if (advantages := batch.advantages) is not None:
        found["advantages"] = advantages.expand(batch.mask.shape)
    return found | {"prompt_width": torch.tensor(batch.prompt_width)}


def of_rollout(rollout: Rollout) -> dict[str, Tensor]:
    part = slice(rollout.prompt_width - 1, None)
    return {
        "tokens": rollout.tokens, "attention_mask": rollout.attention_mask, "mask": rollout.completion_mask[:, part],
        "prompt_width": torch.tensor(rollout.prompt_width),
    }  # fmt: skip


def ids_of(tokenizer: PreTrainedTokenizerBase) -> dict[str, Tensor]:
    """Of padding and EOS, and of the markers that this tokenizer has."""
    vocabulary = tokenizer.get_added_vocab()
    ids = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    ids |= {name: vocabulary.get(marker) for name, marker in MARKERS.items()}
    return {name: torch.tensor(id) for name, id in ids.items() if id is not None}
