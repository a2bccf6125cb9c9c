"""What SkyRL trains on, as computations of ours."""

from collections.abc import Callable

import torch
from torch import Tensor

from reference import objectives as ours

from ..cases import (
    CLIP_HIGH,
    CLIP_LOW,
    FAR,
    HOLES,
    ORDINARY,
    SAMPLER_HIGH,
    Case,
)
from ..claims import F32
from ..records import Row
from .entry import entries_of
from .policy import CLIP_FRAC, GSPO_TOKEN, POLICY_DUAL_CLIP, POLICY_TOKEN, correction, gspo, ppo

skyrl = entries_of("skyrl")
DPPO = {"delta_low": 0.02, "delta_high": 0.03}
CLIP = {"clip_low": CLIP_LOW, "clip_high": CLIP_HIGH}
CLIP_COV = {"share": 1.0, "cov_low": 0.1, "cov_high": 0.8, **CLIP}
KL_COV = {"share": 0.4, "coef": 0.7}
PRE_DIVIDED = "acts on advantages that have been divided by the number of tokens"


def row_mean(x: Tensor, case: Case) -> Tensor:
    """SkyRL counts empty rows, ours does if told how many rows there are."""
    return ours.sequence_mean(x, case.mask, num_sequences=len(case.mask))


def total(x: Tensor, case: Case) -> Tensor:
    return ours.sequence_sum(x, case.mask).sum()


def token_row(loss: Callable[[Tensor, Case], Tensor], cases: tuple = ORDINARY) -> Row:
    return Row("logprobs", lambda x, c: ours.token_mean(loss(x, c), c.mask), cases)


def cispo(logprobs: Tensor, case: Case, **options: float) -> Tensor:
    return ours.cispo_loss(logprobs, case.old, case.advantages, **options)


def calibrated(logprobs: Tensor, case: Case) -> Tensor:
    """REINFORCE with the weight of today's policy over the sampler, or 0 outside of the bounds of PPO."""
    bounds = {"low": 1 - CLIP_LOW, "high": 1 + CLIP_HIGH}
    weight = ours.sampler_correction(logprobs.detach(), case.sampler, case.mask, mode="mask", **bounds)
    return ours.reinforce_loss(logprobs, case.advantages) * weight


def sapo(logprobs: Tensor, case: Case) -> Tensor:
    return ours.sapo_loss(logprobs, case.old, case.advantages)


def dppo(logprobs: Tensor, case: Case, old: Tensor | None = None, divergence: str = "tv") -> Tensor:
    old = case.old if old is None else old
    return ours.dppo_loss(logprobs, old, case.advantages, divergence=divergence, **DPPO)


def clip_cov(logprobs: Tensor, case: Case, advantages: Tensor) -> Tensor:
    """The scores choose among the candidates, and here all of them are taken."""
    scores = torch.zeros_like(advantages)
    return total(ours.clip_cov_loss(logprobs, case.old, advantages, case.mask, scores, **CLIP_COV), case)


def kl_cov(logprobs: Tensor, case: Case, advantages: Tensor) -> Tensor:
    return total(ours.kl_cov_loss(logprobs, case.old, advantages, case.mask, **KL_COV), case)


def divided(case: Case) -> Tensor:
    return case.advantages / case.mask.sum()


def importance_sampling(logprobs: Tensor, case: Case) -> Tensor:
    return total(-case.advantages * ours.ratio(logprobs, case.old), case)


def mean_unclipped_ratio(logprobs: Tensor, case: Case) -> Tensor:
    return row_mean(ours.sequence_ratio(logprobs, case.old, case.mask).expand_as(logprobs), case)


LOSSES = [
    skyrl("ppo_policy_loss", POLICY_TOKEN, "ppo_clip_loss", rtol=F32),
    skyrl(
        "ppo_policy_loss sequence_mean",
        Row("logprobs", lambda x, c: row_mean(ppo(x, c), c)),
        "ppo_clip_loss",
        "`ppo_policy_loss`",
        rtol=F32,
    ),
    skyrl("ppo_policy_loss dual_clip", POLICY_DUAL_CLIP, "ppo_clip_loss", "`dual_clip`", rtol=F32),
    skyrl("ppo_policy_loss clip_ratio", CLIP_FRAC, "clip_frac", "`clip_ratio`", rtol=F32),
    skyrl(
        "gspo_policy_loss",
        Row("logprobs", lambda x, c: row_mean(gspo(x, c), c), HOLES),
        "gspo_loss",
        "`gspo` with `sequence_mean`",
    ),
    skyrl("gspo_policy_loss token_mean", GSPO_TOKEN, "gspo_loss", "`gspo` with `token_mean`"),
    skyrl("gspo_policy_loss, unclipped", Row("logprobs", mean_unclipped_ratio), "sequence_ratio", "`gspo`"),
    skyrl(
        "compute_policy_loss_cispo",
        token_row(lambda x, c: cispo(x, c, clip_low=0.0, clip_high=5.0)),
        "cispo_loss",
        "`cispo`; by default weights from 1 to 6, ours with `clip_low=0, clip_high=5`",
        rtol=F32,
    ),
    skyrl(
        "compute_policy_loss_cispo, bounds",
        token_row(lambda x, c: cispo(x, c, **CLIP), FAR),
        "cispo_loss",
        "`cispo`, ours with `clip_low`",
        rtol=F32,
    ),
    skyrl("sapo_policy_loss", token_row(sapo), "sapo_loss", "`sapo` with `token_mean`"),
    skyrl(
        "sapo_policy_loss sequence_mean",
        Row("logprobs", lambda x, c: row_mean(sapo(x, c), c)),
        "sapo_loss",
        "`sapo` with `sequence_mean`",
    ),
    skyrl("dppo_policy_loss", token_row(dppo), "dppo_loss", "`dppo`, `binary_tv`", rtol=F32),
    skyrl(
        "dppo_policy_loss binary_kl",
        token_row(lambda x, c: dppo(x, c, divergence="kl"), ("empty row", "tools")),
        "dppo_loss",
        "`dppo`, `binary_kl`",
        rtol=F32,
    ),
    skyrl(
        "dppo_policy_loss, sampler",
        token_row(lambda x, c: dppo(x, c, c.sampler)),
        "dppo_loss",
        "`dppo` where the sampler's log-probs are known: they are the old ones",
        rtol=F32,
    ),
    skyrl(
        "dppo_policy_loss, TIS",
        token_row(lambda x, c: dppo(x, c, c.sampler) * correction(c, high=SAMPLER_HIGH)),
        "dppo_loss",
        "`dppo` with `tis_ratio_type`",
        differs="corrects for the sampler twice: in its ratio, and with the weight",
        rtol=F32,
    ),
    skyrl(
        "compute_policy_loss_clip_cov, sum",
        Row("logprobs", lambda x, c: clip_cov(x, c, c.advantages)),
        "clip_cov_loss",
        "`clip_cov`, which takes a random part of the candidates: here all",
    ),
    skyrl(
        "compute_policy_loss_clip_cov",
        Row("logprobs", lambda x, c: clip_cov(x, c, divided(c))),
        "clip_cov_loss",
        "`clip_cov` in a run",
        differs=f"{PRE_DIVIDED}, with bounds that have not",
    ),
    skyrl(
        "compute_policy_loss_kl_cov, sum",
        Row("logprobs", lambda x, c: kl_cov(x, c, c.advantages)),
        "kl_cov_loss",
        "`kl_cov`",
    ),
    skyrl(
        "compute_policy_loss_kl_cov",
        Row("logprobs", lambda x, c: kl_cov(x, c, divided(c))),
        "kl_cov_loss",
        "`kl_cov` in a run",
        differs=f"{PRE_DIVIDED}, with a penalty that has not",
    ),
    skyrl(
        "cross_entropy_loss",
        Row("logprobs", lambda x, c: total(ours.token_nll(x), c)),
        "token_nll",
        "`cross_entropy`, a sum",
    ),
    skyrl("importance_sampling_loss", Row("logprobs", importance_sampling), "ratio", "`importance_sampling`, a sum"),
]
