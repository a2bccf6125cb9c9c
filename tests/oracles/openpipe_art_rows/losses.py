"""What ART trains on: its one loss with its options, and log-probs and entropy in chunks."""

from typing import Any

import torch
from torch import Tensor

from ..cases import (
    CLIP_HIGH,
    CLIP_LOW,
    FAR,
    GSPO_HIGH,
    GSPO_LOW,
    HOLES,
    KL_COEF,
    ORDINARY,
    SAMPLER_HIGH,
    VOCAB,
    Case,
)
from ..records import Row
from .stand_ins import calculate_logprobs, loss

PPO = {"ppo": True, "epsilon": CLIP_LOW, "epsilon_high": CLIP_HIGH}
GSPO = {"ppo": True, "epsilon": GSPO_LOW, "epsilon_high": GSPO_HIGH}


def on_tokens(x: Tensor, first: float = 0) -> Tensor:
    """Its batches have an entry per token; its loss moves them one to the left."""
    return torch.nn.functional.pad(x, (1, 0), value=first)


def inputs_of(case: Case, **changes: Tensor) -> dict[str, Tensor]:
    rows = torch.arange(1, len(case.mask) + 1)[:, None]
    return {
        "logprobs": on_tokens(case.old, torch.nan),
        "advantages": on_tokens(case.advantages),
        "assistant_mask": on_tokens(case.mask),
        "weights": on_tokens(torch.ones_like(case.advantages)),
        "group_ids": rows.expand_as(case.tokens),
    } | {name: on_tokens(x) for name, x in changes.items()}


def art_loss(logprobs: Tensor, case: Case, inputs: dict[str, Tensor], **options: Any) -> loss.Loss:
    """The last token predicts nothing: its log-probs are 0."""
    ref = torch.nn.functional.pad(case.ref, (0, 1))
    return loss.loss_fn(inputs, torch.nn.functional.pad(logprobs, (0, 1)), ref, None, options)


def loss_row(cases: tuple = ORDINARY, **options: Any) -> Row:
    return Row("logprobs", lambda x, c: art_loss(x, c, inputs_of(c), **options).policy_loss, cases)


def changed_row(name: str, change: str, cases: tuple = ORDINARY, **options: Any) -> Row:
    """With another field of the case in the place of one of its inputs."""

    def function(logprobs: Tensor, case: Case) -> Tensor:
        return art_loss(logprobs, case, inputs_of(case, **{name: getattr(case, change)}), **options).policy_loss

    return Row("logprobs", function, cases)


def gspo_row(cases: tuple = HOLES, **options: Any) -> Row:
    def function(logprobs: Tensor, case: Case) -> Tensor:
        advantages = case.advantages[:, :1].expand_as(logprobs)
        return art_loss(logprobs, case, inputs_of(case, advantages=advantages), **GSPO | options).policy_loss

    return Row("logprobs", function, cases)


def without_old(logprobs: Tensor, case: Case) -> Tensor:
    """The first two completion tokens alone have a log-prob of the sampler."""
    old = case.old.clone()
    old[:, 3:] = torch.nan
    return art_loss(logprobs, case, inputs_of(case, logprobs=old), **PPO).policy_loss


def chunked(hidden: Tensor, case: Case, which: int) -> Tensor:
    """0: log-probs, 1: entropy. Any (vocab, width) matrix will do, the logits serve as hidden states."""
    lm_head = case.logits[0, :VOCAB].T
    return calculate_logprobs(lm_head, hidden, loss.shift_tensor(case.tokens, 0), 3)[which][:, :-1]


LOSSES = {
    "_calculate_logprobs": Row("logits", lambda x, c: chunked(x, c, 0)),
    "_calculate_logprobs, entropy": Row("logits", lambda x, c: chunked(x, c, 1)),
    "loss_fn": loss_row(FAR),
    "loss_fn, ppo": loss_row(FAR, **PPO),
    "loss_fn, ppo, epsilon_high=None": loss_row(ppo=True),
    "loss_fn, ppo, sequence": gspo_row(importance_sampling_level="sequence"),
    "loss_fn, ppo, average": gspo_row(importance_sampling_level="average"),
    "loss_fn, ppo, geometric_average": gspo_row(importance_sampling_level="geometric_average"),
    "loss_fn, ppo, logprobs missing": Row("logprobs", without_old),
    "loss_fn, sequence": loss_row(HOLES, importance_sampling_level="sequence"),
    "loss_fn, mask_prob_ratio": loss_row(FAR, mask_prob_ratio=True),
    "loss_fn, mask_prob_ratio, epsilon": loss_row(mask_prob_ratio=True, epsilon=CLIP_LOW, epsilon_high=CLIP_HIGH),
    "loss_fn, ppo, max_negative_advantage_importance_sampling_weight": loss_row(
        max_negative_advantage_importance_sampling_weight=1.1, **PPO
    ),
    "loss_fn, truncated_importance_sampling": loss_row(truncated_importance_sampling=SAMPLER_HIGH),
    "loss_fn, ppo, truncated_importance_sampling": loss_row(truncated_importance_sampling=SAMPLER_HIGH, **PPO),
    "loss_fn, ppo, truncated_importance_sampling, original_logprobs": changed_row(
        "original_logprobs", "sampler", HOLES, truncated_importance_sampling=SAMPLER_HIGH, **PPO
    ),
    "loss_fn, kimi_k2_tau": loss_row(kimi_k2_tau=KL_COEF),
    "loss_fn, kl_penalty_coef": loss_row(kl_penalty_coef=KL_COEF),
    "loss_fn, kl_policy_ref": Row(
        "logprobs", lambda x, c: art_loss(x, c, inputs_of(c), kl_penalty_coef=KL_COEF).kl_policy_ref
    ),
}
