"""What verl and OpenRLHF recorded, as computations of ours: one entry per record and claim.

The cases of our row are those that are compared. What is not in here differs, and test_recorded.py says how.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from reference import objectives as ours

from .cases import (
    BETA,
    BUDGET,
    BUFFER,
    CLIP_HIGH,
    CLIP_LOW,
    COMPLETION,
    DUAL_CLIP,
    ENTROPY_COEF,
    EOS,
    FAR,
    GAMMA,
    GLOBAL_SEQUENCES,
    GLOBAL_TOKENS,
    GROUP,
    GSPO_HIGH,
    GSPO_LOW,
    HOLES,
    KL_COEF,
    KL_HORIZON,
    KL_TARGET,
    LAMBDA,
    PAIRED,
    PROCESSES,
    PROMPT,
    SAMPLER_HIGH,
    SAMPLER_LOW,
    SMOOTHING,
    TEMPERATURE,
    VALUE_CLIP,
    VOCAB,
    Case,
    Row,
)
from .claims import F32, Claim

BOUNDS = {"low": SAMPLER_LOW, "high": SAMPLER_HIGH}
NO_EPS = {"ddof": 0, "eps": 0.0}  # OpenRLHF's whitening: no Bessel, and eps only where the variance is smaller


@dataclass(frozen=True)
class Equal:
    """A record of a framework, our computation of it, and what that says about a function of ours."""

    record: str
    ours: Row
    claim: Claim

    def __str__(self) -> str:
        return f"{self.claim.function} = {self.record}"


def verl(record: str, row: Row, function: str, theirs: str = "", **options: float | str) -> Equal:
    return Equal(record, row, Claim(function, "verl", theirs or f"`{record}`", **options))


def openrlhf(record: str, row: Row, function: str, theirs: str = "", **options: float | str) -> Equal:
    return Equal(record, row, Claim(function, "OpenRLHF", theirs or f"`{record}`", **options))


# --- log-probs, masks, normalisers ---


def fused_logprobs(hidden: Tensor, case: Case) -> Tensor:
    lm_head = case.logits[0, :VOCAB]
    return ours.chunked_token_logprobs(hidden, lm_head, case.tokens, temperature=TEMPERATURE, chunk_size=4)


def completion_mask(tokens: Tensor, case: Case) -> Tensor:
    mask = ours.completion_mask(tokens, case.start, eos_token_id=EOS)
    assert torch.equal(mask, case.mask)
    return mask[:, PROMPT - 1 :].long()


def non_empty(case: Case) -> int:
    return int(case.mask.any(dim=1).sum())


def fixed_length(x: Tensor, case: Case, max_length: int) -> Tensor:
    # verl does not count empty rows, fixed_length does unless told how many rows there are
    return ours.fixed_length(x, case.mask, max_length=max_length, num_sequences=non_empty(case))


LOGPROBS = Row("logits", lambda x, c: ours.token_logprobs(x, c.tokens))
LOGPROBS_TEMPERED = Row("logits", lambda x, c: ours.token_logprobs(x, c.tokens, temperature=TEMPERATURE))
ENTROPY = Row("logits", lambda x, c: ours.entropy(x))
MASKED_MEAN = Row("token_loss", lambda x, c: ours.masked_mean(x, c.mask))
TOKEN_MEAN = Row("token_loss", lambda x, c: ours.token_mean(x, c.mask))
TOKEN_MEAN_GLOBAL = Row("token_loss", lambda x, c: ours.token_mean(x, c.mask, num_tokens=GLOBAL_TOKENS) * PROCESSES)
SEQUENCE_MEAN = Row("token_loss", lambda x, c: ours.sequence_mean(x, c.mask))
SEQUENCE_MEAN_GLOBAL = Row(
    "token_loss", lambda x, c: ours.sequence_mean(x, c.mask, num_sequences=GLOBAL_SEQUENCES) * PROCESSES
)


# --- KL ---


def k1(case: Case) -> Tensor:
    return ours.kl_k1(case.logprobs, case.ref)


def penalty(estimator: str, max_log_ratio: float | None = None) -> Row:
    return Row(
        "logprobs",
        lambda x, c: ours.kl_penalty(x, c.ref, estimator=estimator, max_log_ratio=max_log_ratio, max_kl=10),
        FAR,
    )


def straight_through(estimator: str, **cases: tuple) -> Row:
    return Row("logprobs", lambda x, c: ours.kl_straight_through(x, c.ref, estimator=estimator), **cases)


def adaptive(rewards: Tensor, case: Case) -> Tensor:
    coef, coefs = KL_COEF, []
    for reward in rewards.detach():
        observed = KL_TARGET * (1 + 0.3 * float(reward))
        coef = ours.adaptive_kl_coef(coef, observed, target=KL_TARGET, horizon=KL_HORIZON, num_samples=GROUP)
        coefs.append(coef)
    return torch.tensor(coefs, dtype=torch.float64)


def mean_of_rows_k1(scores: Tensor, case: Case) -> Tensor:
    return ours.sequence_mean(k1(case), case.mask, num_sequences=len(case.mask))


K1 = Row("logprobs", lambda x, c: ours.kl_k1(x, c.ref))
K2 = Row("logprobs", lambda x, c: ours.kl_k2(x, c.ref))
K3 = Row("logprobs", lambda x, c: ours.kl_k3(x, c.ref))
ADAPTIVE = Row("rewards", adaptive, ("full",))


# --- returns and advantages ---


def token_rewards(scores: Tensor, case: Case) -> Tensor:
    return ours.token_rewards(scores, case.mask, kl=k1(case), kl_coef=KL_COEF)


def gae(values: Tensor, case: Case, **options: float | str) -> Tensor:
    return ours.gae(case.token_rewards, values, case.mask, gamma=GAMMA, **({"gae_lambda": LAMBDA} | options))


def over_all_positions(values: Tensor, case: Case, rewards: Tensor | None = None, gamma: float = GAMMA) -> Tensor:
    """GAE as OpenRLHF's loop has it: what the environment wrote are steps with value and reward 0."""
    rewards = case.token_rewards if rewards is None else rewards
    return ours.gae(rewards, values * case.mask, case.mask, gamma=gamma, gae_lambda=LAMBDA, masked="decay")


def rloo_of_penalised(scores: Tensor, case: Case) -> Tensor:
    rewards = ours.kl_penalised_rewards(scores, k1(case), case.mask, kl_coef=KL_COEF)
    return ours.rloo_advantages(rewards, group_size=2)[:, None] * case.mask


def rloo_then_kl(scores: Tensor, case: Case) -> Tensor:
    charge = KL_COEF * ours.kl_charge(k1(case), case.mask, credit="to_go")
    return ours.rloo_advantages(scores, group_size=2)[:, None] * case.mask - charge


def whitened_gae(scores: Tensor, case: Case) -> Tensor:
    advantages = over_all_positions(case.values, case, token_rewards(scores, case), gamma=1.0)
    return ours.whiten(advantages, case.mask, **NO_EPS)


def reinforce(scores: Tensor, case: Case) -> Tensor:
    return ours.whiten(ours.discounted_returns(token_rewards(scores, case), case.mask), case.mask, **NO_EPS)


def reinforce_baseline(scores: Tensor, case: Case) -> Tensor:
    return reinforce(ours.group_advantages(scores, group_size=2, scale="none"), case)


def reward_std_per_row(rewards: Tensor, case: Case) -> Tensor:
    stds = [ours.group_reward_std(group, group_size=GROUP) for group in rewards.split(GROUP)]
    return torch.stack(stds).repeat_interleave(GROUP)


def advantages(**options: float | str) -> Row:
    return Row("rewards", lambda x, c: ours.group_advantages(x, group_size=GROUP, **options))


def whiten(scale: float = 1.0, **options: float | bool) -> Row:
    return Row("values", lambda x, c: ours.whiten(scale * x, c.mask, **options), HOLES)


RLOO = Row("rewards", lambda x, c: ours.rloo_advantages(x, group_size=GROUP))


# --- policy and value ---


def ppo(logprobs: Tensor, case: Case, **options: float) -> Tensor:
    return ours.ppo_clip_loss(logprobs, case.old, case.advantages, clip_low=CLIP_LOW, clip_high=CLIP_HIGH, **options)


def correction(case: Case, **options: str | float) -> Tensor:
    return ours.sampler_correction(case.old, case.sampler, case.mask, **options)


def corrected(**options: str | float) -> Row:
    """The policy loss with each token weighed."""
    return Row("logprobs", lambda x, c: ours.token_mean(ppo(x, c) * correction(c, **options), c.mask), HOLES)


def weights(*, cases: tuple = HOLES, **options: str | float) -> Row:
    return Row("sampler", lambda x, c: correction(c, **options), cases)


def not_rejected(level: str) -> Row:
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


# --- preferences, lengths and metrics ---


def bradley_terry(*, margin: bool = False) -> Row:
    return Row("pairs", lambda x, c: ours.bradley_terry_loss(x[0], x[1], margin=c.margins if margin else None).mean())


def lengthened(scores: Tensor, case: Case, max_length: int = COMPLETION) -> Tensor:
    return scores.detach() + ours.soft_overlong_penalty(case.lengths, max_length=max_length, buffer=BUFFER)


def ipo_of_margin(pairs: Tensor, case: Case) -> Tensor:
    return ((ours.preference_margin(*pairs) - 1 / (2 * BETA)) ** 2).mean()


def truncated_share(mask: Tensor, case: Case) -> Tensor:
    return ours.truncated_share(case.lengths == COMPLETION)


VERL = [
    verl("logprobs_from_logits", LOGPROBS, "token_logprobs"),
    verl("logprobs_from_logits, temperature", LOGPROBS_TEMPERED, "token_logprobs", "`logprobs_from_logits`"),
    verl("FusedLinearForPPO", Row("logits", fused_logprobs), "chunked_token_logprobs", rtol=F32),
    verl("entropy_from_logits", ENTROPY, "entropy"),
    verl("compute_entropy_loss", Row("logits", lambda x, c: ours.mean_entropy(x, c.mask)), "mean_entropy"),
    verl("masked_mean", MASKED_MEAN, "masked_mean"),
    verl("masked_sum", Row("token_loss", lambda x, c: ours.sequence_sum(x, c.mask), HOLES), "sequence_sum"),
    verl("get_response_mask", Row("tokens", completion_mask, ("ragged", "full")), "completion_mask"),
    verl("agg_loss token-mean", TOKEN_MEAN, "token_mean", "`token-mean`"),
    verl("agg_loss token-mean, global", TOKEN_MEAN_GLOBAL, "token_mean", "`token-mean` with `batch_num_tokens`"),
    verl("agg_loss seq-mean-token-mean", SEQUENCE_MEAN, "sequence_mean", "`seq-mean-token-mean`"),
    verl(
        "agg_loss seq-mean-token-mean, global",
        SEQUENCE_MEAN_GLOBAL,
        "sequence_mean",
        "`seq-mean-token-mean` with `global_batch_size`",
    ),
    verl(
        "agg_loss seq-mean-token-sum-norm",
        Row("token_loss", lambda x, c: fixed_length(x, c, c.mask.shape[1])),
        "fixed_length",
        "`seq-mean-token-sum-norm`, which divides by the padded width",
    ),
    verl(
        "agg_loss seq-mean-token-sum-norm, budget",
        Row("token_loss", lambda x, c: fixed_length(x, c, BUDGET)),
        "fixed_length",
        "`seq-mean-token-sum-norm` with `loss_scale_factor`",
    ),
    # KL
    verl("kl_penalty kl", replace(K1, cases=FAR), "kl_k1", "`kl`"),
    verl("kl_penalty mse", replace(K2, cases=FAR), "kl_k2", "`mse`"),
    verl("kl_penalty abs", Row("logprobs", lambda x, c: ours.kl_abs(x, c.ref), FAR), "kl_abs", "`abs`"),
    verl("kl_penalty low_var_kl", K3, "kl_k3", "`low_var_kl`"),
    verl(
        "kl_penalty low_var_kl",
        penalty("k3", max_log_ratio=20),
        "kl_penalty",
        "`low_var_kl`, ours with `max_log_ratio=20, max_kl=10`",
    ),
    verl("kl_penalty k1+", straight_through("k1", cases=FAR), "kl_straight_through", "`k1+`"),
    verl("kl_penalty k3+", straight_through("k3"), "kl_straight_through", "`k3+`"),
    verl("kl_penalty abs+", straight_through("abs", cases=FAR), "kl_straight_through", "`abs+`"),
    verl(
        "agg_loss of kl_penalty low_var_kl",
        Row("logprobs", lambda x, c: ours.mean_kl(x, c.ref, c.mask)),
        "mean_kl",
        "`kl_loss`",
    ),
    verl(
        "masked_mean of kl_penalty(old, new)",
        Row("logprobs", lambda x, c: ours.approx_kl(x, c.old, c.mask)),
        "approx_kl",
        "mean of `low_var_kl` of (old, new)",
    ),
    verl("AdaptiveKLController", ADAPTIVE, "adaptive_kl_coef"),
    verl("apply_kl_penalty", Row("scores", token_rewards), "token_rewards"),
    verl(
        "apply_kl_penalty reward_kl_penalty",
        Row("scores", mean_of_rows_k1),
        "mean_kl",
        "`reward_kl_penalty`",
        differs="the mean over rows of each row's mean k1, an empty row counting as 0",
    ),
    verl(
        "apply_kl_penalty, then rloo",
        Row("scores", rloo_of_penalised, PAIRED),
        "kl_penalised_rewards",
        "`use_kl_in_reward` with `rloo`: before the baseline",
    ),
    # returns and advantages
    verl(
        "compute_gae_advantage_return",
        Row("values", lambda x, c: ours.whiten(gae(x, c), c.mask), HOLES),
        "whiten",
        rtol=F32,
    ),
    verl("compute_gae_advantage_return, before whitening", Row("values", gae, HOLES), "gae"),
    verl(
        "compute_gae_advantage_return, before whitening, lam=0",
        Row("values", lambda x, c: ours.td_residuals(c.token_rewards, x, c.mask, gamma=GAMMA), HOLES),
        "td_residuals",
        "`compute_gae_advantage_return` with `lam=0`",
    ),
    verl(
        "compute_grpo_outcome_advantage",
        advantages(eps=1e-6),
        "group_advantages",
        "`compute_grpo_outcome_advantage`, ours with `eps=1e-6`",
    ),
    verl(
        "compute_grpo_outcome_advantage, no std",
        advantages(scale="none"),
        "group_advantages",
        "`norm_adv_by_std_in_grpo=False`",
    ),
    verl(
        "compute_grpo_vectorized_outcome_advantage",
        advantages(eps=1e-6),
        "group_advantages",
        "`grpo_vectorized`, ours with `eps=1e-6`",
        rtol=F32,
    ),
    verl("compute_rloo_outcome_advantage", RLOO, "rloo_advantages", "`rloo`"),
    verl("compute_rloo_vectorized_outcome_advantage", RLOO, "rloo_advantages", "`rloo_vectorized`"),
    verl(
        "compute_reinforce_plus_plus_outcome_advantage",
        Row("token_rewards", lambda x, c: ours.reinforce_plus_plus_advantages(x, c.mask, gamma=GAMMA), HOLES),
        "reinforce_plus_plus_advantages",
        "`reinforce_plus_plus`",
        rtol=F32,
    ),
    verl(
        "compute_reinforce_plus_plus_outcome_advantage, returns",
        Row("token_rewards", lambda x, c: ours.discounted_returns(x, c.mask, gamma=GAMMA), HOLES),
        "discounted_returns",
        "returns of `reinforce_plus_plus`",
    ),
    verl(
        "compute_reinforce_plus_plus_outcome_advantage, returns of scores",
        Row("scores", lambda x, c: ours.discounted_returns(ours.token_rewards(x, c.mask), c.mask, gamma=GAMMA)),
        "token_rewards",
        "returns of `reinforce_plus_plus`",
    ),
    verl(
        "compute_reinforce_plus_plus_baseline_outcome_advantage",
        Row("scores", lambda x, c: ours.reinforce_plus_plus_baseline_advantages(x, c.mask, group_size=2), PAIRED),
        "reinforce_plus_plus_baseline_advantages",
        "`reinforce_plus_plus_baseline`",
        rtol=F32,
    ),
    verl("masked_whiten", whiten(), "whiten", rtol=F32),
    verl("masked_whiten, shift_mean=False", whiten(shift_mean=False), "whiten", rtol=F32),
    verl("masked_whiten, small", whiten(scale=1e-4), "whiten", "`masked_whiten`", rtol=F32),
    # policy and value
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
        corrected(high=SAMPLER_HIGH),
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
        weights(high=SAMPLER_HIGH),
        "sampler_correction",
        "`rollout_is: token`",
    ),
    verl(
        "compute_rollout_correction_weights sequence",
        weights(level="sequence", high=SAMPLER_HIGH),
        "sampler_correction",
        "`rollout_is: sequence`",
    ),
    verl(
        "compute_rollout_correction_weights token, low_high",
        weights(mode="mask", **BOUNDS),
        "sampler_correction",
        "two thresholds, ours with `mask`",
    ),
    verl(
        "compute_rollout_correction_weights sequence, low_high",
        weights(level="sequence", mode="mask", cases=("ragged", "full"), **BOUNDS),
        "sampler_correction",
        "two thresholds, ours with `mask`",
    ),
    *(
        verl(
            f"compute_rollout_rejection_mask {option}",
            not_rejected(level),
            "sampler_correction",
            f"`rollout_rs: {option}`",
            differs=f"leaves out of the mask what our `{level}` mask weighs 0, and bounds the inverse ratio",
        )
        for option, level in [("token_k1", "token"), ("seq_sum_k1", "sequence"), ("seq_mean_k1", "geometric")]
    ),
    verl("ppo_loss", Row("logprobs", total_loss), "total_loss", "`ppo_loss` of its workers"),
    verl("compute_value_loss", VALUE_LOSS_CLIPPED, "value_loss"),
    # lengths and metrics
    verl(
        "DAPORewardManager",
        Row("scores", lambda x, c: ours.token_rewards(lengthened(x, c), c.mask), ("ragged", "full")),
        "soft_overlong_penalty",
        "`overlong_buffer_cfg`",
        rtol=F32,
    ),
    verl("critic/score/mean", Row("scores", lambda x, c: ours.reward_mean(x), ("ragged", "full")), "reward_mean"),
    verl("response_length/mean", Row("mask", lambda x, c: ours.mean_length(c.mask)), "mean_length", rtol=F32),
    verl("response_length/clip_ratio", Row("mask", truncated_share), "truncated_share", rtol=F32),
]


OPENRLHF = [
    openrlhf("log_probs_from_logits", LOGPROBS, "token_logprobs"),
    openrlhf("log_probs_from_logits, temperature", LOGPROBS_TEMPERED, "token_logprobs", "`log_probs_from_logits`"),
    openrlhf("compute_entropy", ENTROPY, "entropy"),
    openrlhf(
        "_get_batch_logps, sum",
        Row("logprobs", lambda x, c: ours.sequence_logprobs(x, c.mask), HOLES),
        "sequence_logprobs",
        "`DPOTrainer._get_batch_logps`",
    ),
    openrlhf(
        "_get_batch_logps, mean",
        Row("logprobs", lambda x, c: ours.sequence_logprobs(x, c.mask, average=True), ("ragged", "full", "tools")),
        "sequence_logprobs",
        "`DPOTrainer._get_batch_logps`",
    ),
    openrlhf("masked_mean", MASKED_MEAN, "masked_mean"),
    openrlhf("aggregate_loss token", TOKEN_MEAN, "token_mean", "`token_level_loss=True`"),
    openrlhf(
        "aggregate_loss token, global",
        TOKEN_MEAN_GLOBAL,
        "token_mean",
        "`token_level_loss=True` with `batch_num_tokens`",
    ),
    openrlhf("aggregate_loss sequence", SEQUENCE_MEAN, "sequence_mean", "`token_level_loss=False`"),
    openrlhf(
        "aggregate_loss sequence, global",
        SEQUENCE_MEAN_GLOBAL,
        "sequence_mean",
        "`token_level_loss=False` with `global_batch_size`",
    ),
    # KL
    openrlhf("compute_approx_kl k1", K1, "kl_k1", "`k1`", rtol=F32),
    openrlhf("compute_approx_kl k2", K2, "kl_k2", "`k2`", rtol=F32),
    openrlhf("compute_approx_kl k3", K3, "kl_k3", "`k3`", rtol=F32),
    *(
        openrlhf(
            f"compute_approx_kl {name}",
            penalty(name),
            "kl_penalty",
            "`compute_approx_kl`, ours with `max_kl=10`",
            rtol=F32,
        )
        for name in ("k1", "k2", "k3")
    ),
    *(
        openrlhf(
            f"compute_approx_kl {name}, unbiased_gradient",
            straight_through(name),
            "kl_straight_through",
            "`unbiased_gradient`, on policy",
            rtol=F32,
        )
        for name in ("k1", "k3")
    ),
    openrlhf("AdaptiveKLController", ADAPTIVE, "adaptive_kl_coef"),
    openrlhf("compute_reward", Row("scores", token_rewards, HOLES), "token_rewards"),
    # returns and advantages
    openrlhf(
        "get_advantages_and_returns",
        Row("values", over_all_positions, HOLES),
        "gae",
        '`gae`, ours with `values * mask` and `masked="decay"`',
    ),
    openrlhf(
        "get_advantages_and_returns, returns",
        Row("values", lambda x, c: over_all_positions(x, c) + x.detach() * c.mask, HOLES),
        "gae",
        '`gae`, ours with `values * mask` and `masked="decay"`',
    ),
    openrlhf(
        "get_cumulative_returns",
        Row("token_rewards", lambda x, c: ours.discounted_returns(x, c.mask, gamma=GAMMA, masked="decay"), HOLES),
        "discounted_returns",
        '`get_cumulative_returns`, ours with `masked="decay"`',
    ),
    openrlhf("masked_normalize", whiten(**NO_EPS), "whiten", "`masked_normalize`, ours with `ddof=0, eps=0`"),
    openrlhf(
        "gae advantages", Row("scores", whitened_gae, HOLES), "whiten", "`gae`, ours with `ddof=0, eps=0`", rtol=F32
    ),
    openrlhf(
        "reinforce advantages",
        Row("scores", reinforce, HOLES),
        "reinforce_plus_plus_advantages",
        "`reinforce`",
        differs="whitens with `ddof=0`",
    ),
    openrlhf(
        "reinforce_baseline advantages",
        Row("scores", reinforce_baseline, PAIRED),
        "reinforce_plus_plus_baseline_advantages",
        "`reinforce_baseline`",
        differs="the KL is in the reward, and the returns are whitened with `ddof=0`",
    ),
    openrlhf(
        "rloo advantages, KL",
        Row("scores", rloo_then_kl, PAIRED),
        "kl_charge",
        "`rloo`: to go, after the baseline",
    ),
    openrlhf("rloo advantages", RLOO, "rloo_advantages", "`rloo`"),
    openrlhf(
        "rloo advantages, clip_range",
        Row("rewards", lambda x, c: RLOO.function(x, c).clamp(-0.5, 0.5)),
        "rloo_advantages",
        "`reward.clip_range`, ±10 by default",
        differs="cuts the advantage, not the reward",
    ),
    openrlhf("group_norm advantages", advantages(eps=1e-9), "group_advantages", "`group_norm`, ours with `eps=1e-9`"),
    openrlhf("dr_grpo advantages", advantages(scale="none"), "group_advantages", "`dr_grpo`"),
    openrlhf("group_reward_std", Row("rewards", reward_std_per_row), "group_reward_std"),
    # policy and value
    openrlhf("PolicyLoss", POLICY_TOKEN, "ppo_clip_loss"),
    openrlhf("PolicyLoss sequence", POLICY_SEQUENCE, "ppo_clip_loss", "`PolicyLoss`"),
    openrlhf("PolicyLoss, dual clip", POLICY_DUAL_CLIP, "ppo_clip_loss", "`dual_clip` (off by default)"),
    openrlhf("PolicyLoss clip_ratio", CLIP_FRAC, "clip_frac", "`clip_ratio`", rtol=F32),
    openrlhf("PolicyLoss ppo_kl", MEAN_LOG_RATIO, "approx_kl", "`ppo_kl`", differs="the signed mean of old - new"),
    openrlhf(
        "PolicyLoss, is_correction token clip",
        corrected(**BOUNDS),
        "sampler_correction",
        "`is_correction_level` token, `is_correction_mode` clip",
    ),
    openrlhf(
        "PolicyLoss, is_correction token mask",
        corrected(mode="mask", **BOUNDS),
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
    openrlhf("ValueLoss, clip_eps", VALUE_LOSS_CLIPPED, "value_loss", "`ValueLoss` with `value_clip`"),
    # supervised, preferences, lengths
    openrlhf("SFTLoss", Row("logprobs", lambda x, c: ours.sft_loss(x, c.mask)), "sft_loss"),
    openrlhf("SFTLoss", Row("logprobs", lambda x, c: ours.token_mean(ours.token_nll(x), c.mask)), "token_nll"),
    openrlhf("DPOLoss", Row("pairs", lambda x, c: ours.dpo_loss(*x, beta=BETA).mean()), "dpo_loss"),
    openrlhf(
        "DPOLoss, label_smoothing",
        Row("pairs", lambda x, c: ours.cdpo_loss(*x, beta=BETA, label_smoothing=SMOOTHING).mean()),
        "cdpo_loss",
        "`DPOLoss` with `label_smoothing`",
    ),
    openrlhf(
        "DPOLoss, ipo",
        Row("pairs", lambda x, c: ours.ipo_loss(*x, beta=BETA).mean()),
        "ipo_loss",
        "`DPOLoss` with `ipo`, of summed log-probs",
    ),
    openrlhf("DPOLoss, ipo", Row("pairs", ipo_of_margin), "preference_margin", "`DPOLoss`"),
    openrlhf(
        "DPOLoss chosen_rewards",
        Row("pairs", lambda x, c: ours.implicit_reward(x[0], x[2], beta=BETA).detach()),
        "implicit_reward",
        "`chosen_rewards`, detached",
    ),
    openrlhf(
        "DPOLoss rejected_rewards",
        Row("pairs", lambda x, c: ours.implicit_reward(x[1], x[3], beta=BETA).detach()),
        "implicit_reward",
        "`rejected_rewards`, detached",
    ),
    openrlhf("PairWiseLoss", bradley_terry(), "bradley_terry_loss"),
    openrlhf("PairWiseLoss, margin", bradley_terry(margin=True), "bradley_terry_loss", "`PairWiseLoss`"),
    openrlhf("LogExpLoss", bradley_terry(), "bradley_terry_loss"),
    openrlhf(
        "LogExpLoss, margin",
        bradley_terry(),
        "bradley_terry_loss",
        "`LogExpLoss`",
        differs="leaves the margin out",
    ),
    openrlhf("apply_overlong_penalty", Row("scores", lengthened, HOLES), "soft_overlong_penalty", rtol=F32),
    openrlhf(
        "apply_overlong_penalty, beyond max_new_tokens",
        Row("scores", lambda x, c: lengthened(x, c, COMPLETION - 1), ("full",)),
        "soft_overlong_penalty",
        "`apply_overlong_penalty`",
        rtol=F32,
    ),
]

EQUAL = {"verl": VERL, "openrlhf": OPENRLHF}
