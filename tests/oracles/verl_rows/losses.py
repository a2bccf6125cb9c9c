"""What verl trains on: losses of policy and value, with corrections for the sampler."""

from collections.abc import Callable

import torch
from torch import Tensor
from verl.trainer.ppo import core_algos, rollout_corr_helper
from verl.workers.config import ActorConfig

from ..cases import (
    CLIP_HIGH,
    CLIP_LOW,
    DUAL_CLIP,
    ENTROPY_COEF,
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
from .extracts import ppo_loss

NO_CLIP = 1e9  # verl cannot switch the dual clip off, only out of reach


def correction(case: Case, level: str = "token", threshold: str | float = SAMPLER_HIGH) -> Tensor:
    return rollout_corr_helper.compute_rollout_correction_weights(
        case.old - case.sampler, case.mask.long(), level, threshold
    )[0]


def correction_row(level: str, threshold: str | float, cases: tuple = HOLES) -> Row:
    return Row("sampler", lambda x, c: correction(c, level, threshold), cases)


def rejection_row(option: str) -> Row:
    def function(sampler: Tensor, case: Case) -> Tensor:
        log_ratio = case.old - sampler.detach()
        bounds = f"{SAMPLER_LOW}_{SAMPLER_HIGH}"
        return rollout_corr_helper.compute_rollout_rejection_mask(log_ratio, case.mask.long(), option, bounds)[0]

    return Row("sampler", function, HOLES)


def actor_config(**options: float | bool) -> ActorConfig:
    return ActorConfig(strategy="fsdp", rollout_n=1, ppo_micro_batch_size_per_gpu=1, **options)


def policy_loss_row(
    name: str = "vanilla",
    mode: str = "token-mean",
    *,
    low: float = CLIP_LOW,
    high: float = CLIP_HIGH,
    dual_clip: float = NO_CLIP,
    metric: str = "",
    corrected: bool = False,
    advantages: Callable[[Case], Tensor] = lambda case: case.advantages,
    cases: tuple = ORDINARY,
) -> Row:
    def function(logprobs: Tensor, case: Case) -> Tensor | float:
        config = actor_config(clip_ratio_low=low, clip_ratio_high=high, clip_ratio_c=dual_clip)
        loss, metrics = core_algos.get_policy_loss_fn(name)(
            case.old,
            logprobs,
            advantages(case),
            case.mask.long(),
            mode,
            config,
            correction(case) if corrected else None,
        )
        return metrics[metric] if metric else loss

    return Row("logprobs", function, cases)


def gspo_row(mode: str, **options: bool) -> Row:
    return policy_loss_row(
        "gspo", mode, low=GSPO_LOW, high=GSPO_HIGH, advantages=row_advantages, cases=HOLES, **options
    )


def row_advantages(case: Case) -> Tensor:
    return case.advantages[:, :1].expand_as(case.advantages)


class Batch(dict):
    """As much of a TensorDict as `ppo_loss` asks for, padded already."""

    def select(self, *fields: str) -> "Batch":
        return self

    def to_padded_tensor(self) -> "Batch":
        return self


def total_loss(logprobs: Tensor, case: Case) -> Tensor:
    """Policy, KL and entropy. -logp stands in for the entropy, so that it has a gradient here."""
    config = actor_config(
        clip_ratio_low=CLIP_LOW,
        clip_ratio_high=CLIP_HIGH,
        clip_ratio_c=NO_CLIP,
        entropy_coeff=ENTROPY_COEF,
        use_kl_loss=True,
        kl_loss_coef=KL_COEF,
    )
    data = Batch(
        response_mask=case.mask,
        old_log_probs=case.old,
        ref_log_prob=case.ref,
        advantages=case.advantages,
        dp_size=1,
        batch_num_tokens=None,
        global_batch_size=None,
    )
    return ppo_loss(config, {"log_probs": logprobs, "entropy": -logprobs}, data)[0]


def value_loss(values: Tensor, case: Case) -> Tensor:
    return core_algos.compute_value_loss(values, case.returns, case.old_values, case.mask.long(), VALUE_CLIP)[0]


LOSSES = {
    "compute_policy_loss_vanilla": policy_loss_row(cases=FAR),
    "compute_policy_loss_vanilla seq-mean-token-mean": policy_loss_row(mode="seq-mean-token-mean"),
    "compute_policy_loss_vanilla pg_clipfrac": policy_loss_row(metric="actor/pg_clipfrac"),
    "compute_policy_loss_vanilla ppo_kl": policy_loss_row(metric="actor/ppo_kl"),
    "compute_policy_loss_vanilla, dual clip": policy_loss_row(dual_clip=DUAL_CLIP, cases=FAR),
    "compute_policy_loss_vanilla, rollout_is_weights": policy_loss_row(corrected=True, cases=HOLES),
    "compute_policy_loss_gspo token-mean": gspo_row("token-mean"),
    "compute_policy_loss_gspo seq-mean-token-mean": gspo_row("seq-mean-token-mean"),
    "compute_policy_loss_gspo seq-mean-token-sum-norm": gspo_row("seq-mean-token-sum-norm"),
    "compute_policy_loss_gspo, rollout_is_weights": gspo_row("seq-mean-token-mean", corrected=True),
    "compute_policy_loss_gspo, unclipped": policy_loss_row(
        "gspo", "seq-mean-token-mean", low=1.0, high=NO_CLIP, advantages=lambda c: -torch.ones_like(c.advantages)
    ),
    "compute_policy_loss_cispo": policy_loss_row("cispo", cases=FAR),
    "compute_policy_loss_gpg": policy_loss_row("gpg"),
    "compute_rollout_correction_weights token": correction_row("token", SAMPLER_HIGH),
    "compute_rollout_correction_weights sequence": correction_row("sequence", SAMPLER_HIGH),
    "compute_rollout_correction_weights token, low_high": correction_row("token", f"{SAMPLER_LOW}_{SAMPLER_HIGH}"),
    "compute_rollout_correction_weights sequence, low_high": correction_row(
        "sequence",
        f"{SAMPLER_LOW}_{SAMPLER_HIGH}",
        ("ragged", "full"),  # in the others no row is left, and verl's metrics divide by zero
    ),
    "compute_rollout_rejection_mask token_k1": rejection_row("token_k1"),
    "compute_rollout_rejection_mask seq_sum_k1": rejection_row("seq_sum_k1"),
    "compute_rollout_rejection_mask seq_mean_k1": rejection_row("seq_mean_k1"),
    "ppo_loss": Row("logprobs", total_loss),
    "compute_value_loss": Row("values", value_loss, HOLES),
}
