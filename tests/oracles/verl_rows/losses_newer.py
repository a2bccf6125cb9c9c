"""What verl trains on under the names of newer papers: its registered policy losses beside PPO, GSPO and CISPO."""

from unittest.mock import patch

import torch
from torch import Tensor
from verl.trainer.config import RolloutCorrectionConfig
from verl.trainer.ppo import core_algos
from verl.workers.config import PolicyLossConfig

from ..cases import CLIP_HIGH, CLIP_LOW, KL_COEF, PAIRED, SAMPLER_HIGH, Case
from ..records import Row
from ..verl_options import (
    BYPASS_HIGH,
    BYPASS_K3,
    BYPASS_LOW,
    COV_HIGH,
    COV_LOW,
    COV_SHARE,
    DPPO_BOUNDS,
    DPPO_CAP,
    DRO_BETA,
    SOME,
    TAU_NEGATIVE,
    TAU_POSITIVE,
)
from .losses import actor_config, row_advantages


def newer_loss_row(
    name: str, mode: str = "token-mean", *, by_row: bool = False, cases: tuple = SOME, **options: object
) -> Row:
    """``by_row``: one advantage for all tokens of a row. ``options``: of the policy loss, and of the actor's config."""
    of_loss = {key: options.pop(key) for key in list(options) if key in PolicyLossConfig.__dataclass_fields__}
    bounds = {"clip_ratio_low": CLIP_LOW, "clip_ratio_high": CLIP_HIGH}

    def function(logprobs: Tensor, case: Case) -> Tensor:
        config = actor_config(**bounds | options, policy_loss=PolicyLossConfig(**of_loss))
        advantages = row_advantages(case) if by_row else case.advantages
        loss = core_algos.get_policy_loss_fn(name)
        return loss(case.old, logprobs, advantages, case.mask.long(), mode, config)[0]

    return Row("logprobs", function, cases)


def dppo_row(name: str) -> Row:
    low, high = DPPO_BOUNDS[name]
    bounds = {"clip_ratio_low": low, "clip_ratio_high": high, "clip_ratio_c": DPPO_CAP}
    return newer_loss_row(name, cases=("full",), **bounds)  # where tokens are stopped on both sides, and capped


def clip_cov_row() -> Row:
    """Its draw, `torch.randperm`, is replaced by one that takes the first candidates. Nothing else is changed."""
    row = newer_loss_row(
        "clip_cov", clip_cov_ratio=COV_SHARE, clip_cov_lb=COV_LOW, clip_cov_ub=COV_HIGH, cases=("ragged", "full")
    )

    def function(logprobs: Tensor, case: Case) -> Tensor:
        with patch.object(torch, "randperm", torch.arange):
            return row.function(logprobs, case)

    return Row("logprobs", function, row.cases)


def bypass_row(**options: str | float) -> Row:
    """The loss that takes the sampler's log-probs for the old ones, and corrects and rejects in itself."""
    correction = RolloutCorrectionConfig(**options)
    return newer_loss_row("bypass_mode", rollout_correction=correction, cases=PAIRED)


LOSSES_NEWER = {
    "compute_policy_loss_dppo_tv": dppo_row("dppo_tv"),
    "compute_policy_loss_dppo_kl": dppo_row("dppo_kl"),
    "compute_policy_loss_sapo": newer_loss_row("sapo", tau_pos=TAU_POSITIVE, tau_neg=TAU_NEGATIVE),
    "compute_policy_loss_sapo, defaults": newer_loss_row("sapo", "seq-mean-token-mean", cases=("tools",)),
    "compute_policy_loss_geo_mean": newer_loss_row("geo_mean", by_row=True, cases=("empty row", "tools")),
    "compute_policy_loss_clip_cov": clip_cov_row(),
    "compute_policy_loss_kl_cov": newer_loss_row("kl_cov", kl_cov_ratio=COV_SHARE, ppo_kl_coef=KL_COEF),
    "compute_policy_loss_dro": newer_loss_row("dro", dro_beta=DRO_BETA, cases=PAIRED),
    "compute_policy_loss_bypass_mode reinforce, token": bypass_row(
        loss_type="reinforce", rollout_is="token", rollout_is_threshold=SAMPLER_HIGH, rollout_rs=None
    ),
    "compute_policy_loss_bypass_mode reinforce, seq_mean_k1": bypass_row(
        loss_type="reinforce",
        rollout_is="token",
        rollout_is_threshold=SAMPLER_HIGH,
        rollout_rs="seq_mean_k1",
        rollout_rs_threshold=f"{BYPASS_LOW}_{BYPASS_HIGH}",
    ),
    "compute_policy_loss_bypass_mode ppo_clip, token_k3": bypass_row(
        loss_type="ppo_clip", rollout_is=None, rollout_rs="token_k3", rollout_rs_threshold=BYPASS_K3
    ),
}
