"""AReaL: which function of ours equals each of its records. It computes in float32 except in its policy losses."""

from dataclasses import replace

import torch
from torch import Tensor

from reference import objectives as ours

from ..cases import BETA, BUFFER, COMPLETION, FAR, GAMMA, GROUP, HOLES, KL_COEF, KL_TARGET, LAMBDA, PAIRED, Case
from ..claims import F32
from ..records import Row
from .credit import RLOO, group_advantages_row
from .entry import Equal, entries_of
from .kl import K1, K2, K3, kl_penalty_row, token_rewards
from .policy import (
    BOUNDS,
    GSPO_TOKEN,
    POLICY_DUAL_CLIP,
    POLICY_TOKEN,
    VALUE_LOSS_CLIPPED,
    corrected_policy_row,
    correction,
    correction_row,
    ppo,
)
from .preference import bradley_terry_row
from .tokens import ENTROPY, LOGPROBS, LOGPROBS_TEMPERED

areal = entries_of("areal")
EPS = 1e-5  # of its normalisation


def token_mean_ratio(logprobs: Tensor, case: Case) -> Tensor:
    return ours.token_mean(ours.sequence_ratio(logprobs, case.old, case.mask).expand_as(logprobs), case.mask)


def sapo(logprobs: Tensor, case: Case) -> Tensor:
    return ours.token_mean(ours.sapo_loss(logprobs, case.old, case.advantages), case.mask)


def sapo_of_rows(logprobs: Tensor, case: Case) -> Tensor:
    log_ratio = ours.sequence_ratio(logprobs, case.old, case.mask).log().expand_as(logprobs)
    return ours.token_mean(ours.sapo_loss(log_ratio, torch.zeros_like(log_ratio), case.advantages[:, :1]), case.mask)


def rejected_mask_row(**options: str | float) -> Row:
    def function(sampler: Tensor, case: Case) -> Tensor:
        return ours.rejection_mask(case.old, sampler, case.mask, first="trainer", **options).long()

    return Row("sampler", function, HOLES)


def rejected_policy(logprobs: Tensor, case: Case) -> Tensor:
    """Rejected by k3, and weighed without a bound. The divisor is that of all tokens."""
    keep = ours.rejection_mask(case.old, case.sampler, case.mask, first="trainer", most=KL_TARGET)
    return ours.token_mean(ppo(logprobs, case) * correction(case, high=1e9) * keep, case.mask)


def batch_after_group(rewards: Tensor, case: Case) -> Tensor:
    return ours.batch_advantages(ours.group_advantages(rewards, group_size=GROUP, scale="none"), eps=EPS)


def returns(scores: Tensor, case: Case) -> Tensor:
    return ours.gae(
        token_rewards(scores, case), torch.zeros_like(case.values), case.mask, gamma=GAMMA, gae_lambda=LAMBDA
    )


def gae(values: Tensor, case: Case, scores: Tensor | None = None) -> Tensor:
    """A row that fills the batch counts as cut off: the value behind its last token is the critic's."""
    rewards = token_rewards(case.scores if scores is None else scores, case)
    behind = torch.where(case.lengths == COMPLETION, case.old_values[:, -1], 0.0)
    return ours.gae(rewards, values, case.mask, gamma=GAMMA, gae_lambda=LAMBDA, bootstrap=behind)


def lambda_returns(values: Tensor, case: Case) -> Tensor:
    return gae(values, case) + values.detach() * case.mask


def penalised_rewards(scores: Tensor, case: Case) -> Tensor:
    lengths = case.mask.sum(dim=1)
    return scores.detach() + ours.soft_overlong_penalty(lengths, max_length=COMPLETION, buffer=BUFFER)


def sequences(logprobs: Tensor, case: Case, *, average: bool = False) -> list[Tensor]:
    """Chosen and rejected rows of the policy, then of the reference: one row is chosen, the next one rejected."""
    sums = [ours.sequence_logprobs(x, case.mask, average=average) for x in (logprobs, case.ref)]
    return [x[side::2] for x in sums for side in (0, 1)]


def sft_loss(logprobs: Tensor, case: Case) -> Tensor:
    return ours.sft_loss(logprobs, case.mask)


SCORED = ("ragged", "full", "empty row")  # in "tools" some score is lost, see test_different_areal.py
DPO = Row("pairs", lambda x, c: ours.dpo_loss(*x, beta=BETA).mean())
ENTRIES: list[Equal] = [
    # tokens
    areal("gather_logprobs", LOGPROBS, "token_logprobs", rtol=F32),
    areal("gather_logprobs, temperature", LOGPROBS_TEMPERED, "token_logprobs", "`gather_logprobs`", rtol=F32),
    areal(
        "gather_logprobs, bfloat16",
        Row("logits", lambda x, c: ours.token_logprobs(x.bfloat16(), c.tokens), ("ragged",)),
        "token_logprobs",
        "`gather_logprobs` of bfloat16 logits",
        rtol=F32,
    ),
    areal("gather_logprobs_entropy", ENTROPY, "entropy", rtol=F32),
    *(
        areal(f"KLEstimator {name}", row, f"kl_{name}", f"`kl_estimator: {name}`", rtol=F32)
        for name, row in [("k1", K1), ("k2", K2), ("k3", K3)]
    ),
    *(
        areal(
            f"KLEstimator {name}", kl_penalty_row(name), "kl_penalty", "`KLEstimator`, ours with `max_kl=10`", rtol=F32
        )
        for name in ("k1", "k2", "k3")
    ),
    # policy
    areal("grpo_loss_fn", replace(POLICY_TOKEN, cases=FAR), "ppo_clip_loss"),
    areal("grpo_loss_fn", replace(POLICY_TOKEN, cases=FAR), "token_mean", "`grpo_loss_fn`, always"),
    areal("grpo_loss_fn, c_clip", replace(POLICY_DUAL_CLIP, cases=FAR), "ppo_clip_loss", "`c_clip`, off by default"),
    areal("grpo_loss_fn, sequence", GSPO_TOKEN, "gspo_loss", "`importance_sampling_level: sequence`, by token"),
    areal(
        "grpo_loss_fn, sequence, unclipped",
        Row("logprobs", token_mean_ratio),
        "sequence_ratio",
        "`importance_sampling_level: sequence`",
    ),
    areal("grpo_loss_fn, sapo", Row("logprobs", sapo, FAR), "sapo_loss", "`use_sapo_loss`, `token_mean` of ours"),
    areal(
        "grpo_loss_fn, sapo, sequence",
        Row("logprobs", sapo_of_rows, HOLES),
        "sequence_ratio",
        "`importance_sampling_level: sequence`, `sapo` built on it",
    ),
    *(
        areal(
            f"grpo_loss_fn, rejection {level} {action}",
            corrected_policy_row(level=ours_level, mode=mode, **BOUNDS),
            "sampler_correction",
            f"`rejection_sampling` of the ratio, level {level}, action {action}",
            rtol=F32,
        )
        for level, ours_level in [("token", "token"), ("sequence", "geometric")]
        for action, mode in [("mask", "mask"), ("clamp", "truncate")]
    ),
    areal(
        "apply_rejection_sampling sequence clamp",
        correction_row(level="geometric", **BOUNDS),
        "sampler_correction",
        "`rejection_sampling` of the ratio, level sequence, action clamp",
        rtol=F32,
    ),
    areal(
        "grpo_loss_fn, rejection kl_k3",
        Row("logprobs", rejected_policy, HOLES),
        "rejection_mask",
        "`kl_k3`, after the divisor is counted",
        rtol=F32,
    ),
    *(
        areal(
            f"apply_rejection_sampling {name}",
            rejected_mask_row(estimator=name[3:5], **options),
            "rejection_mask",
            f'`{name[:6].strip()}`, ours with `first="trainer"`',
        )
        for name, options in [
            ("kl_k1", {"most": KL_TARGET}),
            ("kl_k1, lower", {"most": KL_TARGET, "least": -KL_COEF}),
            ("kl_k2", {"most": KL_TARGET}),
            ("kl_k3", {"most": KL_TARGET}),
            *((f"kl_k3 {level}", {"most": KL_COEF, "level": level}) for level in ("mean", "sum", "max")),
        ]
    ),
    # value, demonstrations, pairs
    areal("ppo_loss_fn of critic", VALUE_LOSS_CLIPPED, "value_loss", "`ppo_loss_fn` of its critic", rtol=F32),
    *(
        areal(
            "compute_packed_sft_loss",
            Row("logprobs", sft_loss),
            function,
            "`compute_packed_sft_loss`, whose divisor is 1e-5 larger",
            rtol=F32,
        )
        for function in ("sft_loss", "token_nll")
    ),
    areal("compute_dpo_loss", DPO, "dpo_loss", rtol=F32),
    areal(
        "compute_dpo_loss of sequences",
        Row("logprobs", lambda x, c: ours.dpo_loss(*sequences(x, c), beta=BETA).mean(), PAIRED),
        "sequence_logprobs",
        "`dpo_pair_logratios`",
        rtol=F32,
    ),
    areal(
        "compute_dpo_loss of sequences, ipo",
        Row("logprobs", lambda x, c: ours.ipo_loss(*sequences(x, c, average=True), beta=BETA).mean(), PAIRED),
        "ipo_loss",
        "`loss_type: ipo`, of averaged log-probs",
        rtol=F32,
    ),
    areal("compute_rw_loss", bradley_terry_row(), "bradley_terry_loss", rtol=F32),
    # credit
    areal(
        "Normalization group",
        group_advantages_row(eps=EPS),
        "group_advantages",
        "`reward_norm` with both levels `group`, ours with `eps=1e-5`",
        rtol=F32,
    ),
    areal(
        "Normalization group, std_unbiased=False",
        group_advantages_row(eps=EPS, ddof=0),
        "group_advantages",
        "`std_unbiased: false`, ours with `ddof=0, eps=1e-5`",
        rtol=F32,
    ),
    areal(
        "Normalization group, no std",
        group_advantages_row(scale="none"),
        "group_advantages",
        "`std_level: null`",
        rtol=F32,
    ),
    areal(
        "Normalization group, batch std",
        Row("rewards", batch_after_group),
        "batch_advantages",
        "`mean_level: group` with `std_level: batch`, after the group mean, ours with `eps=1e-5`",
        rtol=F32,
    ),
    areal(
        "Normalization batch",
        Row("rewards", lambda x, c: ours.batch_advantages(x, eps=EPS)),
        "batch_advantages",
        "`reward_norm`, ours with `eps=1e-5`",
        rtol=F32,
    ),
    areal(
        "Normalization leave one out, no std",
        RLOO,
        "rloo_advantages",
        "`mean_leave1out` with `std_level: null`",
        rtol=F32,
    ),
    *(
        areal("compute_advantages", Row("scores", returns, SCORED), function, "`compute_advantages`", rtol=F32)
        for function in ("token_rewards", "discounted_returns")
    ),
    areal("compute_advantages, values", Row("values", gae, SCORED), "gae", "`compute_advantages`", rtol=F32),
    areal(
        "compute_advantages returns, values",
        Row("values", lambda_returns, SCORED),
        "gae",
        "`compute_advantages`",
        rtol=F32,
    ),
    areal(
        "reward_overlong_penalty",
        Row("scores", penalised_rewards),
        "soft_overlong_penalty",
        "`overlong_reward_penalty`",
        rtol=F32,
    ),
]
