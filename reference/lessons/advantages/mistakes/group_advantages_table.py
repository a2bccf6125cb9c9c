"""What goes wrong between the row of rewards and the table with a row for each prompt."""

from torch import Tensor

from reference.teaching.bug import bug

from .group_advantages import centred_rows, divided, scaled
from .rows import rows_of


@bug(
    "flattened in the wrong order",
    mistake="the numbers are right, but the table is flattened by columns: they are handed to the wrong completions",
    symptom="a completion gets the advantage of another prompt's, and nothing is learnt",
)
def group_advantages__flattened_wrong(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    return scaled(centred_rows(rewards, group_size), rows_of(rewards, group_size), scale, eps).T.flatten()


def flattened_across(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    groups = rewards.view(group_size, -1)
    centred = groups - groups.mean(dim=1, keepdim=True)
    return scaled(centred, groups, scale, eps).flatten()


@bug(
    "rows of the wrong length",
    mistake="the table has group_size rows: a row is as long as there are prompts, and no row is one prompt's group",
    symptom="neighbours of different prompts are compared, and easy prompts are pushed up as a whole",
)
def group_advantages__wrong_rows(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    return flattened_across(rewards, group_size=group_size, scale=scale, eps=eps)


@bug(
    "a table",
    mistake="the numbers are right, but they are still a table with a row for each prompt",
    symptom="the advantages do not fit the rows of the batch, or are broadcast to the wrong ones",
)
def group_advantages__table(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    return scaled(centred_rows(rewards, group_size), rows_of(rewards, group_size), scale, eps)


@bug(
    "median as the baseline",
    mistake="every completion is compared with the median of its group, not with the mean",
    symptom="with rewards of 0 and 1 the majority of a group gets no gradient at all",
)
def group_advantages__median(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    groups = rows_of(rewards, group_size)
    return scaled(groups - groups.median(dim=1, keepdim=True).values, groups, scale, eps).flatten()


@bug(
    "best of the group as the baseline",
    mistake="every completion is compared with the best of its group, not with the mean",
    symptom="no advantage is above 0: the policy is pushed away from all that it writes",
)
def group_advantages__best(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    groups = rows_of(rewards, group_size)
    return scaled(groups - groups.amax(dim=1, keepdim=True), groups, scale, eps).flatten()


@bug(
    "divided by the range",
    mistake="each row is divided by the distance of its largest from its smallest reward, not by a std",
    symptom="advantages are about half as large, and less so in small groups",
)
def group_advantages__range(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    groups = rows_of(rewards, group_size)
    spread = groups.amax(dim=1, keepdim=True) - groups.amin(dim=1, keepdim=True)
    whole = rewards.max() - rewards.min()
    return divided(centred_rows(rewards, group_size), scale, group=spread + eps, batch=whole + eps).flatten()


@bug(
    "put in the table by columns",
    mistake="the table is filled by columns and flattened by rows: groups mix prompts, and the order is another one",
    symptom="advantages belong to other completions, and nothing is learnt",
)
def group_advantages__filled_by_columns(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    groups = rewards.view(group_size, -1).T
    return scaled(groups - groups.mean(dim=1, keepdim=True), groups, scale, eps).flatten()


@bug(
    "worst of the group as the baseline",
    mistake="every completion is compared with the worst of its group, not with the mean",
    symptom="no advantage is below 0: whatever is written is made likelier",
)
def group_advantages__worst(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    groups = rows_of(rewards, group_size)
    return scaled(groups - groups.amin(dim=1, keepdim=True), groups, scale, eps).flatten()


@bug(
    "sum as the baseline",
    mistake="every completion is compared with the sum of its group, not with the mean",
    symptom="nearly all advantages have one sign, the more so the larger the groups are",
)
def group_advantages__sum(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    groups = rows_of(rewards, group_size)
    return scaled(groups - groups.sum(dim=1, keepdim=True), groups, scale, eps).flatten()


@bug(
    "first of the group as the baseline",
    mistake="every completion is compared with the first one of its group, not with the mean",
    symptom="the first completion of each prompt never gets an advantage, and the others get a noisy one",
)
def group_advantages__first(rewards: Tensor, *, group_size: int, scale: str, eps: float) -> Tensor:
    groups = rows_of(rewards, group_size)
    return scaled(groups - groups[:, :1], groups, scale, eps).flatten()
