"""Losses of policy and value, and corrections for the sampler."""

from torch import Tensor

from reference import objectives as ours

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
    PAIRED,
    SAMPLER_HIGH,
    SAMPLER_LOW,
    VALUE_CLIP,
    Case,
)
from ..claims import F32
from ..records import Row
from .entry import openrlhf, verl
from .tokens import fixed_length

BOUNDS = {"low": SAMPLER_LOW, "high": SAMPLER_HIGH}


def ppo(logprobs: Tensor, case: Case, **options: float) -> Tensor:
    return ours.ppo_clip_loss(logprobs, case.old, case.advantages, clip_low=CLIP_LOW, clip_high=CLIP_HIGH, **options)


def correction(case: Case, **options: str | float) -> Tensor:
    return ours.sampler_correction(case.old, case.sampler, case.mask, **options)


def corrected_policy_row(**options: str | float) -> Row:
    """The policy loss with each token weighed."""
    return Row("logprobs", lambda x, c: ours.token_mean(ppo(x, c) * correction(c, **options), c.mask), HOLES)


def correction_row(*, cases: tuple = HOLES, **options: str | float) -> Row:
    return Row("sampler", lambda x, c: correction(c, **options), cases)


def verl_kept_tokens_row(level: str) -> Row:
    """Which tokens verl keeps: its bounds are on the inverse ratio."""
    inverse = {"low": 1 / SAMPLER_HIGH, "high": 1 / SAMPLER_LOW}
    return Row("sampler", lambda x, c: (correction(c, level=level, mode="mask", **inverse) > 0).long(), HOLES)


def gspo(logprobs: Tensor, case: Case, old: Tensor | None = None) -> Tensor:
    old = case.old if old is None else old
    advantages = case.advantages[:, :1]
    return ours.gspo_loss(logprobs, old, advantages, case.mask, clip_low=GSPO_LOW, clip_high=GSPO_HIGH)


def cispo(logprobs: Tensor, case: Case) -> Tensor:
    loss = ours.cispo_loss(logprobs, case.old, case.advantages, clip_low=CLIP_LOW, clip_high=CLIP_HIGH)
    return ours.token_mean(loss, case.mask)


def mean_sequence_ratio(logprobs: Tensor, case: Case) -> Tensor:
    return ours.sequence_mean(ours.sequence_ratio(logprobs, case.old, case.mask).expand_as(logprobs), case.mask)


def clip_frac(logprobs: Tensor, case: Case) -> Tensor:
    return ours.clip_frac(logprobs, case.old, case.advantages, case.mask, clip_low=CLIP_LOW, clip_high=CLIP_HIGH)


def mean_log_ratio(logprobs: Tensor, case: Case) -> Tensor:
    """What both call ppo_kl: k1 of KL(old || new), signed, where our approx_kl is k3."""
    return ours.masked_mean((case.old - logprobs).detach(), case.mask)


def total_loss(logprobs: Tensor, case: Case) -> Tensor:
    return ours.total_loss(
        POLICY_TOKEN.function(logprobs, case),
        kl=ours.token_mean(ours.kl_k3(logprobs, case.ref), case.mask),
        kl_coef=KL_COEF,
        entropy=ours.token_mean(-logprobs, case.mask),
        entropy_coef=ENTROPY_COEF,
    )


def clipped_value_loss(values: Tensor, case: Case) -> Tensor:
    loss = ours.value_loss(values, case.returns, old_values=case.old_values, clip=VALUE_CLIP)
    return ours.token_mean(loss, case.mask)


POLICY_TOKEN = Row("logprobs", lambda x, c: ours.token_mean(ppo(x, c), c.mask))
POLICY_SEQUENCE = Row("logprobs", lambda x, c: ours.sequence_mean(ppo(x, c), c.mask))
POLICY_DUAL_CLIP = Row("logprobs", lambda x, c: ours.token_mean(ppo(x, c, dual_clip=DUAL_CLIP), c.mask))
CLIP_FRAC = Row("logprobs", clip_frac)
MEAN_LOG_RATIO = Row("logprobs", mean_log_ratio)
GSPO_TOKEN = Row("logprobs", lambda x, c: ours.token_mean(gspo(x, c), c.mask), HOLES)
GSPO_SEQUENCE = Row("logprobs", lambda x, c: ours.sequence_mean(gspo(x, c), c.mask), HOLES)
GSPO_FIXED = Row("logprobs", lambda x, c: fixed_length(gspo(x, c), c, c.mask.shape[1]), HOLES)
GSPO_TO_SAMPLER = Row("logprobs", lambda x, c: ours.sequence_mean(gspo(x, c, c.sampler), c.mask), HOLES)
SEQUENCE_RATIO = Row("logprobs", mean_sequence_ratio)
REINFORCE = Row("logprobs", lambda x, c: ours.token_mean(ours.reinforce_loss(x, c.advantages), c.mask))
VALUE_LOSS = Row("values", lambda x, c: ours.token_mean(ours.value_loss(x, c.returns), c.mask), HOLES)
VALUE_LOSS_CLIPPED = Row("values", clipped_value_loss, HOLES)


VERL = [
    verl(
        "compute_policy_loss_vanilla",
        POLICY_TOKEN,
        "ppo_clip_loss",
        "`compute_policy_loss_vanilla` with `clip_ratio_c` out of reach",
    ),
    verl(
        "compute_policy_loss_vanilla seq-mean-token-mean",
        POLICY_SEQUENCE,
        "ppo_clip_loss",
        "`compute_policy_loss_vanilla` with `clip_ratio_c` out of reach",
    ),
    verl(
        "compute_policy_loss_vanilla, dual clip",
        POLICY_DUAL_CLIP,
        "ppo_clip_loss",
        "`clip_ratio_c` (3 by default), ours with `dual_clip`",
    ),
    verl("compute_policy_loss_vanilla pg_clipfrac", CLIP_FRAC, "clip_frac", "`pg_clipfrac`", rtol=F32),
    verl(
        "compute_policy_loss_vanilla ppo_kl",
        MEAN_LOG_RATIO,
        "approx_kl",
        "`ppo_kl`",
        differs="the signed mean of old - new",
    ),
    verl(
        "compute_policy_loss_vanilla, rollout_is_weights",
        corrected_policy_row(high=SAMPLER_HIGH),
        "sampler_correction",
        "`rollout_is_weights` in `compute_policy_loss_vanilla`",
    ),
    verl("compute_policy_loss_gspo token-mean", GSPO_TOKEN, "gspo_loss", "`gspo` with `token-mean`"),
    verl("compute_policy_loss_gspo seq-mean-token-mean", GSPO_SEQUENCE, "gspo_loss", "`gspo`"),
    verl(
        "compute_policy_loss_gspo seq-mean-token-sum-norm",
        GSPO_FIXED,
        "gspo_loss",
        "`gspo` with `seq-mean-token-sum-norm`",
    ),
    verl("compute_policy_loss_gspo, unclipped", SEQUENCE_RATIO, "sequence_ratio", "`gspo`"),
    verl("compute_policy_loss_cispo", Row("logprobs", cispo, FAR), "cispo_loss", "`cispo`, ours with `clip_low`"),
    verl("compute_policy_loss_gpg", REINFORCE, "reinforce_loss", "`gpg`"),
    verl(
        "compute_rollout_correction_weights token",
        correction_row(high=SAMPLER_HIGH),
        "sampler_correction",
        "`rollout_is: token`",
    ),
    verl(
        "compute_rollout_correction_weights sequence",
        correction_row(level="sequence", high=SAMPLER_HIGH),
        "sampler_correction",
        "`rollout_is: sequence`",
    ),
    verl(
        "compute_rollout_correction_weights token, low_high",
        correction_row(mode="mask", **BOUNDS),
        "sampler_correction",
        "two thresholds, ours with `mask`",
    ),
    verl(
        "compute_rollout_correction_weights sequence, low_high",
        correction_row(level="sequence", mode="mask", cases=("ragged", "full"), **BOUNDS),
        "sampler_correction",
        "two thresholds, ours with `mask`",
    ),
    *(
        verl(
            f"compute_rollout_rejection_mask {option}",
            verl_kept_tokens_row(level),
            "sampler_correction",
            f"`rollout_rs: {option}`",
            differs=f"leaves out of the mask what our `{level}` mask weighs 0, and bounds the inverse ratio",
        )
        for option, level in [("token_k1", "token"), ("seq_sum_k1", "sequence"), ("seq_mean_k1", "geometric")]
    ),
    verl("ppo_loss", Row("logprobs", total_loss), "total_loss", "`ppo_loss` of its workers"),
    verl("compute_value_loss", VALUE_LOSS_CLIPPED, "value_loss"),
]

OPENRLHF = [
    openrlhf("PolicyLoss", POLICY_TOKEN, "ppo_clip_loss"),
    openrlhf("PolicyLoss sequence", POLICY_SEQUENCE, "ppo_clip_loss", "`PolicyLoss`"),
    openrlhf("PolicyLoss, dual clip", POLICY_DUAL_CLIP, "ppo_clip_loss", "`dual_clip` (off by default)"),
    openrlhf("PolicyLoss clip_ratio", CLIP_FRAC, "clip_frac", "`clip_ratio`", rtol=F32),
    openrlhf("PolicyLoss ppo_kl", MEAN_LOG_RATIO, "approx_kl", "`ppo_kl`", differs="the signed mean of old - new"),
    openrlhf(
        "PolicyLoss, is_correction token clip",
        corrected_policy_row(**BOUNDS),
        "sampler_correction",
        "`is_correction_level` token, `is_correction_mode` clip",
    ),
    openrlhf(
        "PolicyLoss, is_correction token mask",
        corrected_policy_row(mode="mask", **BOUNDS),
        "sampler_correction",
        "`is_correction_level` token, `is_correction_mode` mask",
    ),
    openrlhf("PolicyLoss gspo", GSPO_SEQUENCE, "gspo_loss", "`gspo`, always by sequence"),
    openrlhf("PolicyLoss gspo, unclipped", SEQUENCE_RATIO, "sequence_ratio", "`gspo`"),
    openrlhf(
        "PolicyLoss gspo, is_correction",
        GSPO_TO_SAMPLER,
        "gspo_loss",
        "`gspo` with `is_correction_level`",
        differs="the ratio is to the sampler instead of old, and there is no other correction",
    ),
    openrlhf("ValueLoss", VALUE_LOSS, "value_loss"),
    openrlhf(
        "ValueLoss sequence",
        Row("values", lambda x, c: ours.sequence_mean(ours.value_loss(x, c.returns), c.mask), PAIRED),
        "value_loss",
        "`ValueLoss`",
    ),
    openrlhf("ValueLoss, clip_eps", VALUE_LOSS_CLIPPED, "value_loss", "`ValueLoss` with `value_clip`"),
]
