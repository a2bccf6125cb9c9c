"""Log-ratios of two models on the first tokens of completions: how far a policy has moved, and at which position."""

import torch
from torch import Tensor
from transformers import PreTrainedModel

from reference.objectives import position_ids, token_logprobs
from reference.objectives.shapes import require_finite
from reference.world.eval_mode import eval_mode
from reference.world.rollout import Rollout

TOKENS = 16  # of each completion
ROWS_AT_ONCE = 64  # of so many the logits are there at a time
DIGITS = 4  # behind the decimal point


def first_log_ratios(
    policy: PreTrainedModel, against: PreTrainedModel, rollout: Rollout, *, tokens: int = TOKENS
) -> list[list[float]]:
    """log pi(token) - log pi_against(token) of the first ``tokens`` tokens of each completion, in nats, rounded to 4 digits.

    Both models score the same tokens at temperature 1. The end-of-turn token counts, so a list is shorter where the
    completion is. Over completions that the policy has drawn at temperature 1, the mean at position t is an unbiased
    estimate of KL(policy || against) of the two next-token distributions there, averaged over the policy's own beginnings
    that are not at their end before t. A single number may be below 0, the KL is not: it is ``kl_k1`` of one token. Qi et
    al. (2406.05946, figure 1) show the KL by position between chat models and their bases: it is largest on the first tokens.
    Raises ``InputError`` for a token that one of the models holds to be impossible.
    """
    first = first_tokens(rollout, tokens)
    ratios = completion_logprobs(policy, first) - completion_logprobs(against, first)
    rows = zip(ratios, first.completion_mask[:, first.prompt_width - 1 :], strict=True)
    kept = [row[mask] for row, mask in rows]
    require_finite(torch.cat(kept), "log-ratios (of the model and the one it is compared with)")
    return [[round(number, DIGITS) + 0.0 for number in row.tolist()] for row in kept]  # + 0.0: no -0.0


def first_tokens(rollout: Rollout, tokens: int) -> Rollout:
    """The prompts with the first so many tokens of their completions."""
    end = rollout.prompt_width + tokens
    return Rollout(
        tokens=rollout.tokens[:, :end],
        attention_mask=rollout.attention_mask[:, :end],
        completion_mask=rollout.completion_mask[:, : end - 1],
        sampler_logprobs=rollout.sampler_logprobs[:, : end - 1],
        truncated=rollout.truncated,
        prompt_width=rollout.prompt_width,
    )


@torch.no_grad()
def completion_logprobs(model: PreTrainedModel, rollout: Rollout) -> Tensor:
    """(rows, tokens of the longest completion) log-probs at temperature 1; what stands on padding means nothing."""
    keep = rollout.tokens.shape[1] - rollout.prompt_width + 1  # the last of the prompt scores the first token
    parts = []
    with eval_mode(model):
        for rows in torch.arange(len(rollout.tokens), device=rollout.tokens.device).split(ROWS_AT_ONCE):
            tokens, mask = rollout.tokens[rows], rollout.attention_mask[rows]
            logits = model(
                tokens, attention_mask=mask, position_ids=position_ids(mask), use_cache=False, logits_to_keep=keep
            ).logits[:, -keep:]  # some models do not know logits_to_keep
            parts.append(token_logprobs(logits, tokens[:, -keep:]))
    return torch.cat(parts)
