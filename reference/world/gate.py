"""The gate: can this model be sampled here at all? Every command that samples asks before it does anything else."""

import random
import warnings

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.objectives import position_ids, token_logprobs
from reference.objectives.shapes import InputError
from reference.world.eval_mode import eval_mode
from reference.world.reader import can_cache, require_context, tolerance
from reference.world.rollout import Rollout, encode_prompts, left_padded, sample
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
    try:
        rollout = sample(model, tokenizer, two_prompts(tokenizer), group_size=2, max_new_tokens=4, seeds=[0, 1, 2, 3])
        apart = [rollout.rows(torch.tensor([row], device=model.device)) for row in range(4)]
        error = max(largest_error(model, part) for part in (rollout, *apart))
    except InputError:
        raise
    except Exception as failure:  # encoder-decoders and others fail in their own ways
        reason = str(failure).strip().splitlines()
        cause = f"{type(failure).__name__}: {reason[0][:160]}" if reason else type(failure).__name__
        raise InputError(f"{name} cannot be sampled token by token ({cause}): use a decoder-only causal LM") from None
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


def require_gradient(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *alike: PreTrainedModel) -> None:
    """Refuse a model whose gradient is NaN before anything was learned, after trying eager attention.

    Gemma 3n takes a square root of what it holds at a position. Torch's fused attention (SDPA) leaves 0 on left padding,
    where the root has an infinite derivative; times the 0 that comes back from there it is NaN, for every weight. Plain
    transformers does the same. Eager attention has no 0 there. The model is then left with eager attention, and so are
    those that are ``alike``: copies of it, or its trunk under another head.
    """
    rows = two_prompts(tokenizer)
    if not has_nan_gradient(model, tokenizer, rows):
        return
    if model.config._attn_implementation != "eager":
        model.set_attn_implementation("eager")
        if not has_nan_gradient(model, tokenizer, rows):
            for other in alike:
                other.set_attn_implementation("eager")
            warnings.warn(
                f"{type(model).__name__} has NaN gradients on padded rows with fused attention: eager attention is used "
                "instead, which needs more memory and time",
                stacklevel=2,
            )
            return
    raise InputError(
        f"{type(model).__name__} has NaN gradients on padded rows before it learned anything, with eager attention too: "
        "look for NaN in its weights"
    )


def has_nan_gradient(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: list[list[int]]) -> bool:
    """Whether the gradient of the last log-probs of two rows, one of them padded on the left, has a NaN anywhere."""
    width = max(map(len, prompts))
    tokens, mask = left_padded(prompts, width, width, tokenizer.pad_token_id, model.device)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    if not weights:
        return False
    with eval_mode(model):
        logits = model(tokens, attention_mask=mask, position_ids=position_ids(mask), use_cache=False).logits
    loss = token_logprobs(logits, tokens)[:, -1].sum()
    gradients = torch.autograd.grad(loss, weights, allow_unused=True)
    return any(gradient is not None and bool(gradient.isnan().any()) for gradient in gradients)


def two_prompts(tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    """A short prompt and a long one: side by side the short one is padded."""
    return encode_prompts(tokenizer, [draw_problem(random.Random(0), num_steps=steps) for steps in (2, MAX_STEPS)])


@torch.no_grad()
def largest_error(model: PreTrainedModel, rollout: Rollout) -> float:
    """How far the log-probs of the completions are from those that they were sampled with, in nats."""
    mask = rollout.attention_mask
    with eval_mode(model):
        logits = model(rollout.tokens, attention_mask=mask, position_ids=position_ids(mask), use_cache=False).logits
    error = token_logprobs(logits, rollout.tokens) - rollout.sampler_logprobs
    return error[rollout.completion_mask].abs().max().item()
