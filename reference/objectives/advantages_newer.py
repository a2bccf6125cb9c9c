"""Newer advantages: weights that follow the likelihood of success, and several rewards for one completion.

``rewards`` come in whole groups, the completions of one prompt next to each other, as in ``advantages``. All results are
constants, in at least float32.

| what is different | function | who |
|---|---|---|
| divided by the group's mean reward, not by its std | ``maxrl_advantages`` | MaxRL |
| each reward is normalised by itself, before they are added | ``gdpo_advantages`` | GDPO |
"""

from typing import Literal

import torch

from .advantages import batch_advantages, group_advantages, is_dead, split_groups, whiten
from .shapes import Float, InputError, Shaped, Tensor, at_least_float32, kept, require_finite, typed


@typed
@torch.no_grad()
def maxrl_advantages(
    rewards: Float[Tensor, " batch"], *, group_size: int, without_success: Literal["refuse", "zero"] = "refuse"
) -> Float[Tensor, " batch"]:
    """MaxRL: each completion against its group's mean reward, in units of that mean.

        A = (r - mean) / mean

    Higher is better. For rewards of 0 and 1, a group of G and a success probability p, its expected gradient is that of

        -(1 - p) - (1 - p)^2 / 2 - ... - (1 - p)^(G - 1) / (G - 1)

    which goes to log p as G grows, where a plain policy gradient is that of p. So hard prompts weigh more, with 1 / p in
    the limit; at G = 2 it is the plain one. A single success among G gets G - 1, each failure -1. This holds if a group
    without a success counts with 0. Its mean is 0 and it has no such advantage: it is refused, so that nobody misses it, or
    gets 0 with ``without_success="zero"``. A negative mean is always refused: it would turn every sign, and (1, -1, -1, -1)
    would get -3, 1, 1, 1. Rewards other than 0 and 1 have the formula and not the meaning; an offset changes the result.

    The MaxRL paper (2602.02710), for 0 and 1. skyrl 0.3.0 ``maxrl`` divides by mean + 1e-6, gives 0 without a success, keeps
    the sign of a negative mean, and gives a group of 1 its raw reward. TRL 1.16, verl 0.9.1 and OpenRLHF 0.11.2 have none.
    Equal rewards give exactly 0. Raises ``InputError`` for a group of 1, a mean that is not above 0 (see above), rewards
    that are not whole groups, and NaN or infinity.

    One success of four, then three of four; a success of the hard prompt gets nine times as much:
    >>> maxrl_advantages(torch.tensor([1.0, 0, 0, 0, 1, 1, 1, 0]), group_size=4).round(decimals=2)
    tensor([ 3.0000, -1.0000, -1.0000, -1.0000,  0.3300,  0.3300,  0.3300, -1.0000])
    """
    groups = split_groups(rewards, group_size)
    if group_size == 1:
        raise InputError("group_size is 1: a reward over its own mean is 1; sample at least 2 completions per prompt")
    mean = groups.mean(dim=1, keepdim=True)
    empty = (groups == 0).all(dim=1, keepdim=True)
    refuse_means(mean, empty if without_success == "zero" else torch.zeros_like(empty))
    dead = is_dead(groups)[:, None]  # equal rewards leave rounding residue in the mean
    return torch.where(dead, 0.0, (groups - mean) / torch.where(empty, 1.0, mean)).view(-1)


@typed
@torch.no_grad()
def gdpo_advantages(
    rewards: Float[Tensor, "batch kinds"],
    mask: Shaped[Tensor, "batch pred"],
    *,
    group_size: int,
    weights: Float[Tensor, " kinds"] | None = None,
    over: Literal["rows", "tokens"] = "rows",
    eps: float = 1e-4,
) -> Float[Tensor, "batch pred"]:
    """GDPO: several rewards, each normalised within its group before they are added, and the sum over the batch.

        z_k = (r_k - group mean) / (group std + eps)          s = sum_k weight_k * z_k
        over="rows":    A = (s - mean of rows) / (std of rows + eps)
        over="tokens":  A = whiten(s), every row counting once per kept token

    ``rewards``: a row per completion, a column per kind of reward. Per token, the same for all tokens of a row, and 0 where
    the mask is 0. ``weights``: one per kind, 1 unless given. If rewards are added first and normalised afterwards, the kind
    with the widest spread decides; here each kind has the same spread, whatever its unit. A kind whose rewards are all equal in a group adds exactly 0 there. All std with ddof 1.

    The GDPO paper (2601.05242). The second normaliser has two forms under this one name: rows in TRL 1.16
    (``multi_objective_aggregation="normalize_then_sum"``, eps 1e-4) and in ms-swift 4.6.0 (``gdpo``, 1e-8), tokens in verl
    0.9.1 (``gdpo``, 1e-6, then its ``masked_whiten``). Over tokens long rows count for more in the mean, which can reverse
    the sign of an advantage. TRL and ms-swift leave a NaN out of its kind, here it is refused. Raises ``InputError`` for a
    group or a batch of 1, no kind, rewards or weights that are not finite, rewards that are not whole groups, and with
    "tokens" a mask that keeps fewer than 2.

    The second kind has a hundredth of the first one's unit, and counts as much. The last two rows have both, and none:
    >>> rewards = torch.tensor([[100.0, 0.0], [0.0, 1.0], [100.0, 1.0], [0.0, 0.0]])
    >>> gdpo_advantages(rewards, torch.ones(4, 1), group_size=4)[2:, 0].round(decimals=2)
    tensor([ 1.2200, -1.2200])
    """
    rewards = at_least_float32(rewards)
    require_finite(rewards, "rewards")
    if not rewards.shape[1]:
        raise InputError("rewards has no column, expected one per kind of reward: pass at least one")
    weights = torch.ones_like(rewards[0]) if weights is None else weights.to(rewards.dtype)
    require_finite(weights, "weights")
    scaled = [group_advantages(kind.contiguous(), group_size=group_size, eps=eps) for kind in rewards.unbind(dim=1)]
    total = torch.stack(scaled, dim=1) @ weights
    if over == "tokens":
        return whiten(total[:, None].expand(mask.shape), mask)
    return torch.where(kept(mask), batch_advantages(total, eps=eps)[:, None], 0.0)


def refuse_means(mean: Tensor, passed: Tensor) -> None:
    """Refuse the first group whose mean is not above 0, unless it is passed over."""
    wrong = ((mean <= 0) & ~passed).view(-1).nonzero()
    if len(wrong):
        group = int(wrong[0])
        raise InputError(
            f"rewards of group {group} have the mean {mean[group].item():g}, expected above 0: pass rewards of 0 and 1, "
            'and leave groups without a success out, or give them 0 with without_success="zero"'
        )
