"""The policy losses of newer papers, as verl has them, and its loss that corrects for the sampler in itself."""

import math

import torch
from torch import Tensor

from reference import objectives as ours

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
from .entry import verl
from .policy import ppo

CLIP = {"clip_low": CLIP_LOW, "clip_high": CLIP_HIGH}


def dppo_row(name: str) -> Row:
    low, high = DPPO_BOUNDS[name]
    options = {"delta_low": low, "delta_high": high, "divergence": name.removeprefix("dppo_"), "ratio_cap": DPPO_CAP}
    return Row(
        "logprobs", lambda x, c: ours.token_mean(ours.dppo_loss(x, c.old, c.advantages, **options), c.mask), ("full",)
    )


def sapo_row(cases: tuple = SOME, **tau: float) -> Row:
    """A mean over rows, also where verl was asked for a mean over tokens."""
    return Row(
        "logprobs", lambda x, c: ours.sequence_mean(ours.sapo_loss(x, c.old, c.advantages, **tau), c.mask), cases
    )


def gmpo(logprobs: Tensor, case: Case) -> Tensor:
    loss = ours.gmpo_loss(
        logprobs, case.old, case.advantages[:, :1], case.mask, log_clip_low=CLIP_LOW, log_clip_high=CLIP_HIGH
    )
    return ours.sequence_mean(loss, case.mask, num_sequences=len(case.mask))


def clip_cov(logprobs: Tensor, case: Case) -> Tensor:
    """Scores that fall from the first token to the last: verl's draw was replaced by one of the first candidates."""
    scores = -torch.arange(float(case.mask.numel()), dtype=torch.float64).view(case.mask.shape)
    options = {"share": COV_SHARE, "cov_low": COV_LOW, "cov_high": COV_HIGH}
    loss = ours.clip_cov_loss(logprobs, case.old, case.advantages, case.mask, scores, **options, **CLIP)
    return ours.token_mean(loss, case.mask)


def kl_cov(logprobs: Tensor, case: Case) -> Tensor:
    loss = ours.kl_cov_loss(logprobs, case.old, case.advantages, case.mask, share=COV_SHARE, coef=KL_COEF)
    return ours.token_mean(loss, case.mask)


def dro(logprobs: Tensor, case: Case) -> Tensor:
    loss = ours.reinforce_loss(logprobs, case.advantages) + DRO_BETA * ours.kl_k2(logprobs, case.old)
    return ours.token_mean(loss, case.mask)


# --- what samples, and what was sampled with, are one: verl's old log-probs are the sampler's ---


def kept_in_bypass(logprobs: Tensor, case: Case, **options: str | float) -> Tensor:
    return ours.rejection_mask(logprobs.detach(), case.old, case.mask, **options)


def corrected_reinforce(logprobs: Tensor, case: Case, mask: Tensor) -> Tensor:
    weight = ours.sampler_correction(logprobs.detach(), case.old, case.mask, high=SAMPLER_HIGH)
    return ours.token_mean(ours.reinforce_loss(logprobs, case.advantages) * weight, mask)


def rejected_and_corrected(logprobs: Tensor, case: Case) -> Tensor:
    bounds = {"least": math.log(BYPASS_LOW), "most": math.log(BYPASS_HIGH)}
    stays = kept_in_bypass(logprobs, case, estimator="k1", level="mean", **bounds)
    return corrected_reinforce(logprobs, case, stays)


def rejected_and_clipped(logprobs: Tensor, case: Case) -> Tensor:
    """With the dual clip out of reach, as in the other rows of PPO."""
    return ours.token_mean(ppo(logprobs, case), kept_in_bypass(logprobs, case, most=BYPASS_K3))


VERL = [
    *(
        verl(
            f"compute_policy_loss_{name}",
            dppo_row(name),
            "dppo_loss",
            f"`{name}`, ours with `ratio_cap`",
        )
        for name in DPPO_BOUNDS
    ),
    verl(
        "compute_policy_loss_sapo",
        sapo_row(tau_positive=TAU_POSITIVE, tau_negative=TAU_NEGATIVE),
        "sapo_loss",
        "`sapo`, `sequence_mean` of ours, whatever `loss_agg_mode` is",
    ),
    verl(
        "compute_policy_loss_sapo, defaults",
        sapo_row(("tools",)),
        "sapo_loss",
        "`sapo`, `sequence_mean` of ours, whatever `loss_agg_mode` is",
    ),
    verl(
        "compute_policy_loss_geo_mean",
        Row("logprobs", gmpo, ("empty row", "tools")),
        "gmpo_loss",
        "`geo_mean`, `sequence_mean` of ours over all rows, whatever `loss_agg_mode` is",
    ),
    verl(
        "compute_policy_loss_clip_cov",
        Row("logprobs", clip_cov, ("ragged", "full")),
        "clip_cov_loss",
        "`clip_cov`, its draw replaced by the first candidates",
    ),
    verl("compute_policy_loss_kl_cov", Row("logprobs", kl_cov, SOME), "kl_cov_loss", "`kl_cov`"),
    verl(
        "compute_policy_loss_dro",
        Row("logprobs", dro, PAIRED),
        "reinforce_loss",
        "`dro`, ours plus `dro_beta` times `kl_k2` to the old policy",
    ),
    verl(
        "compute_policy_loss_bypass_mode reinforce, token",
        Row("logprobs", lambda x, c: corrected_reinforce(x, c, c.mask), PAIRED),
        "sampler_correction",
        "`bypass_mode` with `loss_type: reinforce`",
    ),
    verl(
        "compute_policy_loss_bypass_mode reinforce, seq_mean_k1",
        Row("logprobs", rejected_and_corrected, PAIRED),
        "rejection_mask",
        "`bypass_mode` with `rollout_rs`: its mask is that of the mean",
    ),
    verl(
        "compute_policy_loss_bypass_mode ppo_clip, token_k3",
        Row("logprobs", rejected_and_clipped, PAIRED),
        "rejection_mask",
        "`bypass_mode` with `rollout_rs`: its mask is that of the mean",
    ),
]
OPENRLHF: list = []
