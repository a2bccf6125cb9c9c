"""What AReaL trains on: losses of policy and value, rejection, and distillation.

The policy losses are `grpo_loss_fn`, which the trainer calls. What its importance weights touch went through float32.
"""

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
    KL_TARGET,
    ORDINARY,
    SAMPLER_HIGH,
    SAMPLER_LOW,
    VALUE_CLIP,
    Case,
)
from ..records import Row
from .stand_ins import RejectionSamplingConfig, actor, compute_packed_sft_loss, critic, functional

RATIO = {"metric": "ratio", "lower": SAMPLER_LOW, "upper": SAMPLER_HIGH}


def grpo_loss(
    logprobs: Tensor,
    case: Case,
    *,
    behaviour: bool = False,
    low: float = CLIP_LOW,
    high: float = CLIP_HIGH,
    advantages: Tensor | None = None,
    rejection: dict | None = None,
    teacher: dict | None = None,
    **options: object,
) -> Tensor:
    """``behaviour``: the sampler's log-probs are known beside the proximal ones, as with `use_decoupled_loss`."""
    batch = {
        "logprobs": case.sampler if behaviour else case.old,
        "prox_logp": case.old,
        "advantages": case.advantages if advantages is None else advantages,
        "loss_mask": case.mask,
    }
    if teacher is not None:
        batch |= {"teacher_logp": case.ref, **teacher}
    rejection = rejection and RejectionSamplingConfig(**rejection)
    return actor.grpo_loss_fn(
        logprobs,
        torch.zeros_like(logprobs),  # the entropy, which is logged
        batch,
        eps_clip=low,
        eps_clip_higher=high,
        **{"c_clip": None, "rejection_sampling": rejection} | options,
    )


def row_advantages(case: Case) -> Tensor:
    return case.advantages[:, :1].expand_as(case.advantages)


def policy_row(*, cases: tuple = ORDINARY, **options: object) -> Row:
    return Row("logprobs", lambda x, c: grpo_loss(x, c, **options), cases)


def sequence_row(*, low: float = GSPO_LOW, high: float = GSPO_HIGH, cases: tuple = HOLES, **options: object) -> Row:
    def function(logprobs: Tensor, case: Case) -> Tensor:
        level = {"importance_sampling_level": "sequence"}
        return grpo_loss(logprobs, case, low=low, high=high, advantages=row_advantages(case), **level, **options)

    return Row("logprobs", function, cases)


def mean_sequence_ratio(logprobs: Tensor, case: Case) -> Tensor:
    """The mean of the ratios: no clip, and an advantage of -1."""
    level = {"importance_sampling_level": "sequence"}
    return grpo_loss(logprobs, case, low=1.0, high=1e9, advantages=-torch.ones_like(case.advantages), **level)


def rejected_row(cases: tuple = HOLES, **rejection: str | float | None) -> Row:
    """The weights are float32, so the loss counts as float32 too."""

    def function(logprobs: Tensor, case: Case) -> Tensor:
        return grpo_loss(logprobs, case, behaviour=True, use_decoupled_loss=True, rejection=rejection).float()

    return Row("logprobs", function, cases)


def weights_row(**rejection: str | float | None) -> Row:
    return Row("sampler", lambda x, c: apply_rejection(x, c, rejection).behave_imp_weight, HOLES)


def mask_row(**rejection: str | float | None) -> Row:
    return Row("sampler", lambda x, c: apply_rejection(x, c, rejection).loss_mask.long(), HOLES)


def apply_rejection(sampler: Tensor, case: Case, rejection: dict) -> functional.functional.RejectionSamplingResult:
    config = RejectionSamplingConfig(**rejection)
    return functional.functional.apply_rejection_sampling(case.old, sampler, case.mask, None, config)


def value_loss(values: Tensor, case: Case) -> Tensor:
    batch = {"values": case.old_values, "returns": case.returns, "loss_mask": case.mask}
    return critic.ppo_loss_fn(values[..., None], batch, VALUE_CLIP)


def sft_loss(logprobs: Tensor, case: Case) -> Tensor:
    """Its batches are packed: rows one behind the other."""
    starts = torch.arange(len(case.mask) + 1) * case.mask.shape[1]
    return compute_packed_sft_loss(logprobs.flatten(), None, {"cu_seqlens": starts, "loss_mask": case.mask.flatten()})


KL_MASKS = {
    "kl_k1": {"metric": "kl_k1", "upper": KL_TARGET},
    "kl_k1, lower": {"metric": "kl_k1", "upper": KL_TARGET, "lower": -KL_COEF},
    "kl_k2": {"metric": "kl_k2", "upper": KL_TARGET},
    "kl_k3": {"metric": "kl_k3", "upper": KL_TARGET},
    **{
        f"kl_k3 {agg}": {"metric": "kl_k3", "upper": KL_COEF, "level": "sequence", "agg": agg}
        for agg in ("mean", "sum", "max")
    },
}
LOSSES = {
    "grpo_loss_fn": policy_row(cases=FAR),
    "grpo_loss_fn, c_clip": policy_row(c_clip=DUAL_CLIP, cases=FAR),
    "grpo_loss_fn, decoupled": policy_row(behaviour=True, use_decoupled_loss=True),
    "grpo_loss_fn, sequence": sequence_row(),
    "grpo_loss_fn, sequence, advantages per token": policy_row(
        low=GSPO_LOW, high=GSPO_HIGH, importance_sampling_level="sequence", cases=HOLES
    ),
    "grpo_loss_fn, sequence, unclipped": Row("logprobs", mean_sequence_ratio),
    "grpo_loss_fn, sapo": policy_row(use_sapo_loss=True, cases=FAR),
    "grpo_loss_fn, sapo, sequence": sequence_row(use_sapo_loss=True),
    "grpo_loss_fn, rejection token mask": rejected_row(action="mask", **RATIO),
    "grpo_loss_fn, rejection token clamp": rejected_row(action="clamp", **RATIO),
    "grpo_loss_fn, rejection sequence mask": rejected_row(level="sequence", action="mask", **RATIO),
    "grpo_loss_fn, rejection sequence clamp": rejected_row(level="sequence", action="clamp", **RATIO),
    "grpo_loss_fn, rejection kl_k3": rejected_row(**KL_MASKS["kl_k3"]),
    "grpo_loss_fn, m2_threshold": policy_row(behaviour=True, use_decoupled_loss=True, m2_threshold=KL_TARGET),
    "grpo_loss_fn, teacher": policy_row(teacher={"distill_loss_weight": KL_COEF}),
    "grpo_loss_fn, teacher alone": policy_row(teacher={"rl_loss_weight": 0, "distill_loss_weight": KL_COEF}),
    "apply_rejection_sampling sequence clamp": weights_row(level="sequence", action="clamp", **RATIO),
    "apply_rejection_sampling sequence mask, sum": weights_row(level="sequence", action="mask", agg="sum", **RATIO),
    "apply_rejection_sampling sequence mask, max": weights_row(level="sequence", action="mask", agg="max", **RATIO),
    **{f"apply_rejection_sampling {name}": mask_row(**options) for name, options in KL_MASKS.items()},
    "ppo_loss_fn of critic": Row("values", value_loss, HOLES),
    "compute_packed_sft_loss": Row("logprobs", sft_loss),
}
