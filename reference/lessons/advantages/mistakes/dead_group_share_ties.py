"""What goes wrong when it is asked whether all rewards of a group are equal."""

from torch import Tensor

from reference.teaching.bug import bug

from .rows import rows_of


def without_a_sum(rewards: Tensor, *, group_size: int) -> Tensor:
    groups = rows_of(rewards, group_size)
    return ((groups - groups.mean(dim=1, keepdim=True)) == 0).all(dim=1).double().mean()


def var_of_zero(rewards: Tensor, *, group_size: int) -> Tensor:
    return (rows_of(rewards, group_size).var(dim=1) == 0).double().mean()


def of_zero_by_n(rewards: Tensor, *, group_size: int) -> Tensor:
    return (rows_of(rewards, group_size).std(dim=1, correction=0) == 0).double().mean()


@bug(
    "rounding leaves a std above 0",
    mistake="equal rewards are looked for by a std or a deviation of exactly 0, but rounding leaves these a little above 0",
    symptom="right for rewards of 0 and 1; groups of seven times 0.3 are taken for live ones",
    likewise=(without_a_sum, var_of_zero, of_zero_by_n),
)
def dead_group_share__std_is_zero(rewards: Tensor, *, group_size: int) -> Tensor:
    return (rows_of(rewards, group_size).std(dim=1) == 0).double().mean()


@bug(
    "two of the group compared",
    mistake="two completions of a group are compared with each other; the others may still differ",
    symptom="the share is too high, the more so the larger the groups are",
    likewise=(lambda r, *, group_size: (rows_of(r, group_size)[:, 0] == rows_of(r, group_size)[:, 1]).double().mean(),),
)
def dead_group_share__two_compared(rewards: Tensor, *, group_size: int) -> Tensor:
    groups = rows_of(rewards, group_size)
    return (groups[:, 0] == groups[:, -1]).double().mean()


@bug(
    "one completion is the mean",
    mistake="the first reward is compared with the mean of its group: it may equal the mean in a live group",
    symptom="the share is too high with partial credit, and too low where rounding moves the mean",
)
def dead_group_share__first_is_mean(rewards: Tensor, *, group_size: int) -> Tensor:
    groups = rows_of(rewards, group_size)
    return (groups[:, 0] == groups.mean(dim=1)).double().mean()


@bug(
    "down the columns",
    mistake="the question is asked of each column of the table: those hold one completion of every prompt",
    symptom="the share is far too low, since strangers seldom all agree",
)
def dead_group_share__columns(rewards: Tensor, *, group_size: int) -> Tensor:
    groups = rows_of(rewards, group_size)
    return (groups.amax(dim=0) == groups.amin(dim=0)).double().mean()


@bug(
    "neighbours compared one by one",
    mistake="pairs of neighbours are counted that are equal: a group is dead only if all of its pairs are",
    symptom="the share is far too high, since live groups have equal neighbours too",
    likewise=(
        lambda r, *, group_size: (
            (rows_of(r, group_size)[:, 1:] == rows_of(r, group_size)[:, :-1]).any(dim=1).double().mean()
        ),
    ),
)
def dead_group_share__neighbours(rewards: Tensor, *, group_size: int) -> Tensor:
    groups = rows_of(rewards, group_size)
    return (groups[:, 1:] == groups[:, :-1]).double().mean()
