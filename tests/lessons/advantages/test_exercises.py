"""The exercises of the lesson on advantages: wrong solutions, and mistakes written another way."""

import pytest
import torch
from verdicts import judge

from reference import objectives

SEEDS = range(5)


def centred(rewards, group_size):
    groups = rewards.view(-1, group_size)
    return groups - groups.mean(dim=1, keepdim=True)


def std_of_the_others(rewards, *, group_size, scale, eps):  # NeMo-RL's
    groups = rewards.view(-1, group_size)
    rest = torch.stack([torch.cat([groups[:, :i], groups[:, i + 1 :]], dim=1) for i in range(group_size)], dim=1)
    scales = {"none": 1, "group": rest.var(dim=2).sqrt() + eps, "batch": rewards.std() + eps}
    return ((groups - rest.mean(dim=2)) / scales[scale]).flatten()


def by_the_range(rewards, *, group_size, scale, eps):
    groups = rewards.view(-1, group_size)
    spread = groups.amax(dim=1, keepdim=True) - groups.amin(dim=1, keepdim=True)
    return (centred(rewards, group_size) / (1 if scale == "none" else spread + eps)).flatten()


def only_the_good(rewards, *, group_size, scale, eps):
    return objectives.group_advantages(rewards, group_size=group_size, scale=scale, eps=eps).clamp_min(0)


def no_keepdim(rewards, *, group_size, scale, eps):
    groups = rewards.view(-1, group_size)
    return (groups - groups.mean(dim=1)).flatten()


def not_flat(rewards, *, group_size, scale, eps):
    return objectives.group_advantages(rewards, group_size=group_size, scale=scale, eps=eps).view(-1, group_size)


def the_next_one(rewards, *, group_size):
    groups = rewards.view(-1, group_size)
    return (groups - groups.roll(-1, dims=1)).flatten()


def those_before(rewards, *, group_size):
    groups = rewards.view(-1, group_size)
    return (groups - (groups.cumsum(dim=1) - groups) / torch.arange(group_size).clamp_min(1)).flatten()


def sum_of_the_others(rewards, *, group_size):
    groups = rewards.view(-1, group_size)
    return (groups - (groups.sum(dim=1, keepdim=True) - groups)).flatten()


def factor_of_the_batch(rewards, *, group_size):
    return (len(rewards) / (len(rewards) - 1) * centred(rewards, group_size)).flatten()


def first_two(rewards, *, group_size):
    groups = rewards.view(-1, group_size)
    return (groups[:, 0] == groups[:, 1]).float().mean()


def when_rounded(rewards, *, group_size):
    groups = rewards.view(-1, group_size).round()
    return (groups.amax(dim=1) == groups.amin(dim=1)).float().mean()


def like_the_first_of_the_batch(rewards, *, group_size):
    return (rewards == rewards[0]).view(-1, group_size).all(dim=1).float().mean()


@pytest.mark.parametrize(
    ("name", "solution"),
    [
        ("group_advantages", std_of_the_others),
        ("group_advantages", by_the_range),
        ("group_advantages", only_the_good),
        ("group_advantages", no_keepdim),
        ("group_advantages", not_flat),
        ("rloo_advantages", the_next_one),
        ("rloo_advantages", those_before),
        ("rloo_advantages", sum_of_the_others),
        ("rloo_advantages", factor_of_the_batch),
        ("dead_group_share", first_two),
        ("dead_group_share", when_rounded),
        ("dead_group_share", like_the_first_of_the_batch),
    ],
)
def test_other_wrong_solutions_are_refused(name, solution):
    for seed in SEEDS:
        assert judge(name, solution, seed).status in ("wrong", "mistake")


def precedence(rewards, *, group_size, scale, eps):
    groups, a = rewards.view(-1, group_size), centred(rewards, group_size)
    if scale == "group":
        a = a / groups.std(dim=1, keepdim=True) + eps
    elif scale == "batch":
        a = a / rewards.std() + eps
    return a.flatten()


def all_zero_or_all_one(rewards, *, group_size):
    means = rewards.view(-1, group_size).mean(dim=1)
    return ((means == 0) | (means == 1)).float().mean()


@pytest.mark.parametrize(
    ("name", "solution", "mistake"),
    [
        ("group_advantages", precedence, "eps outside the division"),
        ("dead_group_share", all_zero_or_all_one, "dead means 0 or 1"),
    ],
)
def test_a_mistake_written_another_way_is_named(name, solution, mistake):
    for seed in SEEDS:
        assert judge(name, solution, seed).bug.name == mistake
