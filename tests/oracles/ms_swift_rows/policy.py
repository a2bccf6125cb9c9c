"""What ms-swift's GRPO trains on: its loss types, importance sampling, corrections for the sampler, and its metrics."""

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from ..cases import (
    CLIP_HIGH,
    COMPLETION,
    DUAL_CLIP,
    FAR,
    GLOBAL_TOKENS,
    GSPO_HIGH,
    GSPO_LOW,
    HOLES,
    KL_COEF,
    ORDINARY,
    SAMPLER_HIGH,
    Case,
)
from ..ms_swift_options import APART, LOW_DELTA, ROW_HIGH, SHARE
from ..records import Row
from .trainers import grpo_trainer

BY_ROW = {"epsilon": GSPO_LOW, "epsilon_high": GSPO_HIGH}


def batch_of(case: Case, advantages: Tensor, sampled: bool) -> SimpleNamespace:
    """As much of a GRPOBatch as the loss reads."""
    return SimpleNamespace(
        completion_mask=case.mask,
        truncated_mask=case.lengths == COMPLETION,
        advantages=advantages,
        old_per_token_logps=case.old,
        ref_per_token_logps=case.ref,
        rollout_per_token_logps=case.sampler if sampled else None,
        teacher_per_token_logps=None,
        num_items_in_batch=GLOBAL_TOKENS,
    )


def loss_and_metrics(
    logprobs: Tensor, case: Case, *, by_row: bool, sampled: bool, **options: Any
) -> tuple[Tensor, dict[str, list[float]]]:
    self = grpo_trainer(**options)
    # The entropies choose tokens and have no gradient: any numbers do.
    self._get_per_token_logps_and_entropies = lambda *_, **__: (logprobs, case.values)
    advantages = case.advantages[:, :1].expand_as(case.advantages) if by_row else case.advantages
    loss, metrics = self._compute_loss_and_metrics(None, {}, batch_of(case, advantages, sampled))
    self._update_metrics(metrics)
    return loss, self._metrics["train"]


def loss_row(
    loss_type: str, *, by_row: bool = False, sampled: bool = False, cases: tuple = ORDINARY, **options: Any
) -> Row:
    """``by_row``: one advantage per completion; ``sampled``: the log-probs of the sampler are known."""

    def function(logprobs: Tensor, case: Case) -> Tensor:
        return loss_and_metrics(logprobs, case, by_row=by_row, sampled=sampled, loss_type=loss_type, **options)[0]

    return Row("logprobs", function, cases)


def gspo_row(loss_type: str, level: str = "sequence") -> Row:
    return loss_row(loss_type, by_row=True, cases=HOLES, importance_sampling_level=level, **BY_ROW)


def metric_row(name: str, cases: tuple = ORDINARY, **options: Any) -> Row:
    def function(logprobs: Tensor, case: Case) -> Tensor:
        metrics = loss_and_metrics(logprobs, case, by_row=False, sampled=False, loss_type="bnpo", **options)[1]
        return torch.tensor(metrics[name], dtype=torch.float64)[0]

    return Row("logprobs", function, cases)


def rollout_row(mode: str, *, threshold: float = SAMPLER_HIGH, **options: Any) -> Row:
    options |= {"rollout_importance_sampling_mode": mode, "rollout_importance_sampling_threshold": threshold}
    return loss_row("bnpo", sampled=True, cases=HOLES, **options)


POLICY = {
    "grpo": loss_row("grpo", cases=FAR),
    "bnpo": loss_row("bnpo", cases=FAR),
    "dapo": loss_row("dapo"),
    "dr_grpo": loss_row("dr_grpo"),
    "bnpo, delta": loss_row("bnpo", delta=DUAL_CLIP, cases=FAR),
    "bnpo, delta below 1 + epsilon_high": loss_row("bnpo", delta=LOW_DELTA),
    "bnpo, beta": loss_row("bnpo", beta=KL_COEF, cases=FAR),
    "bnpo, kl_in_reward": loss_row("bnpo", beta=KL_COEF, kl_in_reward=True),
    "grpo, sequence": gspo_row("grpo"),
    "bnpo, sequence": gspo_row("bnpo"),
    "grpo, sequence_token": gspo_row("grpo", "sequence_token"),
    "cispo": loss_row("cispo", epsilon_high=1 + CLIP_HIGH, cases=FAR),
    "cispo, epsilon_high unset": loss_row("cispo", epsilon_high=None),
    "sapo": loss_row("sapo", cases=FAR),
    "sapo, sequence": loss_row("sapo", by_row=True, cases=HOLES, importance_sampling_level="sequence"),
    **{f"bnpo, {mode}": rollout_row(mode) for mode in ("token_truncate", "token_mask")},
    **{f"bnpo, {mode}": rollout_row(mode, threshold=ROW_HIGH) for mode in ("sequence_truncate", "sequence_mask")},
    "bnpo, token_truncate, beta": rollout_row("token_truncate", beta=KL_COEF),
    "bnpo, off_policy_sequence_mask_delta": loss_row(
        "bnpo", by_row=True, sampled=True, cases=HOLES, off_policy_sequence_mask_delta=APART
    ),
    "grpo, off_policy_sequence_mask_delta": loss_row(
        "grpo", by_row=True, sampled=True, cases=HOLES, off_policy_sequence_mask_delta=APART
    ),
    "bnpo, top_entropy_quantile": loss_row("bnpo", top_entropy_quantile=SHARE, cases=HOLES),
    "bnpo, top_entropy_quantile, beta": loss_row("bnpo", top_entropy_quantile=SHARE, beta=KL_COEF, cases=HOLES),
    "bnpo, overlong_filter": loss_row("bnpo", overlong_filter=True, cases=("ragged", "empty row", "tools")),
    "clip_ratio/region_mean": metric_row("clip_ratio/region_mean"),
    "kl": metric_row("kl", beta=KL_COEF),
}
