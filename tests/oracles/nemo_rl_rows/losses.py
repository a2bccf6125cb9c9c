"""What NeMo-RL trains a policy and a critic on, with corrections for the sampler."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..cases import (
    CLIP_HIGH,
    CLIP_LOW,
    DUAL_CLIP,
    FAR,
    GSPO_HIGH,
    GSPO_LOW,
    HOLES,
    KL_COEF,
    ORDINARY,
    SAMPLER_HIGH,
    SAMPLER_LOW,
    VALUE_CLIP,
    Case,
)
from ..records import Row
from .stand_ins import function_alone, loss_functions

POLICY = {"ratio_clip_min": CLIP_LOW, "ratio_clip_max": CLIP_HIGH, "reference_policy_kl_penalty": 0.0}
GSPO = {
    "ratio_clip_min": GSPO_LOW,
    "ratio_clip_max": GSPO_HIGH,
    "sequence_level_importance_ratios": True,
    "token_level_loss": False,
}
KL = {"reference_policy_kl_penalty": KL_COEF}


def on_tokens(x: Tensor) -> Tensor:
    """Its batches have an entry per token, of which the losses skip the first."""
    return torch.nn.functional.pad(x, (1, 0))


def batch(case: Case) -> dict[str, Tensor]:
    """Masks of tokens are integers there, and those of samples float32."""
    return {"token_mask": on_tokens(case.mask.long()), "sample_mask": torch.ones(len(case.mask))}


def valid(case: Case) -> tuple[Tensor, Tensor]:
    """What its losses divide by: sequences and tokens of the global batch."""
    return torch.tensor(float(len(case.mask))), case.mask.sum().float()


# --- policy ---


def policy_loss(logprobs: Tensor, case: Case, advantages: Tensor, **options: Any) -> tuple[Tensor, dict[str, float]]:
    loss = loss_functions.ClippedPGLossFn(loss_functions.ClippedPGLossConfig(**POLICY | options))
    data = batch(case) | {
        "advantages": on_tokens(advantages),
        "prev_logprobs": on_tokens(case.old),
        "generation_logprobs": on_tokens(case.sampler),
        "reference_policy_logprobs": on_tokens(case.ref),
        "rewards": case.scores,
    }
    return loss(logprobs, data, *valid(case))


def policy_row(cases: tuple = ORDINARY, **options: Any) -> Row:
    return Row("logprobs", lambda x, c: policy_loss(x, c, c.advantages, **options)[0], cases)


def corrected_row(kind: str | None = None, cases: tuple = HOLES, **options: Any) -> Row:
    """With the sampler's log-probs, and a bound on their ratio where ``kind`` is given."""
    bounds: dict[str, Any] = {}
    if kind is not None:
        bounds["truncated_importance_sampling_type"] = kind
        bounds["truncated_importance_sampling_ratio"] = SAMPLER_HIGH
        bounds["truncated_importance_sampling_ratio_min"] = SAMPLER_LOW
    return policy_row(cases, use_importance_sampling_correction=True, **bounds | options)


def gspo_row(**options: Any) -> Row:
    def function(logprobs: Tensor, case: Case) -> Tensor:
        advantages = case.advantages[:, :1].expand_as(logprobs)
        return policy_loss(logprobs, case, advantages, **GSPO | options)[0]

    return Row("logprobs", function, HOLES)


def kl_row(kl_type: str, cases: tuple = ORDINARY, **options: Any) -> Row:
    """The KL term alone: advantages of 0."""
    options = KL | {"reference_policy_kl_type": kl_type} | options
    return Row("logprobs", lambda x, c: policy_loss(x, c, torch.zeros_like(x), **options)[0], cases)


def metric_row(metric: str, cases: tuple = ORDINARY, **options: Any) -> Row:
    def function(logprobs: Tensor, case: Case) -> Tensor:
        value = policy_loss(logprobs, case, case.advantages, **options)[1][metric]
        return torch.tensor(value, dtype=torch.float64)

    return Row("logprobs", function, cases)


# --- critic ---

critic_metrics = function_alone("ppo.py", "_compute_critic_metrics", np=np)


def value_loss(values: Tensor, case: Case, returns: Tensor, **options: float) -> tuple[Tensor, dict[str, float]]:
    loss = loss_functions.MseValueLossFn(loss_functions.MseValueLossConfig(**options))
    data = batch(case) | {"returns": on_tokens(returns), "values": on_tokens(case.old_values)}
    return loss(on_tokens(values)[:, :, None], data, *valid(case))


def explained_variance(values: Tensor, case: Case, returns: Tensor) -> Tensor:
    """Of one micro-batch and one process, whose metrics its trainer puts together."""
    metrics = value_loss(values, case, returns)[1]
    given = {name: metrics[name] for name in ("returns_mean", "values_mean", "returns_sq_mean", "residual_sq_mean")}
    no_number = torch.zeros(())
    results = {"grad_norm": no_number, "loss": no_number, "all_mb_metrics": {k: [v] for k, v in given.items()}}
    return torch.tensor(critic_metrics(results)["critic/explained_var"], dtype=torch.float64)


LOSSES = {
    "ClippedPGLossFn": policy_row(FAR),
    "ClippedPGLossFn, token_level_loss=False": policy_row(token_level_loss=False),
    "ClippedPGLossFn, ratio_clip_c": policy_row(FAR, ratio_clip_c=DUAL_CLIP),
    "ClippedPGLossFn, disable_ppo_ratio": policy_row(disable_ppo_ratio=True),
    "ClippedPGLossFn, force_on_policy_ratio": policy_row(force_on_policy_ratio=True),
    "ClippedPGLossFn, use_cispo": policy_row(FAR, use_cispo=True),
    "ClippedPGLossFn, positive_example_nll_weight": policy_row(("ragged", "full"), positive_example_nll_weight=0.5),
    "ClippedPGLossFn, KL": policy_row(**KL),
    "ClippedPGLossFn, sequence_level_importance_ratios": gspo_row(),
    "ClippedPGLossFn, sequence_level_importance_ratios, correction": gspo_row(use_importance_sampling_correction=True),
    "ClippedPGLossFn, correction": corrected_row(),
    "ClippedPGLossFn, correction tis": corrected_row("tis"),
    "ClippedPGLossFn, correction icepop": corrected_row("icepop"),
    "ClippedPGLossFn, correction seq-mask-tis": corrected_row("seq-mask-tis", ("ragged", "full", "tools")),
    "ClippedPGLossFn KL k1": kl_row("k1"),
    "ClippedPGLossFn KL k2": kl_row("k2"),
    "ClippedPGLossFn KL k3": kl_row("k3", FAR),
    "ClippedPGLossFn KL k3, token_level_loss=False": kl_row("k3", token_level_loss=False),
    "ClippedPGLossFn KL k3, use_on_policy_kl_approximation": kl_row("k3", use_on_policy_kl_approximation=True),
    "ClippedPGLossFn kl_penalty": metric_row("kl_penalty", **KL),
    "ClippedPGLossFn probs_ratio": metric_row("probs_ratio"),
    "ClippedPGLossFn gen_kl_error": metric_row("gen_kl_error"),
    "ClippedPGLossFn policy_kl_error": metric_row("policy_kl_error"),
    "MseValueLossFn": Row("values", lambda x, c: value_loss(x, c, c.returns)[0], HOLES),
    "MseValueLossFn, cliprange": Row(
        "values", lambda x, c: value_loss(x, c, c.returns, cliprange=VALUE_CLIP)[0], HOLES
    ),
    "critic/explained_var": Row("values", lambda x, c: explained_variance(x, c, c.returns)),
    "critic/explained_var, equal returns": Row(
        "values", lambda x, c: explained_variance(x, c, torch.ones_like(c.returns))
    ),
}
