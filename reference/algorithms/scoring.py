"""Scoring: what the model being trained says about tokens that are already there."""

from contextlib import nullcontext

import torch
from torch import Tensor
from transformers import Cache, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

from reference.algorithms.data import Experience
from reference.objectives import position_ids
from reference.world.head import head_inputs
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
    """The model's output on a batch: ``logits`` and, on request, ``hidden_states[-1]``, which is what its head reads.

    Both are about the same tokens: all, or with ``completions_only`` the last of the prompt and the completion.
    ``prompts``: keys and values of all prompt tokens but the last; the model then reads on from there.
    """
    mask, start = batch.attention_mask, batch.prompt_width - 1
    with head_inputs(model) if hidden else nullcontext() as inputs:
        if prompts is not None:
            out = model(
                batch.tokens[:, start:], attention_mask=mask, position_ids=position_ids(mask)[:, start:],
                past_key_values=prompts, use_cache=True,
            )  # fmt: skip
        else:
            keep = batch.tokens.shape[1] - start if completions_only else 0  # 0: all
            out = model(
                batch.tokens, attention_mask=mask, position_ids=position_ids(mask), use_cache=False,
                logits_to_keep=keep,
            )  # fmt: skip
            out.logits = out.logits[:, -keep:]  # some models (Whisper's decoder) do not know logits_to_keep
    if hidden:
        out.hidden_states = (inputs[-1][:, -out.logits.shape[1] :],)
    return out


def autocast(model: PreTrainedModel, bf16: bool) -> torch.autocast:
    return torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=bf16)
