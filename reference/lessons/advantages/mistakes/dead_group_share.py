"""What goes wrong when dead groups are counted."""

from collections.abc import Callable

import torch
from torch import Tensor

from reference.teaching.bug import bug

from .rows import rows_of


@bug(
    "only the hopeless ones",
    mistake="you count the groups in which every reward is 0; there is another way to be dead",
    symptom="late in a run the metric falls to 0 while most of the batch teaches nothing",
)
def dead_group_share__all_wrong(rewards: Tensor, *, group_size: int) -> Tensor:
    return (rows_of(rewards, group_size) == 0).all(dim=1).double().mean()


@bug(
    "only the solved ones",
    mistake="you count the groups in which every reward is 1; there is another way to be dead",
    symptom="on hard data the metric says 0 while most of the batch teaches nothing",
)
def dead_group_share__all_right(rewards: Tensor, *, group_size: int) -> Tensor:
    return (rows_of(rewards, group_size) == 1).all(dim=1).double().mean()


@bug(
    "dead means 0 or 1",
    mistake="you ask whether all are right or all are wrong; equal rewards in between are just as dead",
    symptom="right with a verifier, too low with partial credit",
)
def dead_group_share__zero_or_one(rewards: Tensor, *, group_size: int) -> Tensor:
    groups = rows_of(rewards, group_size)
    return ((groups == 0).all(dim=1) | (groups == 1).all(dim=1)).double().mean()


def std_below(limit: float) -> Callable[..., Tensor]:
    return lambda rewards, *, group_size: (rows_of(rewards, group_size).std(dim=1) < limit).double().mean()


def close_to_the_first(limit: float) -> Callable[..., Tensor]:
    def share(rewards: Tensor, *, group_size: int) -> Tensor:
        groups = rows_of(rewards, group_size)
        return torch.isclose(groups, groups[:, :1], rtol=0.0, atol=limit).all(dim=1).double().mean()

    return share


@bug(
    "a generous threshold",
    mistake="you call a group dead whose rewards differ a little; its advantages need not be small at all",
    symptom="with scores of a reward model, groups are filtered that would have taught something",
    likewise=tuple(make(10.0**-n) for n in range(2, 8) for make in (std_below, close_to_the_first)),
)
def dead_group_share__threshold(rewards: Tensor, *, group_size: int) -> Tensor:
    return std_below(0.01)(rewards, group_size=group_size)


@bug(
    "a count",
    mistake="you return how many groups are dead, not which share of them",
    symptom="the metric doubles with the batch",
)
def dead_group_share__count(rewards: Tensor, *, group_size: int) -> Tensor:
    groups = rows_of(rewards, group_size)
    return (groups.amax(dim=1) == groups.amin(dim=1)).double().sum()


@bug(
    "the living",
    mistake="you return the share of groups that do teach something",
    symptom="the metric falls where it should rise",
)
def dead_group_share__alive(rewards: Tensor, *, group_size: int) -> Tensor:
    groups = rows_of(rewards, group_size)
    return (groups.amax(dim=1) != groups.amin(dim=1)).double().mean()


@bug(
    "groups across prompts",
    mistake="your groups mix prompts: they take every so-manieth completion instead of neighbours",
    symptom="the share is far too low, since strangers seldom all agree",
)
def dead_group_share__across_prompts(rewards: Tensor, *, group_size: int) -> Tensor:
    groups = rewards.view(group_size, -1).T
    return (groups.amax(dim=1) == groups.amin(dim=1)).double().mean()


@bug(
    "completions instead of groups",
    mistake="you divide the number of dead groups by the number of completions",
    symptom="never above 1 / G, so an alarm at one half never rings",
)
def dead_group_share__over_completions(rewards: Tensor, *, group_size: int) -> Tensor:
    groups = rows_of(rewards, group_size)
    return (groups.amax(dim=1) == groups.amin(dim=1)).double().sum() / len(rewards)


@bug(
    "one average answer is enough",
    mistake="you count completions whose advantage is 0; one of those may sit in a group that teaches",
    symptom="too high wherever a reward can equal the mean of its group",
)
def dead_group_share__average_ones(rewards: Tensor, *, group_size: int) -> Tensor:
    groups = rows_of(rewards, group_size)
    return (groups == groups.mean(dim=1, keepdim=True)).double().mean()
