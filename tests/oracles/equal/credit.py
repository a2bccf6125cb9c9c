"""Returns and advantages."""

import torch
from torch import Tensor

from reference import objectives as ours

from ..cases import GAMMA, GROUP, HOLES, KL_COEF, LAMBDA, ORDINARY, PAIRED, Case
from ..claims import F32
from ..records import Row
from .entry import openrlhf, verl
from .kl import k1, token_rewards

NO_EPS = {"ddof": 0, "eps": 0.0}  # OpenRLHF's whitening: no Bessel, and eps only where the variance is smaller


def gae(values: Tensor, case: Case) -> Tensor:
    return ours.gae(case.token_rewards, values, case.mask, gamma=GAMMA, gae_lambda=LAMBDA)


def gae_over_all_positions(values: Tensor, case: Case, rewards: Tensor | None = None, gamma: float = GAMMA) -> Tensor:
    """GAE as OpenRLHF's loop has it: what the environment wrote are steps with value and reward 0."""
    rewards = case.token_rewards if rewards is None else rewards
    return ours.gae(rewards, values * case.mask, case.mask, gamma=gamma, gae_lambda=LAMBDA, masked="decay")


def rloo_then_kl(scores: Tensor, case: Case) -> Tensor:
    charge = KL_COEF * ours.kl_charge(k1(case), case.mask, credit="to_go")
    return ours.rloo_advantages(scores, group_size=2)[:, None] * case.mask - charge


def whitened_gae(scores: Tensor, case: Case) -> Tensor:
    advantages = gae_over_all_positions(case.values, case, token_rewards(scores, case), gamma=1.0)
    return ours.whiten(advantages, case.mask, **NO_EPS)


def reinforce(scores: Tensor, case: Case) -> Tensor:
    return ours.whiten(ours.discounted_returns(token_rewards(scores, case), case.mask), case.mask, **NO_EPS)


def reinforce_baseline(scores: Tensor, case: Case) -> Tensor:
    return reinforce(ours.group_advantages(scores, group_size=2, scale="none"), case)


def reward_std_per_row(rewards: Tensor, case: Case) -> Tensor:
    stds = [ours.group_reward_std(group, group_size=GROUP) for group in rewards.split(GROUP)]
    return torch.stack(stds).repeat_interleave(GROUP)


def centred_returns(scores: Tensor, case: Case) -> Tensor:
    returns = ours.discounted_returns(token_rewards(scores, case), case.mask)
    return (returns - ours.masked_mean(returns, case.mask)) * case.mask


def group_advantages_row(cases: tuple = ORDINARY, **options: float | str) -> Row:
    return Row("rewards", lambda x, c: ours.group_advantages(x, group_size=GROUP, **options), cases)


def whitened_row(scale: float = 1.0, **options: float | bool) -> Row:
    return Row("values", lambda x, c: ours.whiten(scale * x, c.mask, **options), HOLES)


RLOO = Row("rewards", lambda x, c: ours.rloo_advantages(x, group_size=GROUP))


VERL = [
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
        group_advantages_row(eps=1e-6),
        "group_advantages",
        "`compute_grpo_outcome_advantage`, ours with `eps=1e-6`",
    ),
    verl(
        "compute_grpo_outcome_advantage, no std",
        group_advantages_row(scale="none"),
        "group_advantages",
        "`norm_adv_by_std_in_grpo=False`",
    ),
    verl(
        "compute_grpo_vectorized_outcome_advantage",
        group_advantages_row(eps=1e-6),
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
    verl("masked_whiten", whitened_row(), "whiten", rtol=F32),
    verl("masked_whiten, shift_mean=False", whitened_row(shift_mean=False), "whiten", rtol=F32),
    verl("masked_whiten, small", whitened_row(scale=1e-4), "whiten", "`masked_whiten`", rtol=F32),
]

OPENRLHF = [
    openrlhf(
        "get_advantages_and_returns",
        Row("values", gae_over_all_positions, HOLES),
        "gae",
        '`gae`, ours with `values * mask` and `masked="decay"`',
    ),
    openrlhf(
        "get_advantages_and_returns, returns",
        Row("values", lambda x, c: gae_over_all_positions(x, c) + x.detach() * c.mask, HOLES),
        "gae",
        '`gae`, ours with `values * mask` and `masked="decay"`',
    ),
    openrlhf(
        "get_cumulative_returns",
        Row("token_rewards", lambda x, c: ours.discounted_returns(x, c.mask, gamma=GAMMA, masked="decay"), HOLES),
        "discounted_returns",
        '`get_cumulative_returns`, ours with `masked="decay"`',
    ),
    openrlhf("masked_normalize", whitened_row(**NO_EPS), "whiten", "`masked_normalize`, ours with `ddof=0, eps=0`"),
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
    openrlhf(
        "group_norm advantages",
        group_advantages_row(eps=1e-9),
        "group_advantages",
        "`group_norm`, ours with `eps=1e-9`",
    ),
    openrlhf(
        "group_norm advantages, no_std_norm",
        group_advantages_row(("full",), eps=1e-9),
        "group_advantages",
        "`group_norm`, ours with `eps=1e-9`, also with `no_std_norm`",
    ),
    openrlhf(
        "flash_reinforce advantages",
        Row("rewards", lambda x, c: ours.group_advantages(x, group_size=len(x), scale="none"), ("full",)),
        "group_advantages",
        '`flash_reinforce`: the batch is one group, `scale="none"`',
    ),
    openrlhf(
        "reinforce advantages, no_std_norm",
        Row("scores", centred_returns, PAIRED),
        "masked_mean",
        "`no_std_norm` with `reinforce`: the mean alone is subtracted",
        rtol=F32,
    ),
    openrlhf("dr_grpo advantages", group_advantages_row(scale="none"), "group_advantages", "`dr_grpo`"),
    openrlhf("group_reward_std", Row("rewards", reward_std_per_row), "group_reward_std"),
]
