"""What goes wrong with the others: which they are, how many, and where the brackets stand."""

from collections.abc import Callable

import torch
from torch import Tensor

from reference.teaching.bug import bug

from .rows import rows_of


def compared_with(choose: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """Each reward minus what ``choose`` makes of the other rewards of its group."""

    def compared(rewards: Tensor, *, group_size: int) -> Tensor:
        groups = rows_of(rewards, group_size)
        baselines = [choose(torch.cat([groups[:, :i], groups[:, i + 1 :]], dim=1)) for i in range(group_size)]
        return (groups - torch.stack(baselines, dim=1)).flatten()

    return compared


@bug(
    "worst or middle of the others",
    mistake="you compare with one chosen reward of the others, their smallest or their median, not with the mean",
    symptom="advantages of a prompt do not average to 0, and most of them have one sign",
    likewise=(compared_with(lambda others: others.median(dim=1).values),),
)
def rloo_advantages__worst(rewards: Tensor, *, group_size: int) -> Tensor:
    return compared_with(lambda others: others.amin(dim=1))(rewards, group_size=group_size)


@bug(
    "mean of the batch",
    mistake="your baseline is the mean of the whole batch, whatever the prompt",
    symptom="part of every advantage is how easy the prompt was",
)
def rloo_advantages__batch_mean(rewards: Tensor, *, group_size: int) -> Tensor:
    return rewards - rewards.mean()


@bug(
    "others of the group over those of the batch",
    mistake="you add up the others of the group and divide by the number of others in the whole batch",
    symptom="the more prompts a batch has, the smaller the baseline is",
)
def rloo_advantages__batch_count(rewards: Tensor, *, group_size: int) -> Tensor:
    groups = rows_of(rewards, group_size)
    return (groups - (groups.sum(dim=1, keepdim=True) - groups) / (len(rewards) - 1)).flatten()


def whole_sum_first(rewards: Tensor, *, group_size: int) -> Tensor:
    groups = rows_of(rewards, group_size)
    return (groups - groups.sum(dim=1, keepdim=True) - groups / (group_size - 1)).flatten()


@bug(
    "brackets forgotten",
    mistake="a bracket is missing: the division takes only the completion's own reward, and the sum stays whole",
    symptom="advantages are as large as a sum over the group, and they do not average to 0",
    likewise=(whole_sum_first,),
)
def rloo_advantages__brackets(rewards: Tensor, *, group_size: int) -> Tensor:
    groups = rows_of(rewards, group_size)
    return (groups - (groups.sum(dim=1, keepdim=True) - groups / (group_size - 1))).flatten()


def in_a_mixed_order(rewards: Tensor, *, group_size: int) -> Tensor:
    groups = rewards.view(group_size, -1).T
    return (group_size / (group_size - 1) * (groups - groups.mean(dim=1, keepdim=True))).flatten()


@bug(
    "flattened in the wrong order",
    mistake="the table is flattened by columns, or was filled that way: numbers are handed to the wrong completions",
    symptom="a completion gets the advantage of another one, and nothing is learnt",
    likewise=(in_a_mixed_order,),
)
def rloo_advantages__flattened_wrong(rewards: Tensor, *, group_size: int) -> Tensor:
    groups = rows_of(rewards, group_size)
    return (group_size / (group_size - 1) * (groups - groups.mean(dim=1, keepdim=True))).T.flatten()


@bug(
    "divided by G + 1",
    mistake="you know the short form with the group mean, but the factor has G + 1 below the line",
    symptom="the gradient shrinks instead of growing",
)
def rloo_advantages__g_plus_one(rewards: Tensor, *, group_size: int) -> Tensor:
    groups = rows_of(rewards, group_size)
    return (group_size / (group_size + 1) * (groups - groups.mean(dim=1, keepdim=True))).flatten()


@bug(
    "only those behind or before it",
    mistake="each completion is compared with those behind it in its group, or with those before it, not with all others",
    symptom="the last or the first completion of each group has no baseline, and it is pushed by its whole reward",
    likewise=(lambda rewards, *, group_size: one_side(rewards, group_size, later=False),),
)
def rloo_advantages__one_side(rewards: Tensor, *, group_size: int) -> Tensor:
    return one_side(rewards, group_size, later=True)


def one_side(rewards: Tensor, group_size: int, *, later: bool) -> Tensor:
    groups = rows_of(rewards, group_size)
    sums = groups.flip(1).cumsum(dim=1).flip(1) if later else groups.cumsum(dim=1)
    count = torch.arange(group_size)
    count = count.flip(0) if later else count
    return (groups - (sums - groups) / count.clamp_min(1)).flatten()
