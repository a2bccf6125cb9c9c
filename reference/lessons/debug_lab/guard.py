"""A check of the batch inside of a training loop: the loss refuses to be computed on a batch that is wrong."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from reference.algorithms.data import Experience
from reference.algorithms.recipes import Recipe
from reference.objectives import ppo_clip_loss
from reference.objectives.shapes import InputError

from .batches import Seen, seen_by

Loss = Callable[[Tensor, Experience, Recipe], Tensor]


def names_for(check: Callable[..., Any], seen: Seen, *, eos_token_id: int) -> list[str]:
    """What a ``check_batch`` says of a batch of reinforcement learning."""
    tensors = (seen.tokens, seen.attention_mask, seen.mask, seen.logprobs, seen.old_logprobs)
    return list(check(*tensors, prompt_width=seen.prompt_width, eos_token_id=eos_token_id))


def guarded(check: Callable[..., Any], *, eos_token_id: int) -> Loss:
    """PPO's loss, which asks ``check`` first. For recipes with one update per rollout, where the ratio has to be 1.

    The loss raises ``InputError`` with the names that the check has found.
    """

    def loss(logprobs: Tensor, experience: Experience, recipe: Recipe) -> Tensor:
        if found := names_for(check, seen_by(logprobs, experience), eos_token_id=eos_token_id):
            raise InputError(f"the batch is wrong: {', '.join(found)}")
        return ppo_clip_loss(logprobs, experience.old_logprobs, experience.advantages)

    return loss


def shifted(mask: Tensor, places: int) -> Tensor:
    """A mask that is some places late, or early if they are negative. What leaves the row is lost."""
    width = mask.shape[1]
    wide = torch.nn.functional.pad(mask, (abs(places), abs(places)))
    return wide[:, abs(places) - places :][:, :width]


def mask_shifted(loss: Loss, *, places: int) -> Loss:
    """The same loss, given a shifted mask."""

    def wrong(logprobs: Tensor, experience: Experience, recipe: Recipe) -> Tensor:
        return loss(logprobs, replace(experience, mask=shifted(experience.mask, places)), recipe)

    return wrong
