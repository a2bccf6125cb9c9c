"""How SkyRL corrects for a mismatch between trainer and sampler, as computations of ours."""

import math
from collections.abc import Callable

from torch import Tensor

from reference import objectives as ours

from ..cases import HOLES, SAMPLER_HIGH, SAMPLER_LOW, Case
from ..claims import F32
from ..records import Row
from .policy import POLICY_TOKEN, corrected_policy_row, correction_row, ppo
from .skyrl_losses import calibrated, skyrl, token_row

OUTLIER_LOW, OUTLIER_HIGH = 0.5, 2.0


def stays(case: Case, level: str, low: float = SAMPLER_LOW, high: float = SAMPLER_HIGH) -> Tensor:
    """Our mask for these bounds of the ratio, in its own unit: log x, trainer over sampler."""
    bounds = {"least": math.log(low), "most": math.log(high)}
    options = {"estimator": "k1", "first": "trainer", "level": level}
    return ours.rejection_mask(case.old, case.sampler, case.mask, **options, **bounds)


def no_outlier(case: Case) -> Tensor:
    """The largest log-ratio of a row, and the largest of its negative, each under its bound."""
    options = {"estimator": "k1", "level": "max"}
    above = ours.rejection_mask(
        case.old, case.sampler, case.mask, first="trainer", most=math.log(OUTLIER_HIGH), **options
    )
    below = ours.rejection_mask(
        case.old, case.sampler, case.mask, first="sampler", most=-math.log(OUTLIER_LOW), **options
    )
    return above & below


def kept_row(keep: Callable[[Case], Tensor]) -> Row:
    return Row("sampler", lambda x, c: keep(c).float(), HOLES)


def masked_policy_row(keep: Callable[[Case], Tensor]) -> Row:
    """The mask does not shrink the divisor."""
    return token_row(lambda x, c: ppo(x, c) * keep(c), HOLES)


def mean_ratio(sampler: Tensor, case: Case) -> Tensor:
    return ours.mean_ratio(case.old, sampler.detach(), case.mask)


def token_stays(case: Case) -> Tensor:
    return stays(case, "token")


CORRECTIONS = [
    skyrl(
        "compute_tis_ratio token",
        correction_row(high=SAMPLER_HIGH),
        "sampler_correction",
        "`tis_ratio_type: token`",
        rtol=F32,
    ),
    skyrl(
        "compute_tis_ratio sequence",
        correction_row(level="sequence", high=SAMPLER_HIGH),
        "sampler_correction",
        "`tis_ratio_type: sequence`",
        rtol=F32,
    ),
    skyrl(
        "ppo_policy_loss, TIS",
        corrected_policy_row(high=SAMPLER_HIGH),
        "sampler_correction",
        "`tis_ratio_type` in `ppo_policy_loss`",
        rtol=F32,
    ),
    skyrl(
        "rollout_is_policy_loss",
        token_row(calibrated, HOLES),
        "sampler_correction",
        "`rollout_is`: the weight of the log-prob is today's policy over the sampler, ours with `mask`",
        rtol=F32,
    ),
    *(
        skyrl(f"compute_{name}", kept_row(keep), "rejection_mask", f"`{option}`, ours of k1", rtol=F32)
        for name, keep, option in [
            ("token_mask", token_stays, "token_mask_is_threshold_*"),
            ("outlier_token_mask", no_outlier, "outlier_token_is_threshold_*"),
            ("sequence_mask geometric", lambda c: stays(c, "mean"), "sequence_mask_metric: geometric"),
            ("sequence_mask product", lambda c: stays(c, "sum"), "sequence_mask_metric: product"),
        ]
    ),
    *(
        skyrl(
            f"ppo_policy_loss, {name} mask",
            masked_policy_row(keep),
            "rejection_mask",
            "the masks in `ppo_policy_loss`, which leave the divisor",
            rtol=F32,
        )
        for name, keep in [("token", token_stays), ("outlier", no_outlier)]
    ),
    skyrl(
        "ppo_policy_loss, one threshold",
        POLICY_TOKEN,
        "rejection_mask",
        "`token_mask_is_threshold_*`",
        differs="one bound of the two without the other masks nothing",
        rtol=F32,
    ),
    skyrl(
        "compute_off_policy_correction is_ratio_mean",
        Row("sampler", mean_ratio, ("ragged", "full")),
        "mean_ratio",
        "`is_ratio_mean`",
        rtol=F32,
    ),
    skyrl(
        "importance_sampling_loss importance_ratio",
        Row("logprobs", lambda x, c: ours.mean_ratio(x.detach(), c.old, c.mask)),
        "mean_ratio",
        "`importance_ratio`",
        rtol=F32,
    ),
]
