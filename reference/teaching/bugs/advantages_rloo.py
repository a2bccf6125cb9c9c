"""What goes wrong with the leave-one-out baseline, and when dead groups are counted."""

from torch import Tensor

from reference.teaching.bug import bug

from .advantages import rows_of

# ---- rloo_advantages -------------------------------------------------------------------------------------------------


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


@bug(
    "divided by the std",
    mistake="you divide by the group's std as well; leave-one-out has no scale",
    symptom="the estimate you took for unbiased weighs prompts by their difficulty",
    wild="NeMo-RL's GRPO does something like it on purpose, with the std of the others",
)
def rloo_advantages__scaled(rewards: Tensor, *, group_size: int) -> Tensor:
    groups = rows_of(rewards, group_size)
    centred = group_size / (group_size - 1) * (groups - groups.mean(dim=1, keepdim=True))
    return (centred / (groups.std(dim=1, keepdim=True) + 1e-4)).flatten()


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


# ---- dead_group_share ------------------------------------------------------------------------------------------------


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


@bug(
    "a generous threshold",
    mistake="you call a group dead whose rewards differ a little; its advantages need not be small at all",
    symptom="with scores of a reward model, groups are filtered that would have taught something",
)
def dead_group_share__threshold(rewards: Tensor, *, group_size: int) -> Tensor:
    return (rows_of(rewards, group_size).std(dim=1) < 0.01).double().mean()


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
