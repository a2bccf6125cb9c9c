"""Ensembles: one reward where several reward models have each given one.

A reward model that learned from pairs is fixed only up to a constant: the Bradley-Terry loss sees differences, so a model
and the same model plus 5 are equally good. In a mean over members such a constant is one constant for all completions. In
a minimum it is not: the member with the lowest constant would be the worst one everywhere, and the only one that is heard.
So each member first gets its own baseline taken off, its mean reward of the same reference completions.
"""

import torch

from .shapes import Float, InputError, Tensor, at_least_float32, require_finite, typed

Members = Float[Tensor, " members"]
OfMembers = Float[Tensor, "members batch"]


@typed
@torch.no_grad()
def worst_of(rewards: OfMembers, baselines: Members) -> Float[Tensor, " batch"]:
    """What the least pleased reward model says of each completion, all of them on one origin.

        min over members of (rewards - baselines)

    ``rewards``: a row per member, a column per completion. ``baselines``: per member its mean reward of the same reference
    completions. Higher is better; the unit is the members' own, log odds of winning a pair after Bradley-Terry. One member
    that is wrong can lower the result and cannot raise it; an error that all members share is not seen. Coste et al.
    (2310.02743, "worst-case optimization") take the minimum, and their code takes it of the rewards as they come. The
    baseline is that of Gao et al. (2210.10760), who give each reward model the mean 0 on the initial policy. Eisenstein et
    al. (2312.09244) find that ensembles lessen reward hacking and do not end it. TRL 1.16 has no minimum: it adds up its
    ``reward_funcs`` with weights, or each after it was normalised within its group (``normalize_then_sum``). No gradient.
    Raises ``InputError`` for NaN or infinity, no member, and another number of baselines than of members.

    Each member is used to give its baseline. The second completion pleases the first member by 2 more, the other by 1 less:
    >>> worst_of(torch.tensor([[1.0, 3.0], [7.0, 6.0]]), torch.tensor([1.0, 7.0])).tolist()
    [0.0, -1.0]
    """
    return on_one_origin(rewards, baselines).amin(dim=0)


@typed
@torch.no_grad()
def mean_of(rewards: OfMembers, baselines: Members) -> Float[Tensor, " batch"]:
    """What several reward models say of each completion on average, all of them on one origin.

        mean over members of (rewards - baselines)

    Shapes, units and errors as in ``worst_of``. The baselines shift all completions by one constant, which any advantage with
    a baseline takes off: they are here so that both ways of combining have one scale. A member that is wrong by much
    raises the mean by its share of the error. Coste et al. (2310.02743, mean), again of the rewards as they come. TRL's
    ``reward_funcs`` with weights 1, its default, give this times the number of members, without baselines. No gradient.

    The second completion pleases the first member by 2 more than usual, the other by 1 less:
    >>> mean_of(torch.tensor([[1.0, 3.0], [7.0, 6.0]]), torch.tensor([1.0, 7.0])).tolist()
    [0.0, 0.5]
    """
    return on_one_origin(rewards, baselines).mean(dim=0)


def on_one_origin(rewards: Tensor, baselines: Tensor) -> Tensor:
    """(members, batch) less each member's baseline. Refuses no member, and what is not finite."""
    if not len(rewards):
        raise InputError("rewards has no row, expected one per member: pass at least one reward model's rewards")
    require_finite(rewards, "rewards")
    require_finite(baselines, "baselines")
    return at_least_float32(rewards) - at_least_float32(baselines)[:, None]
