"""NeMo-RL: the losses of policy and critic, and all entries. The others are in nemo_rl_*.py, a file per topic."""

from dataclasses import replace

from torch import Tensor

from reference import objectives as ours

from ..cases import DUAL_CLIP, FAR, HOLES, KL_COEF, ORDINARY, SAMPLER_HIGH, SAMPLER_LOW, Case
from ..records import Row
from .entry import entries_of
from .nemo_rl_credit import CREDIT
from .nemo_rl_preference import PREFERENCE
from .nemo_rl_tokens import TOKENS
from .policy import (
    BOUNDS,
    POLICY_TOKEN,
    REINFORCE,
    VALUE_LOSS,
    VALUE_LOSS_CLIPPED,
    cispo,
    corrected_policy_row,
    correction,
    gspo,
    ppo,
)

nemo_rl = entries_of("nemo_rl")
UNBOUNDED = 1e9


def mean_of_all_rows(x: Tensor, case: Case) -> Tensor:
    """It counts empty rows too."""
    return ours.sequence_mean(x, case.mask, num_sequences=len(case.mask))


def kl_term(logprobs: Tensor, case: Case, old: Tensor, estimator: str = "k3") -> Tensor:
    return KL_COEF * ours.kl_unbiased(logprobs, case.ref, old, estimator=estimator)


def on_policy_kl_row(estimator: str) -> Row:
    return Row("logprobs", lambda x, c: ours.token_mean(kl_term(x, c, x.detach(), estimator), c.mask))


def on_policy_ratio(logprobs: Tensor, case: Case) -> Tensor:
    return ours.token_mean(ours.ppo_clip_loss(logprobs, logprobs.detach(), case.advantages), case.mask)


def with_kl(logprobs: Tensor, case: Case) -> Tensor:
    kl = ours.token_mean(ours.kl_unbiased(logprobs, case.ref, logprobs.detach()), case.mask)
    return ours.total_loss(POLICY_TOKEN.function(logprobs, case), kl=kl, kl_coef=KL_COEF)


def with_nll_of_successes(logprobs: Tensor, case: Case) -> Tensor:
    nll = ours.sft_loss(logprobs, case.mask & (case.scores > 0)[:, None])
    return ours.total_loss(POLICY_TOKEN.function(logprobs, case), sft_loss=nll, sft_coef=0.5)


def gspo_corrected(logprobs: Tensor, case: Case) -> Tensor:
    weight = correction(case, level="sequence", high=UNBOUNDED)
    return mean_of_all_rows(gspo(logprobs, case) * weight, case)


def of_kept_rows(logprobs: Tensor, case: Case) -> Tensor:
    """Token weights without a bound, in rows whose geometric weight is within the bounds."""
    stays = correction(case, level="geometric", mode="mask", low=SAMPLER_LOW, high=SAMPLER_HIGH) > 0
    return ours.token_mean(ppo(logprobs, case) * correction(case, high=UNBOUNDED) * stays, case.mask)


POLICY = [
    nemo_rl("ClippedPGLossFn", replace(POLICY_TOKEN, cases=FAR), "ppo_clip_loss"),
    nemo_rl(
        "ClippedPGLossFn, token_level_loss=False",
        Row("logprobs", lambda x, c: mean_of_all_rows(ppo(x, c), c)),
        "sequence_mean",
        "`token_level_loss=False`, ours with `num_sequences=batch`",
    ),
    nemo_rl(
        "ClippedPGLossFn, ratio_clip_c",
        Row("logprobs", lambda x, c: ours.token_mean(ppo(x, c, dual_clip=DUAL_CLIP), c.mask), FAR),
        "ppo_clip_loss",
        "`ratio_clip_c` (off by default)",
    ),
    nemo_rl("ClippedPGLossFn, disable_ppo_ratio", REINFORCE, "reinforce_loss", "`disable_ppo_ratio`"),
    nemo_rl(
        "ClippedPGLossFn, force_on_policy_ratio",
        Row("logprobs", on_policy_ratio),
        "ppo_clip_loss",
        "`force_on_policy_ratio`, ours with `old_logprobs=token_logprobs.detach()`",
    ),
    nemo_rl(
        "ClippedPGLossFn, use_cispo", Row("logprobs", cispo, FAR), "cispo_loss", "`use_cispo`, ours with `clip_low`"
    ),
    nemo_rl(
        "ClippedPGLossFn, positive_example_nll_weight",
        Row("logprobs", with_nll_of_successes, ("ragged", "full")),
        "total_loss",
        "`positive_example_nll_weight`: the NLL of rows with a reward above 0",
    ),
    nemo_rl("ClippedPGLossFn, KL", Row("logprobs", with_kl), "total_loss", "`reference_policy_kl_penalty`"),
    nemo_rl(
        "ClippedPGLossFn, sequence_level_importance_ratios",
        Row("logprobs", lambda x, c: mean_of_all_rows(gspo(x, c), c), HOLES),
        "gspo_loss",
        "`sequence_level_importance_ratios`, always by sequence",
    ),
    nemo_rl(
        "ClippedPGLossFn, sequence_level_importance_ratios, correction",
        Row("logprobs", gspo_corrected, HOLES),
        "sampler_correction",
        '`sequence_level_importance_ratios`: ours with `level="sequence"`, no bound',
    ),
    nemo_rl(
        "ClippedPGLossFn, correction",
        corrected_policy_row(high=UNBOUNDED),
        "sampler_correction",
        "`use_importance_sampling_correction`, no bound",
    ),
    nemo_rl("ClippedPGLossFn, correction tis", corrected_policy_row(**BOUNDS), "sampler_correction", "`tis`"),
    nemo_rl(
        "ClippedPGLossFn, correction icepop",
        corrected_policy_row(mode="mask", **BOUNDS),
        "sampler_correction",
        "`icepop`, ours with `mask`",
    ),
    nemo_rl(
        "ClippedPGLossFn, correction seq-mask-tis",
        Row("logprobs", of_kept_rows, ("ragged", "full", "tools")),
        "sampler_correction",
        "`seq-mask-tis`: rows by our `geometric` mask, their token weights without a bound",
    ),
    nemo_rl("ClippedPGLossFn KL k1", on_policy_kl_row("k1"), "kl_unbiased", "`reference_policy_kl_type` k1"),
    nemo_rl("ClippedPGLossFn KL k3", on_policy_kl_row("k3"), "kl_unbiased", "`reference_policy_kl_type` k3"),
    nemo_rl(
        "ClippedPGLossFn KL k3, token_level_loss=False",
        Row("logprobs", lambda x, c: mean_of_all_rows(kl_term(x, c, x.detach()), c)),
        "kl_unbiased",
        "`reference_policy_kl_type` k3, also with `token_level_loss=False`",
    ),
    nemo_rl(
        "ClippedPGLossFn KL k3, use_on_policy_kl_approximation",
        Row("logprobs", lambda x, c: ours.token_mean(kl_term(x, c, c.sampler), c.mask)),
        "kl_unbiased",
        "`use_on_policy_kl_approximation`, ours with the sampler's log-probs",
    ),
    nemo_rl(
        "ClippedPGLossFn kl_penalty",
        Row("logprobs", lambda x, c: ours.mean_kl(x, c.ref, c.mask)),
        "mean_kl",
        "`kl_penalty`, without the coefficient",
    ),
    nemo_rl(
        "ClippedPGLossFn probs_ratio",
        Row("logprobs", lambda x, c: ours.mean_ratio(x, c.old, c.mask)),
        "mean_ratio",
        "`probs_ratio`",
    ),
    nemo_rl(
        "ClippedPGLossFn gen_kl_error",
        Row("logprobs", lambda x, c: ours.mean_kl(c.sampler, c.old, c.mask)),
        "mean_kl",
        "`gen_kl_error`, of the sampler to the trainer",
    ),
    nemo_rl(
        "ClippedPGLossFn policy_kl_error",
        Row("logprobs", lambda x, c: ours.mean_kl(c.old, c.sampler, c.mask)),
        "mean_kl",
        "`policy_kl_error`, of the trainer to the sampler",
    ),
    nemo_rl("MseValueLossFn", VALUE_LOSS, "value_loss"),
    nemo_rl("MseValueLossFn, cliprange", VALUE_LOSS_CLIPPED, "value_loss", "`MseValueLossFn` with `cliprange`"),
    nemo_rl(
        "critic/explained_var",
        Row("values", lambda x, c: ours.explained_variance(x, c.returns, c.mask), ORDINARY),
        "explained_variance",
    ),
]

ENTRIES = [*TOKENS, *POLICY, *CREDIT, *PREFERENCE]
