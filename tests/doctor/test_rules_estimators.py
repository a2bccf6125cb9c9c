"""No estimator of the package looks like a fault: logs of groups that were drawn, and not of a model."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from reference.doctor.diagnose import diagnose
from reference.doctor.log import Log
from reference.objectives import (
    dead_group_share,
    group_advantages,
    group_reward_std,
    maxrl_advantages,
    reinforce_plus_plus_baseline_advantages,
    rloo_advantages,
)

PROMPTS, STEPS = 32, 30
Estimator = Callable[[Tensor, int], Tensor]
ESTIMATORS: dict[str, Estimator] = {
    "std of the group, n - 1": lambda r, g: group_advantages(r, group_size=g),
    "std of the group, n": lambda r, g: group_advantages(r, group_size=g, ddof=0),
    "std of the batch": lambda r, g: group_advantages(r, group_size=g, scale="batch"),
    "no std": lambda r, g: group_advantages(r, group_size=g, scale="none"),
    "leave one out": lambda r, g: rloo_advantages(r, group_size=g),
    "over the mean": lambda r, g: maxrl_advantages(r, group_size=g, without_success="zero"),
    "whitened over the batch": lambda r, g: reinforce_plus_plus_baseline_advantages(
        r, torch.ones(len(r), 1, dtype=torch.bool), group_size=g
    ),
}


def drawn(estimator: Estimator, group_size: int, *, dust: float = 0.0) -> list[str]:
    """What the doctor finds where every prompt has a chance of its own, and chances rise from step to step. ``dust``: what
    is added to every reward, at most."""
    generator = torch.Generator().manual_seed(group_size)
    rows: dict[str, list[float]] = {
        "reward": [],
        "reward_std": [],
        "dead_groups": [],
        "advantage_mean": [],
        "advantage_std": [],
    }
    for step in range(STEPS):
        chance = torch.rand(PROMPTS, 1, generator=generator) ** (1.2 - 0.035 * step)
        right = (torch.rand(PROMPTS, group_size, generator=generator) < chance).float().flatten()
        advantages = estimator(right + dust * torch.rand(len(right), generator=generator), group_size)
        rows["reward"].append(right.mean().item())
        rows["reward_std"].append(group_reward_std(right, group_size=group_size).item())
        rows["dead_groups"].append(dead_group_share(right, group_size=group_size).item())
        rows["advantage_mean"].append(advantages.mean().item())
        rows["advantage_std"].append(advantages.std(correction=0).item())
    steps = tuple(float(step + 1) for step in range(STEPS))
    log = Log("drawn", "ours", steps, {name: tuple(values) for name, values in rows.items()}, {})
    return [found.cause.name for found in diagnose(log).found]


@pytest.mark.parametrize("group_size", [4, 8, 16])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_estimator_without_a_fault_raises_no_alarm(name, group_size):
    assert drawn(ESTIMATORS[name], group_size) == []


@pytest.mark.parametrize("name", ESTIMATORS)
def test_groups_of_two_are_told_whatever_the_estimator(name):
    assert drawn(ESTIMATORS[name], 2) == ["group_of_two"]


@pytest.mark.parametrize("group_size", [4, 8, 16])
def test_rewards_with_dust_divided_by_their_own_std_are_told(group_size):
    def without_eps(rewards: Tensor, group_size: int) -> Tensor:
        groups = rewards.double().view(-1, group_size)
        return ((groups - groups.mean(dim=1, keepdim=True)) / groups.std(dim=1, keepdim=True)).flatten().float()

    assert drawn(without_eps, group_size, dust=1e-6) == ["dead_groups_teach"]


@pytest.mark.parametrize("group_size", [4, 8, 16])
def test_rewards_that_are_not_compared_are_told(group_size):
    assert drawn(lambda rewards, _: rewards, group_size) == ["advantages_not_centred"]
