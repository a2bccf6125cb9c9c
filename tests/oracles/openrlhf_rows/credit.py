"""Whom OpenRLHF credits with a reward: KL in the reward, returns, advantages."""

from types import SimpleNamespace

import torch
from torch import Tensor

from ..cases import GAMMA, GROUP, HOLES, KL_COEF, LAMBDA, PAIRED, Case
from ..records import Row
from ..shared_rows import SCORE_RANGE, values_on_mask
from .stand_ins import RemoteExperienceMaker, utils


def token_rewards(scores: Tensor, case: Case, clip_range: tuple[float, float] | None = None) -> Tensor:
    rewards = utils.compute_reward(scores.detach(), KL_COEF, case.logprobs - case.ref, case.mask, clip_range)
    return values_on_mask(rewards, case)


def gae(values: Tensor, case: Case) -> Tensor:
    estimate = RemoteExperienceMaker.get_advantages_and_returns
    return values_on_mask(estimate(None, values, case.token_rewards, case.mask, GAMMA, LAMBDA)[0], case)


def lambda_returns(values: Tensor, case: Case) -> Tensor:
    estimate = RemoteExperienceMaker.get_advantages_and_returns
    return values_on_mask(estimate(None, values, case.token_rewards, case.mask, GAMMA, LAMBDA)[1], case)


def cumulative_returns(token_rewards: Tensor, case: Case) -> Tensor:
    return values_on_mask(RemoteExperienceMaker.get_cumulative_returns(None, token_rewards, case.mask, GAMMA), case)


def experience_with_advantages(
    estimator: str,
    rewards: Tensor,
    mask: Tensor,
    *,
    group_size: int,
    kl: Tensor | None = None,
    values: Tensor | None = None,
    clip_range: tuple[float, float] | None = None,
    no_std_norm: bool = False,
) -> SimpleNamespace:
    """OpenRLHF's experience maker, with as much of a trainer around it as its advantages need."""
    advantage = SimpleNamespace(estimator=estimator, gamma=1.0, lambd=LAMBDA, no_std_norm=no_std_norm)
    args = SimpleNamespace(
        algo=SimpleNamespace(advantage=advantage),
        rollout=SimpleNamespace(n_samples_per_prompt=group_size),
        reward=SimpleNamespace(clip_range=clip_range, overlong_buffer_len=None, stop_properly_penalty_coef=None),
    )
    maker = object.__new__(RemoteExperienceMaker)
    maker.strategy, maker.args, maker.advantage_estimator = SimpleNamespace(args=args), args, estimator
    maker.kl_ctl = SimpleNamespace(value=0.0 if kl is None else KL_COEF)
    experience = SimpleNamespace(
        rewards=rewards.detach(),
        index=list(range(len(rewards))),
        kl=torch.zeros_like(mask, dtype=rewards.dtype) if kl is None else kl,
        action_mask=mask,
        values=values,
        info={},
    )
    return maker.compute_advantages_and_returns([experience])[0]


def one_token_experience(estimator: str, rewards: Tensor, **options: tuple[float, float] | bool) -> SimpleNamespace:
    """Completions of one token, and no KL: what is left are the advantages of a group."""
    one_token = torch.ones(len(rewards), 1, dtype=torch.bool)
    return experience_with_advantages(estimator, rewards, one_token, group_size=GROUP, **options)


def advantages_row(estimator: str, cases: tuple = PAIRED, **options: bool) -> Row:
    """Per token, with the KL in the reward: the whole way from scores."""

    def function(scores: Tensor, case: Case) -> Tensor:
        group_size = 1 if estimator in ("gae", "reinforce") else 2
        kl = case.logprobs - case.ref
        experience = experience_with_advantages(
            estimator, scores, case.mask, group_size=group_size, kl=kl, values=case.values, **options
        )
        normalised = estimator != "rloo"  # in float32
        return values_on_mask(experience.advantages.float() if normalised else experience.advantages, case)

    return Row("scores", function, cases)


CREDIT = {
    "compute_reward": Row("scores", token_rewards, HOLES),
    "get_advantages_and_returns": Row("values", gae, HOLES),
    "get_advantages_and_returns, returns": Row("values", lambda_returns, HOLES),
    "get_cumulative_returns": Row("token_rewards", cumulative_returns, HOLES),
    "gae advantages": advantages_row("gae", HOLES),
    "reinforce advantages": advantages_row("reinforce", HOLES),
    "reinforce_baseline advantages": advantages_row("reinforce_baseline"),
    "rloo advantages, KL": advantages_row("rloo"),
    "rloo advantages": Row("rewards", lambda x, c: one_token_experience("rloo", x).advantages[:, 0]),
    "rloo advantages, clip_range": Row(
        "rewards", lambda x, c: one_token_experience("rloo", x, clip_range=(-0.5, 0.5)).advantages[:, 0]
    ),
    "group_norm advantages": Row("rewards", lambda x, c: one_token_experience("group_norm", x).advantages[:, 0]),
    "group_norm advantages, no_std_norm": Row(
        "rewards", lambda x, c: one_token_experience("group_norm", x, no_std_norm=True).advantages[:, 0], ("full",)
    ),
    "flash_reinforce advantages": Row(
        "rewards", lambda x, c: one_token_experience("flash_reinforce", x).advantages[:, 0], ("full",)
    ),
    "reinforce advantages, no_std_norm": advantages_row("reinforce", no_std_norm=True),
    "compute_reward, clip_range": Row("scores", lambda x, c: token_rewards(x, c, SCORE_RANGE), PAIRED),
    "dr_grpo advantages": Row("rewards", lambda x, c: one_token_experience("dr_grpo", x).advantages[:, 0]),
    "group_reward_std": Row("rewards", lambda x, c: one_token_experience("group_norm", x).info["group_reward_std"]),
}
