"""What goes wrong when the least pleased of several reward models decides."""

import torch
from torch import Tensor

from reference.teaching.bug import bug


def centred(rewards: Tensor, baselines: Tensor) -> Tensor:
    return rewards - baselines[:, None]


def one_origin(rewards: Tensor, origin: Tensor) -> Tensor:
    """The minimum of rewards that all had the same number taken off."""
    return rewards.amin(dim=0) - origin


@bug(
    "no baseline",
    mistake="rewards of several reward models are compared as they are, although each has an origin of its own",
    symptom="the member whose rewards are lowest by chance is the worst one nearly everywhere: the ensemble is that one model",
)
def worst_of__no_baseline(rewards: Tensor, baselines: Tensor) -> Tensor:
    return rewards.amin(dim=0)


@bug(
    "one baseline for all",
    mistake="all members have the same number taken off, so their origins still differ",
    symptom="a baseline of RL takes it off again, and the member with the lowest origin decides alone",
    likewise=(
        lambda rewards, baselines: one_origin(rewards, baselines.min()),
        lambda rewards, baselines: one_origin(rewards, baselines.max()),
    ),
)
def worst_of__mean_baseline(rewards: Tensor, baselines: Tensor) -> Tensor:
    return one_origin(rewards, baselines.mean())


@bug(
    "chosen before centring",
    mistake="the worst member is looked for among the rewards as they are, and only then its baseline is taken off",
    symptom="the numbers look centred, and still the member with the lowest origin speaks for nearly every completion",
)
def worst_of__chosen_first(rewards: Tensor, baselines: Tensor) -> Tensor:
    return rewards.amin(dim=0) - baselines[rewards.argmin(dim=0)]


@bug(
    "baseline added",
    mistake="the baseline is added to each reward, so the origins lie twice as far apart",
    symptom="the member with the lowest origin is the worst one nearly everywhere",
)
def worst_of__added(rewards: Tensor, baselines: Tensor) -> Tensor:
    return centred(rewards, -baselines).amin(dim=0)


@bug(
    "the most pleased member",
    mistake="the largest of the members' rewards is taken, and not the smallest",
    symptom="it is enough to deceive one member, and the policy finds the one that is deceived most easily",
)
def worst_of__max(rewards: Tensor, baselines: Tensor) -> Tensor:
    return centred(rewards, baselines).amax(dim=0)


@bug(
    "the mean",
    mistake="the members are averaged, so one that is pleased by much outvotes the others",
    symptom="the run is that of a mean ensemble: it averages out what members say by chance, and one deceived member still pays",
)
def worst_of__mean(rewards: Tensor, baselines: Tensor) -> Tensor:
    return centred(rewards, baselines).mean(dim=0)


@bug(
    "the member in the middle",
    mistake="the median of the members is taken: half of them may be less pleased",
    symptom="completions that deceive most of the members are paid in full",
    likewise=(lambda rewards, baselines: centred(rewards, baselines).median(dim=0).values,),
)
def worst_of__median(rewards: Tensor, baselines: Tensor) -> Tensor:
    return centred(rewards, baselines).quantile(0.5, dim=0)


@bug(
    "worst completion of each member",
    mistake="the minimum runs over the completions, and not over the members",
    symptom="there is a number per member; if that is as many as completions, each is paid for what others wrote",
)
def worst_of__over_batch(rewards: Tensor, baselines: Tensor) -> Tensor:
    return centred(rewards, baselines).amin(dim=1)


@bug(
    "one number for the batch",
    mistake="the minimum runs over members and completions, so all completions have one reward",
    symptom="after a baseline every advantage is 0: nothing is learned, and no error is seen",
    likewise=(lambda rewards, baselines: centred(rewards, baselines).min().expand(rewards.shape[1]),),
)
def worst_of__of_all(rewards: Tensor, baselines: Tensor) -> Tensor:
    return centred(rewards, baselines).min()


@bug(
    "one worst member for all",
    mistake="the member that is least pleased on average is taken for every completion",
    symptom="a completion that deceives this member is paid, whatever the others say of it",
)
def worst_of__one_member(rewards: Tensor, baselines: Tensor) -> Tensor:
    all_of_them = centred(rewards, baselines)
    return all_of_them[all_of_them.mean(dim=1).argmin()]


def standardised(rewards: Tensor, baselines: Tensor) -> Tensor:
    spread = rewards - rewards.mean(dim=1, keepdim=True)
    return (spread / (rewards.std(dim=1, keepdim=True) + 1e-8)).amin(dim=0)


@bug(
    "centred by the batch",
    mistake="each member's mean over this batch is taken off, in the place of the baseline that it was given",
    symptom="the reward of a completion depends on its company, and a member that dislikes the whole batch is not heard",
    likewise=(standardised,),
)
def worst_of__batch_mean(rewards: Tensor, baselines: Tensor) -> Tensor:
    return (rewards - rewards.mean(dim=1, keepdim=True)).amin(dim=0)


@bug(
    "which member it is",
    mistake="the number of the worst member is returned, and not what it says",
    symptom="completions are paid for displeasing the last member of the list",
)
def worst_of__index(rewards: Tensor, baselines: Tensor) -> Tensor:
    return centred(rewards, baselines).argmin(dim=0)


def less_variance(rewards: Tensor, baselines: Tensor) -> Tensor:
    all_of_them = centred(rewards, baselines)
    return all_of_them.mean(dim=0) - all_of_them.var(dim=0, correction=0)


@bug(
    "mean less the spread",
    mistake="the spread of the members is taken off their mean: a penalty on doubt, and not the worst of them",
    symptom="a milder run than that of the worst member, and one more number to choose, the weight of the spread",
    wild="Coste et al. (2310.02743) compare both, as UWO and WCO",
    likewise=(less_variance,),
)
def worst_of__spread(rewards: Tensor, baselines: Tensor) -> Tensor:
    all_of_them = centred(rewards, baselines)
    return all_of_them.mean(dim=0) - torch.std(all_of_them, dim=0, correction=0)
