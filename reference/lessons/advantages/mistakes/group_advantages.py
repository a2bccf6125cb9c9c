"""What goes wrong when the completions of one prompt are compared with each other."""

from torch import Tensor

from reference.teaching.bug import bug

from .rows import rows_of


def centred_rows(rewards: Tensor, group_size: int) -> Tensor:
    groups = rows_of(rewards, group_size)
    return groups - groups.mean(dim=1, keepdim=True)


def divided(centred: Tensor, scale: str, *, group: Tensor, batch: Tensor) -> Tensor:
    """By what the scale asks for."""
    return centred if scale == "none" else centred / (group if scale == "group" else batch)


def scaled(centred: Tensor, groups: Tensor, scale: str, eps: float) -> Tensor:
    """A right division by the std that was asked for, for mistakes that are elsewhere."""
    return divided(centred, scale, group=groups.std(dim=1, keepdim=True) + eps, batch=groups.std() + eps)


@bug(
    "groups across prompts",
    mistake="your groups mix prompts: they take every B-th completion instead of neighbours",
    symptom="it still learns, with more noise: a right answer is praised for its prompt being easy",
)
def group_advantages__across_prompts(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    groups = rewards.view(group_size, -1).T
    centred = groups - groups.mean(dim=1, keepdim=True)
    return scaled(centred, groups, scale, eps).T.flatten()


@bug(
    "down the columns",
    mistake="your means run over the prompts, down the columns of the table, not over the completions of one prompt",
    symptom="advantages say how easy the prompt was, and with a single prompt in the batch all of them are 0",
)
def group_advantages__columns(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    groups = rows_of(rewards, group_size)
    centred = groups - groups.mean(dim=0)
    std = (centred.square().sum(dim=0) / (len(groups) - 1)).sqrt()  # of one prompt: 0 / 0, without torch's warning
    return divided(centred, scale, group=std + eps, batch=groups.std() + eps).flatten()


@bug(
    "means in the wrong order",
    mistake="the statistics of the groups are right, but they are handed back to the wrong completions",
    symptom="advantages no longer average to 0 within a prompt, and whole prompts are pushed up or down",
)
def group_advantages__repeated(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    groups = rows_of(rewards, group_size)
    centred = rewards - groups.mean(dim=1).repeat(group_size)
    return divided(centred, scale, group=groups.std(dim=1).repeat(group_size) + eps, batch=rewards.std() + eps)


@bug(
    "batch mean as the baseline",
    mistake="every completion is compared with the whole batch, not with the others of its prompt",
    symptom="answers to easy prompts are pushed up and answers to hard prompts down, good or not",
    wild="REINFORCE++ does this on purpose",
)
def group_advantages__batch_mean(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    groups = rows_of(rewards, group_size)
    return scaled(groups - groups.mean(), groups, scale, eps).flatten()


@bug(
    "batch mean with the batch std",
    mistake='with scale="batch" you take the mean of the batch as well; only the std is to be the batch\'s',
    symptom="two runs with one name: a baseline that knows the prompt, and one that does not",
    wild='TRL\'s scale_rewards="batch" keeps the group mean; the name does not say so',
)
def group_advantages__batch_both(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    groups = rows_of(rewards, group_size)
    mean = groups.mean() if scale == "batch" else groups.mean(dim=1, keepdim=True)
    return scaled(groups - mean, groups, scale, eps).flatten()


@bug(
    "std of the centred rewards",
    mistake='with scale="batch" you take the std after the means are gone; differences between prompts are meant to count',
    symptom="advantages come out larger than in TRL for the same config, the more so the more prompts differ",
    wild="REINFORCE++-baseline whitens this way on purpose",
)
def group_advantages__centred_std(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    centred = centred_rows(rewards, group_size)
    return scaled(centred, centred, scale, eps).flatten()


@bug(
    "mean of the group stds",
    mistake='with scale="batch" you average the groups\' stds; the std of all rewards is another number',
    symptom="the scale moves with the number of dead groups in the batch",
)
def group_advantages__mean_of_stds(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    groups, centred = rows_of(rewards, group_size), centred_rows(rewards, group_size)
    if scale == "batch":
        return (centred / (groups.std(dim=1).mean() + eps)).flatten()
    return scaled(centred, groups, scale, eps).flatten()


@bug(
    "population std",
    mistake="your std divides by n; torch, TRL and verl divide by n - 1",
    symptom="advantages are sqrt(G / (G - 1)) larger than in TRL: 41 % for pairs, 7 % for groups of 8",
    wild="open-instruct does this on purpose (numpy's std)",
)
def group_advantages__population_std(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    groups, centred = rows_of(rewards, group_size), centred_rows(rewards, group_size)
    group, batch = groups.std(dim=1, keepdim=True, correction=0) + eps, groups.std(correction=0) + eps
    return divided(centred, scale, group=group, batch=batch).flatten()


@bug(
    "population std of the group",
    mistake='with scale="group" your std divides by G; torch, TRL and verl divide by G - 1',
    symptom="advantages are sqrt(G / (G - 1)) larger than in TRL: 41 % for pairs, 7 % for groups of 8",
    wild="open-instruct does this on purpose (numpy's std)",
)
def group_advantages__population_std_of_group(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    groups, centred = rows_of(rewards, group_size), centred_rows(rewards, group_size)
    group = groups.std(dim=1, keepdim=True, correction=0) + eps
    return divided(centred, scale, group=group, batch=groups.std() + eps).flatten()


@bug(
    "variance instead of std",
    mistake="you divide by a variance",
    symptom="the size of the advantages changes with the unit of the reward; small spreads explode",
)
def group_advantages__variance(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    groups, centred = rows_of(rewards, group_size), centred_rows(rewards, group_size)
    return divided(centred, scale, group=groups.var(dim=1, keepdim=True) + eps, batch=groups.var() + eps).flatten()


@bug(
    "never scaled",
    mistake="no std is ever divided by, whatever scale says",
    symptom="you report GRPO and train Dr.GRPO's advantage",
)
def group_advantages__never_scaled(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    return centred_rows(rewards, group_size).flatten()


@bug(
    "always scaled",
    mistake='scale="none" is scaled all the same',
    symptom="you report Dr.GRPO and train GRPO's advantage",
)
def group_advantages__always_scaled(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    groups, centred = rows_of(rewards, group_size), centred_rows(rewards, group_size)
    return scaled(centred, groups, "group" if scale == "none" else scale, eps).flatten()


@bug(
    "one std for both scales",
    mistake='scale="group" and scale="batch" divide by one and the same std: that of the batch',
    symptom="the lone success of a hard group is not amplified although the config says group",
)
def group_advantages__always_batch_std(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    groups, centred = rows_of(rewards, group_size), centred_rows(rewards, group_size)
    return scaled(centred, groups, "batch" if scale == "group" else scale, eps).flatten()


@bug(
    "group std for the batch",
    mistake='scale="batch" divides each group by its own std: it does what scale="group" does',
    symptom="switching from group to batch changes nothing at all",
)
def group_advantages__always_group_std(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    groups, centred = rows_of(rewards, group_size), centred_rows(rewards, group_size)
    return scaled(centred, groups, "group" if scale == "batch" else scale, eps).flatten()


@bug(
    "mean left in",
    mistake="the rewards are divided by a std but never compared with a mean",
    symptom="with rewards of 0 and 1 wrong answers teach nothing, and easy prompts push hardest",
)
def group_advantages__mean_left_in(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    groups = rows_of(rewards, group_size)
    return scaled(groups, groups, scale, eps).flatten()


@bug(
    "sign flipped",
    mistake="your advantage is how much worse than its group a completion is",
    symptom="the reward falls from the first step on",
)
def group_advantages__sign(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    return -scaled(centred_rows(rewards, group_size), rows_of(rewards, group_size), scale, eps).flatten()


@bug(
    "compared with the others only",
    mistake="your baseline leaves the completion itself out; the group mean contains it",
    symptom="every advantage is G / (G - 1) times as large: the learning rate is not comparable",
    wild="NeMo-RL's GRPO does this on purpose",
)
def group_advantages__leave_one_out(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    groups = rows_of(rewards, group_size)
    centred = centred_rows(rewards, group_size) * group_size / (group_size - 1)
    return scaled(centred, groups, scale, eps).flatten()


@bug(
    "eps under the root",
    mistake="your eps is added to the variance; here it is added to the std",
    symptom="the same eps acts like its square root: 1e-4 flattens every spread below 0.01",
    wild="whitening in TRL's PPO and verl does this on purpose, with eps 1e-8",
)
def group_advantages__eps_under_root(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    groups, centred = rows_of(rewards, group_size), centred_rows(rewards, group_size)
    group, batch = (groups.var(dim=1, keepdim=True) + eps).sqrt(), (groups.var() + eps).sqrt()
    return divided(centred, scale, group=group, batch=batch).flatten()


@bug(
    "eps as a floor",
    mistake="your eps replaces a std that is smaller; it is meant to be added to every std",
    symptom="small differences from other codebases, largest where the spread is about as large as eps",
)
def group_advantages__eps_as_floor(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    groups, centred = rows_of(rewards, group_size), centred_rows(rewards, group_size)
    group, batch = groups.std(dim=1, keepdim=True).clamp_min(eps), groups.std().clamp_min(eps)
    return divided(centred, scale, group=group, batch=batch).flatten()


@bug(
    "eps left out",
    mistake="eps has no effect on what you divide by",
    symptom="0 / 0 = NaN in the first group whose completions are all right or all wrong",
)
def group_advantages__no_eps(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    return scaled(centred_rows(rewards, group_size), rows_of(rewards, group_size), scale, 0.0).flatten()


@bug(
    "eps outside the division",
    mistake="eps is added to the advantage instead of to the std; mind the parentheses around the denominator",
    symptom="dead groups give NaN all the same, and every other advantage is too high by eps",
)
def group_advantages__eps_outside(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    advantages = scaled(centred_rows(rewards, group_size), rows_of(rewards, group_size), scale, 0.0)
    return (advantages if scale == "none" else advantages + eps).flatten()


@bug(
    "eps of your own",
    mistake="you add a fixed small number where the eps that was passed is meant",
    symptom="the option is in the config and does nothing",
)
def group_advantages__own_eps(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    return scaled(centred_rows(rewards, group_size), rows_of(rewards, group_size), scale, 1e-4).flatten()
