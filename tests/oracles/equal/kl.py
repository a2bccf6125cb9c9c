"""Estimators of the KL, the KL in the reward, and its coefficient."""

from dataclasses import replace

import torch
from torch import Tensor

from reference import objectives as ours

from ..cases import FAR, GROUP, HOLES, KL_COEF, KL_HORIZON, KL_TARGET, ORDINARY, PAIRED, Case, observed_kls
from ..claims import F32
from ..records import Row
from ..shared_rows import SCORE_RANGE
from ..verl_options import SOME
from .entry import openrlhf, verl


def k1(case: Case) -> Tensor:
    return ours.kl_k1(case.logprobs, case.ref)


def kl_penalty_row(estimator: str, max_log_ratio: float | None = None) -> Row:
    return Row(
        "logprobs",
        lambda x, c: ours.kl_penalty(x, c.ref, estimator=estimator, max_log_ratio=max_log_ratio, max_kl=10),
        FAR,
    )


def straight_through_row(estimator: str, cases: tuple = ORDINARY) -> Row:
    return Row("logprobs", lambda x, c: ours.kl_straight_through(x, c.ref, estimator=estimator), cases)


def adaptive_coefs(rewards: Tensor, case: Case) -> Tensor:
    coef, coefs = KL_COEF, []
    for observed in observed_kls(rewards):
        coef = ours.adaptive_kl_coef(coef, observed, target=KL_TARGET, horizon=KL_HORIZON, num_samples=GROUP)
        coefs.append(coef)
    return torch.tensor(coefs, dtype=torch.float64)


def mean_k1_of_rows(scores: Tensor, case: Case) -> Tensor:
    return ours.sequence_mean(k1(case), case.mask, num_sequences=len(case.mask))


def token_rewards(scores: Tensor, case: Case) -> Tensor:
    return ours.token_rewards(scores, case.mask, kl=k1(case), kl_coef=KL_COEF)


def rloo_of_kl_penalised_rewards(scores: Tensor, case: Case) -> Tensor:
    rewards = ours.kl_penalised_rewards(scores, k1(case), case.mask, kl_coef=KL_COEF)
    return ours.rloo_advantages(rewards, group_size=2)[:, None] * case.mask


K1 = Row("logprobs", lambda x, c: ours.kl_k1(x, c.ref))
K2 = Row("logprobs", lambda x, c: ours.kl_k2(x, c.ref))
K3 = Row("logprobs", lambda x, c: ours.kl_k3(x, c.ref))
ADAPTIVE = Row("rewards", adaptive_coefs, ("full",))


VERL = [
    verl("kl_penalty kl", replace(K1, cases=FAR), "kl_k1", "`kl`"),
    verl("kl_penalty mse", replace(K2, cases=FAR), "kl_k2", "`mse`"),
    verl("kl_penalty abs", Row("logprobs", lambda x, c: ours.kl_abs(x, c.ref), FAR), "kl_abs", "`abs`"),
    verl("kl_penalty low_var_kl", K3, "kl_k3", "`low_var_kl`"),
    verl(
        "kl_penalty low_var_kl",
        kl_penalty_row("k3", max_log_ratio=20),
        "kl_penalty",
        "`low_var_kl`, ours with `max_log_ratio=20, max_kl=10`",
    ),
    verl("kl_penalty k1+", straight_through_row("k1", cases=FAR), "kl_straight_through", "`k1+`"),
    verl("kl_penalty k3+", straight_through_row("k3"), "kl_straight_through", "`k3+`"),
    verl("kl_penalty abs+", straight_through_row("abs", cases=FAR), "kl_straight_through", "`abs+`"),
    verl(
        "kl_penalty low_var_kl+",
        straight_through_row("k3", SOME),
        "kl_straight_through",
        "`low_var_kl+`, which is `k3+`",
    ),
    verl("kl_penalty mse+", replace(K2, cases=SOME), "kl_k2", "`mse+`, which is `mse`"),
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
        Row("scores", mean_k1_of_rows),
        "mean_kl",
        "`reward_kl_penalty`",
        differs="the mean over rows of each row's mean k1, an empty row counting as 0",
    ),
    verl(
        "apply_kl_penalty, then rloo",
        Row("scores", rloo_of_kl_penalised_rewards, PAIRED),
        "kl_penalised_rewards",
        "`use_kl_in_reward` with `rloo`: before the baseline",
    ),
]

OPENRLHF = [
    openrlhf("compute_approx_kl k1", K1, "kl_k1", "`k1`", rtol=F32),
    openrlhf("compute_approx_kl k2", K2, "kl_k2", "`k2`", rtol=F32),
    openrlhf("compute_approx_kl k3", K3, "kl_k3", "`k3`", rtol=F32),
    *(
        openrlhf(
            f"compute_approx_kl {name}",
            kl_penalty_row(name),
            "kl_penalty",
            "`compute_approx_kl`, ours with `max_kl=10`",
            rtol=F32,
        )
        for name in ("k1", "k2", "k3")
    ),
    *(
        openrlhf(
            f"compute_approx_kl {name}, unbiased_gradient",
            straight_through_row(name),
            "kl_straight_through",
            "`unbiased_gradient`, on policy",
            rtol=F32,
        )
        for name in ("k1", "k3")
    ),
    openrlhf("AdaptiveKLController", ADAPTIVE, "adaptive_kl_coef"),
    openrlhf("compute_reward", Row("scores", token_rewards, HOLES), "token_rewards"),
    openrlhf(
        "compute_reward, clip_range",
        Row("scores", lambda x, c: token_rewards(x.clamp(*SCORE_RANGE), c), PAIRED),
        "token_rewards",
        "`compute_reward` with `reward_clip_range`",
    ),
]
