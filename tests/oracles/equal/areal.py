"""AReaL: which function of ours equals each of its records. It computes in float32 except in its policy losses."""

from dataclasses import replace

from reference import objectives as ours

from ..cases import BETA, FAR, HOLES, KL_COEF, KL_TARGET, PAIRED
from ..claims import F32
from ..records import Row
from .areal_formulas import (
    EPS,
    batch_after_group,
    gae,
    lambda_returns,
    penalised_rewards,
    rejected_mask_row,
    rejected_policy,
    returns,
    sapo,
    sapo_of_rows,
    sequences,
    sft_loss,
    token_mean_ratio,
)
from .credit import RLOO, group_advantages_row
from .entry import Equal, entries_of
from .kl import K1, K2, K3, kl_penalty_row
from .policy import (
    BOUNDS,
    GSPO_TOKEN,
    POLICY_DUAL_CLIP,
    POLICY_TOKEN,
    VALUE_LOSS_CLIPPED,
    corrected_policy_row,
    correction_row,
)
from .preference import bradley_terry_row
from .tokens import ENTROPY, LOGPROBS, LOGPROBS_TEMPERED

areal = entries_of("areal")
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
