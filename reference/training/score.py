"""Scoring: what the model being trained says about tokens that are already there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from transformers import Cache, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

from reference.objectives import position_ids

if TYPE_CHECKING:
    from reference.training.experience import Experience
    from reference.world.rollout import Rollout


def score(model: PreTrainedModel, batch: Rollout | Experience, *, completions_only: bool = False) -> Tensor:
    """Logits (rows, time, vocab), with positions that left padding cannot move.

    ``completions_only``: logits from the last token of the prompt on, (rows, time - prompt_width + 1, vocab), to go with
    ``tokens[:, prompt_width - 1:]``. Nobody trains on prompts, so nobody needs their logits.
    """
    return forward(model, batch, completions_only=completions_only).logits


def forward(
    model: PreTrainedModel,
    batch: Rollout | Experience,
    *,
    completions_only: bool = False,
    hidden: bool = False,
    prompts: Cache | None = None,
) -> CausalLMOutputWithPast:
    """The model's output on a batch: ``logits`` and, on request, ``hidden_states``.

    ``prompts``: keys and values of all prompt tokens but the last; the model then reads on from there, and both outputs
    begin with that last token.
    """
    if prompts is not None:
        mask, start = batch.attention_mask, batch.prompt_width - 1
        return model(
            batch.tokens[:, start:], attention_mask=mask, position_ids=position_ids(mask)[:, start:],
            past_key_values=prompts, use_cache=True, output_hidden_states=hidden,
        )  # fmt: skip
    mask = batch.attention_mask
    keep = batch.tokens.shape[1] - batch.prompt_width + 1 if completions_only else 0  # 0: all
    return model(
        batch.tokens, attention_mask=mask, position_ids=position_ids(mask), use_cache=False, logits_to_keep=keep,
        output_hidden_states=hidden,
    )  # fmt: skip


def autocast(model: PreTrainedModel, bf16: bool) -> torch.autocast:
    return torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=bf16)
