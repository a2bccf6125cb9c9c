"""What ms-swift equals: its policy losses here, the rest in the two files that this one imports."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from torch import Tensor

from reference import objectives as ours

from ..cases import (
    BUDGET,
    CLIP_HIGH,
    COMPLETION,
    DUAL_CLIP,
    FAR,
    GLOBAL_TOKENS,
    HOLES,
    KL_COEF,
    ORDINARY,
    PROCESSES,
    SAMPLER_HIGH,
    Case,
)
from ..claims import F32
from ..ms_swift_options import APART, ROW_HIGH, SHARE
from ..records import Row
from .entry import entries_of
from .ms_swift_credit import CREDIT
from .ms_swift_offline import OFFLINE
from .policy import CLIP_FRAC, GSPO_TOKEN, POLICY_TOKEN, corrected_policy_row, correction, gspo, ppo

GSPO = '`importance_sampling_level="sequence"`, any `loss_type`'
OFF_POLICY = "`off_policy_sequence_mask_delta`, which shrinks the mask"

ms_swift = entries_of("ms_swift")


def of_all_rows(token_loss: Tensor, mask: Tensor) -> Tensor:
    """ms-swift's mean over rows counts the empty ones."""
    return ours.sequence_mean(token_loss, mask, num_sequences=len(mask))


def of_all_processes(token_loss: Tensor, mask: Tensor) -> Tensor:
    return ours.token_mean(token_loss, mask, num_tokens=GLOBAL_TOKENS) * PROCESSES


def policy_row(
    loss: Callable[[Tensor, Case], Tensor],
    mean: Callable[[Tensor, Tensor], Tensor] = ours.token_mean,
    mask: Callable[[Tensor, Case], Tensor] = lambda x, c: c.mask,
    cases: tuple = HOLES,
) -> Row:
    return Row("logprobs", lambda x, c: mean(loss(x, c), mask(x, c)), cases)


def ppo_by_row(logprobs: Tensor, case: Case) -> Tensor:
    return ppo(logprobs, replace(case, advantages=case.advantages[:, :1]))


def cispo(logprobs: Tensor, case: Case) -> Tensor:
    return ours.cispo_loss(logprobs, case.old, case.advantages, clip_high=CLIP_HIGH)


def sapo(logprobs: Tensor, case: Case) -> Tensor:
    return ours.sapo_loss(logprobs, case.old, case.advantages)


def sapo_by_row(logprobs: Tensor, case: Case) -> Tensor:
    """One ratio per completion, as if it were that of a single token."""
    log_ratio = ours.sequence_ratio(logprobs, case.old, case.mask).log()
    return ours.sapo_loss(log_ratio, 0 * log_ratio, case.advantages[:, :1]).expand(case.mask.shape)


def with_kl(logprobs: Tensor, case: Case) -> Tensor:
    kl = ours.kl_penalty(logprobs, case.ref, estimator="k3", max_log_ratio=20, max_kl=10)
    return ppo(logprobs, case) + KL_COEF * kl


def total(logprobs: Tensor, case: Case) -> Tensor:
    kl = ours.token_mean(ours.kl_k3(logprobs, case.ref), case.mask)
    return ours.total_loss(POLICY_TOKEN.function(logprobs, case), kl=kl, kl_coef=KL_COEF)


def top_entropy(case: Case) -> Tensor:
    return ours.top_entropy_mask(case.values, case.mask, share=SHARE)


def on_policy(logprobs: Tensor, case: Case) -> Tensor:
    return ours.off_policy_mask(logprobs, case.sampler, case.advantages[:, :1], case.mask, threshold=APART)


def on_time(logprobs: Tensor, case: Case) -> Tensor:
    return ours.overlong_mask(case.mask, case.lengths == COMPLETION)


def kept_rows(case: Case) -> Tensor:
    return correction(case, level="geometric", mode="mask", high=ROW_HIGH) > 0


def sequence_mask(logprobs: Tensor, case: Case) -> Tensor:
    return ppo(logprobs, case) * correction(case, high=1e9) * kept_rows(case)


def fixed(token_loss: Tensor, mask: Tensor) -> Tensor:
    return ours.fixed_length(token_loss, mask, max_length=BUDGET)


POLICY = [
    ms_swift("grpo", policy_row(ppo, of_all_rows, cases=FAR), "ppo_clip_loss"),
    ms_swift("bnpo", replace(POLICY_TOKEN, cases=FAR), "ppo_clip_loss"),
    ms_swift("bnpo", replace(POLICY_TOKEN, cases=FAR), "ratio", "`coef_1` of `_compute_loss_and_metrics`"),
    ms_swift(
        "grpo", policy_row(ppo, of_all_rows, cases=FAR), "sequence_mean", "`grpo`, ours with `num_sequences=batch`"
    ),
    ms_swift("bnpo", replace(POLICY_TOKEN, cases=FAR), "token_mean", "`bnpo`"),
    ms_swift("dapo", policy_row(ppo, of_all_processes, cases=ORDINARY), "token_mean", "`dapo`"),
    ms_swift(
        "MegatronGRPOTrainer bnpo",
        policy_row(ppo, of_all_processes, cases=ORDINARY),
        "token_mean",
        "`dapo` and `bnpo` of its Megatron trainer",
    ),
    ms_swift("dr_grpo", policy_row(ppo, fixed, cases=ORDINARY), "fixed_length", "`dr_grpo`"),
    ms_swift(
        "bnpo, delta",
        policy_row(partial(ppo, dual_clip=DUAL_CLIP), cases=FAR),
        "ppo_clip_loss",
        "`delta` from 1 + `epsilon_high` on is our `dual_clip`",
    ),
    ms_swift(
        "bnpo, beta", policy_row(with_kl, cases=FAR), "kl_penalty", "`beta`, ours with `max_log_ratio=20, max_kl=10`"
    ),
    ms_swift("bnpo, beta", Row("logprobs", total), "kl_k3", "`beta`"),
    ms_swift("bnpo, beta", Row("logprobs", total), "total_loss", "`beta`"),
    ms_swift("bnpo, kl_in_reward", POLICY_TOKEN, "total_loss", "`kl_in_reward`: no KL in the loss"),
    ms_swift("grpo, sequence", policy_row(gspo, of_all_rows), "gspo_loss", GSPO),
    ms_swift("bnpo, sequence", GSPO_TOKEN, "gspo_loss", GSPO),
    ms_swift("grpo, sequence_token", policy_row(gspo, of_all_rows), "gspo_loss", "`sequence_token`"),
    ms_swift("grpo, sequence", policy_row(gspo, of_all_rows), "sequence_ratio", GSPO),
    ms_swift(
        "cispo",
        policy_row(cispo, of_all_processes, cases=FAR),
        "cispo_loss",
        "`cispo`, whose `epsilon_high` is 1 + `clip_high`",
    ),
    ms_swift("sapo", policy_row(sapo, of_all_rows, cases=FAR), "sapo_loss", "`sapo`"),
    ms_swift(
        "sapo, sequence",
        policy_row(sapo_by_row, of_all_rows),
        "sapo_loss",
        '`sapo` with `importance_sampling_level="sequence"`',
    ),
    ms_swift("bnpo, token_truncate", corrected_policy_row(high=SAMPLER_HIGH), "sampler_correction", "`token_truncate`"),
    ms_swift(
        "bnpo, token_mask", corrected_policy_row(mode="mask", high=SAMPLER_HIGH), "sampler_correction", "`token_mask`"
    ),
    ms_swift(
        "bnpo, sequence_truncate",
        corrected_policy_row(level="geometric", high=ROW_HIGH),
        "sampler_correction",
        '`sequence_truncate`, ours with `level="geometric"`',
    ),
    ms_swift(
        "bnpo, sequence_mask",
        policy_row(sequence_mask),
        "sampler_correction",
        "`sequence_mask`",
        differs="drops rows by our `geometric` weight, and weighs the others by token, without a bound",
    ),
    ms_swift(
        "bnpo, off_policy_sequence_mask_delta", policy_row(ppo_by_row, mask=on_policy), "off_policy_mask", OFF_POLICY
    ),
    ms_swift(
        "grpo, off_policy_sequence_mask_delta",
        policy_row(ppo_by_row, of_all_rows, on_policy),
        "off_policy_mask",
        OFF_POLICY,
    ),
    ms_swift(
        "bnpo, top_entropy_quantile",
        policy_row(lambda x, c: ppo(x, c) * top_entropy(c)),
        "top_entropy_mask",
        "`top_entropy_quantile` is our `share`",
    ),
    ms_swift(
        "bnpo, top_entropy_quantile, beta",
        policy_row(lambda x, c: ppo(x, c) * top_entropy(c) + KL_COEF * ours.kl_k3(x, c.ref)),
        "top_entropy_mask",
        "`top_entropy_quantile` is our `share`",
    ),
    ms_swift(
        "bnpo, overlong_filter",
        policy_row(ppo, mask=on_time, cases=("ragged", "empty row", "tools")),
        "overlong_mask",
        "`overlong_filter`",
    ),
    ms_swift("clip_ratio/region_mean", CLIP_FRAC, "clip_frac", rtol=F32),
    ms_swift("kl", Row("logprobs", lambda x, c: ours.mean_kl(x, c.ref, c.mask)), "mean_kl", "the metric `kl`"),
]

ENTRIES = POLICY + CREDIT + OFFLINE
