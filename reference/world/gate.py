"""The gate: can this model be sampled here at all? Every command that samples asks before it does anything else."""

import random
import warnings

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.objectives import position_ids, token_logprobs
from reference.objectives.shapes import InputError
from reference.world.mode import eval_mode
from reference.world.reader import can_cache, require_context, tolerance
from reference.world.rollout import Rollout, encode_prompts, sample
from reference.world.tasks import MAX_STEPS, draw_problem

ADVICE = "use a model whose log-prob of a token depends on the tokens before it and on nothing else"


def require_sampler(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, max_new_tokens: int) -> None:
    """Refuse a model that the longest prompt and the budget do not fit, or whose samples would be scored wrongly.

    A few tokens are sampled as in a run: prompts of two lengths, two completions each. Then every completion is scored,
    all together and each by itself. A model that reads ahead (BERT), or counts the padding (RWKV), does not give its
    samples the log-probs that they were drawn with: the first ratio would not be 1, and nothing would say so.
    """
    longest = encode_prompts(tokenizer, [draw_problem(random.Random(0), num_steps=MAX_STEPS)])[0]
    require_context(model, len(longest) + 1 + max_new_tokens)  # + 1: the first number may have two digits
    name = type(model).__name__
    prompts = encode_prompts(tokenizer, [draw_problem(random.Random(0), num_steps=steps) for steps in (2, MAX_STEPS)])
    try:
        rollout = sample(model, tokenizer, prompts, group_size=2, max_new_tokens=4, seeds=[0, 1, 2, 3])
        apart = [rollout.rows(torch.tensor([row], device=model.device)) for row in range(4)]
        error = max(largest_error(model, part) for part in (rollout, *apart))
    except InputError:
        raise
    except Exception as failure:  # encoder-decoders and others fail in their own ways
        reason = str(failure).strip().splitlines()
        told = f"{type(failure).__name__}: {reason[0][:160]}" if reason else type(failure).__name__
        raise InputError(f"{name} cannot be sampled token by token ({told}): use a decoder-only causal LM") from None
    if error > tolerance(model):
        raise InputError(
            f"{name} gives a token another log-prob when it is scored than when it was sampled, by {error:.2g} nats: what "
            f"comes later, or padding, changes what it says, and training on it would be wrong; {ADVICE}"
        )
    if not can_cache(model):
        warnings.warn(
            f"{name} keeps no key-value cache that can be repeated and cut (recurrent and hybrid models keep a state): it "
            "is sampled without one, and every token costs a pass over all before it",
            stacklevel=2,
        )


@torch.no_grad()
def largest_error(model: PreTrainedModel, rollout: Rollout) -> float:
    """How far the log-probs of the completions are from those that they were sampled with, in nats."""
    mask = rollout.attention_mask
    with eval_mode(model):
        logits = model(rollout.tokens, attention_mask=mask, position_ids=position_ids(mask), use_cache=False).logits
    error = token_logprobs(logits, rollout.tokens) - rollout.sampler_logprobs
    return error[rollout.completion_mask].abs().max().item()
