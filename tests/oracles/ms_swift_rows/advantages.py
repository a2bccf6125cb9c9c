"""Whom ms-swift credits with a reward: its estimators, their scales, the KL in the reward, and the metrics of rewards."""

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from ..cases import BUFFER, COMPLETION, GROUP, HOLES, KL_COEF, PAIRED, Case
from ..ms_swift_options import KIND_WEIGHTS, UNIT
from ..records import Row
from .trainers import SoftOverlong, advantage, grpo_trainer

ONE = torch.ones(1, dtype=torch.float64)


def estimate(rewards: Tensor, *, group: int = GROUP, **options: Any) -> Tensor:
    return advantage.compute_advantages(rewards.detach()[:, None], ONE.to(rewards.dtype), group, **options)[0]


def estimate_row(*, group: int = GROUP, cases: tuple = ("full",), **options: Any) -> Row:
    return Row("rewards", lambda x, c: estimate(x, group=group, **options), cases)


def of_two_kinds(rewards: Tensor, case: Case) -> Tensor:
    """Two rewards for each completion, in different units."""
    kinds = torch.stack([rewards.detach(), UNIT * rewards.detach().flip(0)], dim=1)
    return advantage.compute_advantages(kinds, torch.tensor(KIND_WEIGHTS).double(), GROUP, scale_rewards="gdpo")[0]


def with_nan(rewards: Tensor, case: Case) -> Tensor:
    return estimate(torch.where(torch.arange(len(rewards)) == 1, torch.nan, rewards))


def equal_rewards(rewards: Tensor, case: Case) -> Tensor:
    """Three times 0.9 in float32, whose mean is not 0.9; then the first three rewards of the case."""
    return estimate(torch.cat([torch.full((3,), 0.9), rewards.detach().float()[:3]]), group=3, scale_rewards="group")


def dynamic(rewards: Tensor, **options: Any) -> Tensor:
    """Groups that their prompt's name tells, which are the groups of before. It takes float32 only."""
    prompts = [str(i // GROUP) for i in range(len(rewards))]
    requests = [str(i) for i in range(len(rewards))]
    return advantage.compute_advantages_dynamic(
        rewards.detach().float()[:, None], ONE.float(), prompts, requests, **options
    )[0]


def dynamic_row(**options: Any) -> Row:
    return Row("rewards", lambda x, c: dynamic(x, **options), ("full",))


def kl_in_reward(scores: Tensor, case: Case, **options: Any) -> Tensor:
    """``_compute_advantages`` itself, which sums the KL of each row."""
    self = grpo_trainer(beta=KL_COEF, num_generations=2, kl_in_reward=True, scale_rewards="none", **options)
    batch = SimpleNamespace(old_per_token_logps=case.logprobs, ref_per_token_logps=case.ref, completion_mask=case.mask)
    rewards = self._compute_advantages([], scores.detach()[:, None], [{"grpo_batch": batch}])
    return rewards[:, None] * case.mask


def reward_metric_row(name: str) -> Row:
    def function(rewards: Tensor, case: Case) -> Tensor:
        metrics = advantage.compute_reward_metrics(rewards.detach(), rewards.detach()[:, None], ["r"], GROUP, "group")
        return torch.tensor(getattr(metrics, name), dtype=torch.float64)

    return Row("rewards", function, ("full",))


def overlong(scores: Tensor, case: Case, max_length: int) -> Tensor:
    self = object.__new__(SoftOverlong)
    self.soft_max_length, self.soft_cache_length = max_length, BUFFER
    ids = [[0] * int(length) for length in case.lengths]
    return scores.detach() + torch.tensor(self([], response_token_ids=ids), dtype=torch.float64)


ADVANTAGES = {
    "compute_advantages group": estimate_row(scale_rewards="group"),
    "compute_advantages batch": estimate_row(scale_rewards="batch"),
    "compute_advantages none": estimate_row(scale_rewards="none"),
    "compute_advantages gdpo": Row("rewards", of_two_kinds, ("full",)),
    "compute_advantages rloo": estimate_row(advantage_estimator="rloo", scale_rewards="none"),
    "compute_advantages rloo, gdpo": estimate_row(advantage_estimator="rloo", scale_rewards="gdpo", cases=("full",)),
    "compute_advantages reinforce_plus_plus": estimate_row(
        advantage_estimator="reinforce_plus_plus", scale_rewards="batch"
    ),
    "compute_advantages group, one each": estimate_row(group=1),
    "compute_advantages rloo, one each": estimate_row(
        group=1, advantage_estimator="rloo", scale_rewards="none", cases=("full",)
    ),
    "compute_advantages group, NaN": Row("rewards", with_nan, ("full",)),
    "compute_advantages group, equal rewards": Row("rewards", equal_rewards, ("full",)),
    "compute_advantages_dynamic group": dynamic_row(scale_rewards="group"),
    "compute_advantages_dynamic rloo": dynamic_row(advantage_estimator="rloo", scale_rewards="none"),
    "compute_advantages_dynamic gdpo": dynamic_row(scale_rewards="gdpo"),
    "_compute_advantages rloo, kl_in_reward": Row(
        "scores", lambda x, c: kl_in_reward(x, c, advantage_estimator="rloo"), PAIRED
    ),
    "reward_std": reward_metric_row("reward_std"),
    "frac_reward_zero_std": reward_metric_row("frac_reward_zero_std"),
    "reward_mean": reward_metric_row("reward_mean"),
    "SoftOverlong": Row("scores", lambda x, c: overlong(x, c, COMPLETION), HOLES),
    "SoftOverlong, beyond soft_max_length": Row("scores", lambda x, c: overlong(x, c, COMPLETION - 1), ("full",)),
}
