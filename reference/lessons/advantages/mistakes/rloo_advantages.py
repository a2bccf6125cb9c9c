"""What goes wrong with the leave-one-out baseline."""

from collections.abc import Callable

from torch import Tensor

from reference.teaching.bug import bug

from .rows import rows_of


@bug(
    "own reward in the baseline",
    mistake="your baseline is the mean of the whole group, the completion itself included",
    symptom="no error and the same direction; the gradient is (G - 1) / G of what it should be, half for pairs",
)
def rloo_advantages__own_included(rewards: Tensor, *, group_size: int) -> Tensor:
    groups = rows_of(rewards, group_size)
    return (groups - groups.mean(dim=1, keepdim=True)).flatten()


@bug(
    "others divided by G",
    mistake="you add up the others and divide by one too many",
    symptom="the baseline is too small, so groups that are all right are still pushed up",
)
def rloo_advantages__over_g(rewards: Tensor, *, group_size: int) -> Tensor:
    groups = rows_of(rewards, group_size)
    return (groups - (groups.sum(dim=1, keepdim=True) - groups) / group_size).flatten()


@bug(
    "whole sum over the others' count",
    mistake="you divide by the number of the others, but your sum still contains the completion's own reward",
    symptom="the baseline is too large, so groups that are all right are pushed down",
)
def rloo_advantages__sum_of_all(rewards: Tensor, *, group_size: int) -> Tensor:
    groups = rows_of(rewards, group_size)
    return (groups - groups.sum(dim=1, keepdim=True) / (group_size - 1)).flatten()


@bug(
    "factor upside down",
    mistake="you know the short form with the group mean, but its factor is inverted",
    symptom="the gradient shrinks instead of growing: ((G - 1) / G) squared of the true one",
)
def rloo_advantages__factor_inverted(rewards: Tensor, *, group_size: int) -> Tensor:
    groups = rows_of(rewards, group_size)
    return ((group_size - 1) / group_size * (groups - groups.mean(dim=1, keepdim=True))).flatten()


@bug(
    "factor on the reward only",
    mistake="the factor of the short form multiplies the reward but not the mean that is subtracted",
    symptom="advantages of a prompt no longer average to 0",
)
def rloo_advantages__factor_on_reward(rewards: Tensor, *, group_size: int) -> Tensor:
    groups = rows_of(rewards, group_size)
    return (group_size / (group_size - 1) * groups - groups.mean(dim=1, keepdim=True)).flatten()


@bug(
    "others of the whole batch",
    mistake="your others are those of the whole batch, whatever their prompt",
    symptom="part of every advantage is how easy the prompt was",
)
def rloo_advantages__batch(rewards: Tensor, *, group_size: int) -> Tensor:
    return rewards - (rewards.sum() - rewards) / (len(rewards) - 1)


@bug(
    "groups across prompts",
    mistake="your groups mix prompts: they take every so-manieth completion instead of neighbours",
    symptom="it still learns, with more noise: a right answer is praised for its prompt being easy",
)
def rloo_advantages__across_prompts(rewards: Tensor, *, group_size: int) -> Tensor:
    groups = rewards.view(group_size, -1).T
    return (group_size / (group_size - 1) * (groups - groups.mean(dim=1, keepdim=True))).T.flatten()


@bug(
    "down the columns",
    mistake="your others are those of the other prompts: the sum runs down the columns of the table",
    symptom="part of every advantage is how easy the prompt was",
)
def rloo_advantages__columns(rewards: Tensor, *, group_size: int) -> Tensor:
    groups = rows_of(rewards, group_size)
    return (groups - (groups.sum(dim=0) - groups) / (group_size - 1)).flatten()


@bug(
    "the baseline itself",
    mistake="you return the mean of the others; what is the completion's own reward, compared with that?",
    symptom="a right answer gets the smallest number of its group, and is made rarer",
)
def rloo_advantages__baseline(rewards: Tensor, *, group_size: int) -> Tensor:
    groups = rows_of(rewards, group_size)
    return ((groups.sum(dim=1, keepdim=True) - groups) / (group_size - 1)).flatten()


def over_the_std(eps: float, *, others: bool) -> Callable[..., Tensor]:
    """Compared with the others, or with the whole group, and then divided by the std of the group plus eps."""

    def divided(rewards: Tensor, *, group_size: int) -> Tensor:
        groups = rows_of(rewards, group_size)
        centred = groups - groups.mean(dim=1, keepdim=True)
        factor = group_size / (group_size - 1) if others else 1.0
        return (factor * centred / (groups.std(dim=1, keepdim=True) + eps)).flatten()

    return divided


EPS = (0.0, 1e-8, 1e-6, 1e-5, 1e-3)


@bug(
    "divided by the std",
    mistake="you divide by the group's std as well; leave-one-out has no scale",
    symptom="the estimate you took for unbiased weighs prompts by their difficulty",
    wild="NeMo-RL's GRPO does something like it on purpose, with the std of the others",
    likewise=tuple(over_the_std(eps, others=True) for eps in EPS),
)
def rloo_advantages__scaled(rewards: Tensor, *, group_size: int) -> Tensor:
    return over_the_std(1e-4, others=True)(rewards, group_size=group_size)


@bug(
    "GRPO's advantage",
    mistake="this is the advantage of GRPO: the group mean with the completion itself in it, and a division by the std",
    symptom="a run called RLOO is a run of GRPO, biased and weighted by the difficulty of prompts",
    likewise=tuple(over_the_std(eps, others=False) for eps in EPS),
)
def rloo_advantages__grpo(rewards: Tensor, *, group_size: int) -> Tensor:
    return over_the_std(1e-4, others=False)(rewards, group_size=group_size)


@bug(
    "sum of the others",
    mistake="the others are added up, and the sum is not divided by their number",
    symptom="with rewards of 0 and 1 nearly every advantage is negative, the more so the larger the groups are",
)
def rloo_advantages__sum_of_others(rewards: Tensor, *, group_size: int) -> Tensor:
    groups = rows_of(rewards, group_size)
    return (groups - (groups.sum(dim=1, keepdim=True) - groups)).flatten()


@bug(
    "one other",
    mistake="each completion is compared with one other completion of its group, not with the mean of all others",
    symptom="the same mean gradient with far more noise",
    likewise=(lambda r, *, group_size: (rows_of(r, group_size) - rows_of(r, group_size).roll(1, 1)).flatten(),),
)
def rloo_advantages__one_other(rewards: Tensor, *, group_size: int) -> Tensor:
    groups = rows_of(rewards, group_size)
    return (groups - groups.roll(-1, 1)).flatten()


@bug(
    "best of the others",
    mistake="you compare with the best of the others instead of with their mean",
    symptom="nearly all advantages are negative, and the policy is pushed away from most of what it writes",
)
def rloo_advantages__best(rewards: Tensor, *, group_size: int) -> Tensor:
    groups = rows_of(rewards, group_size)
    best = groups.topk(2, dim=1).values
    return (groups - best[:, :1].where(groups < best[:, :1], best[:, 1:])).flatten()


@bug(
    "sign flipped",
    mistake="your advantage is how much worse than the others a completion is",
    symptom="the reward falls from the first step on",
)
def rloo_advantages__sign(rewards: Tensor, *, group_size: int) -> Tensor:
    groups = rows_of(rewards, group_size)
    return ((groups.sum(dim=1, keepdim=True) - groups) / (group_size - 1) - groups).flatten()
