"""Advantages: how much better than expected a completion was.

``rewards`` is (prompts * group_size,), the completions of one prompt next to each other; rewards per token become one
per completion with ``sequence_sum``. Results are per completion, (batch,): use ``advantages[:, None]`` in a token loss.
Only the REINFORCE++ forms and ``whiten`` work per token. All are constants, in at least float32.

| baseline | scale | function | who |
|---|---|---|---|
| group mean | group std | ``group_advantages`` | GRPO |
| group mean | none | ``group_advantages(scale="none")`` | Dr.GRPO |
| group mean | batch std | ``group_advantages(scale="batch")`` | LitePPO |
| batch mean | batch std | ``batch_advantages`` | |
| mean of the others | none | ``rloo_advantages`` | RLOO |
| batch mean of tokens | batch std of tokens | ``reinforce_plus_plus_advantages`` | REINFORCE++ |
| group mean, then that | batch std of tokens | ``reinforce_plus_plus_baseline_advantages`` | its baseline form |
"""

from typing import Literal

import torch

from .masking import masked_sums
from .returns import discounted_returns
from .shapes import Float, InputError, Shaped, Tensor, at_least_float32, kept, require_at_least, require_finite, typed


@typed
@torch.no_grad()
def group_advantages(
    rewards: Float[Tensor, " batch"],
    *,
    group_size: int,
    scale: Literal["group", "batch", "none"] = "group",
    ddof: Literal[0, 1] = 1,
    eps: float = 1e-4,
) -> Float[Tensor, " batch"]:
    """Group-normalised advantage: each completion against the mean of its prompt's.

        scale="group":  A = (r - mean) / (std of the group + eps)      GRPO (2402.03300, sec. 4.1.2)
        scale="batch":  A = (r - mean) / (std of all rewards + eps)    LitePPO (2508.08221)
        scale="none":   A = r - mean                                   Dr.GRPO (2503.20783)

    ``std`` divides by n - ddof: 1 in torch, TRL, verl and OpenRLHF, 0 in open-instruct. ``eps`` is 1e-4 in TRL, 1e-6 in
    verl (which gives a group of 1 its raw reward), 1e-9 in OpenRLHF. A group whose rewards are all equal gets exactly
    0: it teaches nothing.

    Unscaled, its expected gradient is (G - 1) / G of the true one, because the mean contains the completion's own
    reward (``rloo_advantages`` does not). Divided by the group's std, every mixed group gets the same sum of squared
    advantages, G - ddof, however easy or hard. On 0/1 rewards and from G = 4 on, that weighs easy and hard prompts
    above medium ones; with three different rewards in a group the gradient is no longer parallel to the true one.
    Dr.GRPO is scale="none" together with ``fixed_length``. One success among G gets (G - 1) / sqrt(G) with ddof 1: for
    G = 8 that is 2.47 instead of 0.875 unscaled. Raises ``InputError`` for a group of 1 with a std, for rewards that
    are not whole groups, and for NaN or infinite rewards.

    One success among 8 gets 2.47 and not 0.875, and each failure -0.35:
    >>> group_advantages(torch.tensor([1.0, 0, 0, 0, 0, 0, 0, 0]), group_size=8).round(decimals=2)
    tensor([ 2.4700, -0.3500, -0.3500, -0.3500, -0.3500, -0.3500, -0.3500, -0.3500])
    """
    groups = split_groups(rewards, group_size)
    require_at_least(eps, "eps", 0)
    if scale != "none" and group_size == 1:
        raise InputError(
            'group_size is 1: one reward has no standard deviation; sample at least 2, or use scale="none"'
        )
    centred = groups - groups.mean(dim=1, keepdim=True)
    if scale == "group":
        centred = centred / (groups.std(dim=1, keepdim=True, correction=ddof) + eps)
    elif scale == "batch":
        centred = centred / (groups.std(correction=ddof) + eps)
    # Equal rewards leave rounding residue in the mean, which a small std would blow up.
    return torch.where(is_dead(groups)[:, None], 0.0, centred).view(-1)


@typed
@torch.no_grad()
def batch_advantages(
    rewards: Float[Tensor, " batch"], *, ddof: Literal[0, 1] = 1, eps: float = 1e-4
) -> Float[Tensor, " batch"]:
    """Advantage over the mean of the whole batch, whatever the prompt.

        A = (r - mean of all) / (std of all + eps)

    Batch-level instead of group-level statistics; TRL's RLOO has it as ``normalize_advantages``, after its baseline.
    Not TRL's ``scale_rewards="batch"``, which keeps the group mean. Here a right answer to an easy prompt and one to a
    hard prompt get the same advantage, so part of the signal is only the prompt's difficulty. All rewards equal gives
    exactly 0. Raises ``InputError`` for a batch of one, NaN or infinity.

    An easy prompt with two right answers, then a hard one with one of two. All three right answers get the same:
    >>> batch_advantages(torch.tensor([1.0, 1.0, 1.0, 0.0])).round(decimals=2)
    tensor([ 0.5000,  0.5000,  0.5000, -1.5000])
    """
    if len(rewards) < 2:
        raise InputError(f"rewards is of length {len(rewards)}, too short for a standard deviation: pass at least 2")
    return group_advantages(rewards, group_size=len(rewards), ddof=ddof, eps=eps)


@typed
@torch.no_grad()
def rloo_advantages(rewards: Float[Tensor, " batch"], *, group_size: int) -> Float[Tensor, " batch"]:
    """REINFORCE leave-one-out: each completion against the mean of the *others* of its prompt.

        A_i = r_i - mean of r_j, j != i          = G / (G - 1) * (r_i - mean of all)

    The baseline does not depend on the completion it judges, so the gradient is unbiased. One success among G gets 1,
    the failures -1 / (G - 1). Kool et al. (2019); Ahmadian et al. (2402.14740). TRL ``RLOOTrainer``, OpenRLHF ``rloo``,
    verl ``rloo`` (which gives a group of 1 its raw reward; ``rloo_vectorized`` gives it 0), and NeMo-RL's GRPO with
    ``use_leave_one_out_baseline``, its default, which then divides by the std of the others too. Raises ``InputError``
    for a group of 1, rewards that are not whole groups, NaN and infinity.

    A lone success is compared with the others only, which got 0, so it keeps its whole reward:
    >>> rloo_advantages(torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0]), group_size=5).tolist()
    [1.0, -0.25, -0.25, -0.25, -0.25]
    """
    groups = split_groups(rewards, group_size)
    if group_size == 1:
        raise InputError(
            "group_size is 1: there are no other completions to compare with; sample at least 2 per prompt"
        )
    others = (groups.sum(dim=1, keepdim=True) - groups) / (group_size - 1)
    return torch.where(is_dead(groups)[:, None], 0.0, groups - others).view(-1)


@typed
@torch.no_grad()
def whiten(
    x: Float[Tensor, "batch pred"],
    mask: Shaped[Tensor, "batch pred"],
    *,
    shift_mean: bool = True,
    ddof: Literal[0, 1] = 1,
    eps: float = 1e-8,
) -> Float[Tensor, "batch pred"]:
    """Normalised advantages: mean 0 and variance 1 over the kept tokens of the whole batch. 0 where the mask is 0.

        (x - mean) / sqrt(var + eps)          shift_mean=False: the mean is added back

    Long rows count for more in both statistics. Whiten *before* splitting into micro-batches or processes, or each part
    has its own. TRL's PPO (up to 1.12), verl and NeMo-RL's PPO: ddof 1, eps 1e-8; OpenRLHF and NeMo-RL's REINFORCE++:
    ddof 0, and the variance held at 1e-8 or above instead of adding it. All kept values equal: exactly 0 (or the mean).
    Raises ``InputError`` for a mask that keeps fewer than 1 + ddof tokens and for a kept NaN or infinity.

    With ddof 1 the variance of 1 and 3 is 2, so they become -0.71 and 0.71, not -1 and 1. The 9 is masked:
    >>> whiten(torch.tensor([[1.0, 3.0, 9.0]]), torch.tensor([[1, 1, 0]])).round(decimals=2)
    tensor([[-0.7100,  0.7100,  0.0000]])
    """
    require_finite(x, "x", mask=kept(mask))
    total, keep = masked_sums(x, mask, "x")
    count = keep.sum()
    require_at_least(eps, "eps", 0)
    if count <= ddof:
        raise InputError(
            f"mask keeps too few tokens for a variance, {int(count)}: with ddof={ddof} pass at least {1 + ddof}"
        )
    x = torch.where(keep, at_least_float32(x), 0.0)
    mean = total.sum() / count
    centred = torch.where(keep, x - mean, 0.0)
    if x[keep].amax() == x[keep].amin():
        scaled = torch.zeros_like(x)  # not the mean's rounding residue times 10000
    else:
        scaled = centred * (centred.square().sum() / (count - ddof) + eps).rsqrt()
    return scaled if shift_mean else torch.where(keep, scaled + mean, 0.0)


@typed
@torch.no_grad()
def reinforce_plus_plus_advantages(
    rewards: Float[Tensor, "batch pred"], mask: Shaped[Tensor, "batch pred"], *, gamma: float = 1.0
) -> Float[Tensor, "batch pred"]:
    """REINFORCE++: the return of each token, whitened over all tokens of the batch. No critic and no group.

        A = whiten(discounted_returns(rewards))

    ``rewards`` per token from ``token_rewards``, the KL (k1) in it. Hu et al. (2501.03262, v9 sec. 3.1); verl
    ``reinforce_plus_plus``, the same; OpenRLHF ``reinforce`` whitens with ddof 0; NeMo-RL's, whose default
    ``minus_baseline`` makes it the baseline form, has no return to go and with ``use_kl_in_reward`` charges each token
    its own KL only. Raises ``InputError`` for a mask that keeps fewer than 2 tokens and for kept NaN.

    The returns 2 and 1 are whitened, not the rewards 1 and 1, which would give 0:
    >>> reinforce_plus_plus_advantages(torch.tensor([[1.0, 1.0]]), torch.ones(1, 2)).round(decimals=2)
    tensor([[ 0.7100, -0.7100]])
    """
    return whiten(discounted_returns(rewards, mask, gamma=gamma), mask)


@typed
@torch.no_grad()
def reinforce_plus_plus_baseline_advantages(
    rewards: Float[Tensor, " batch"], mask: Shaped[Tensor, "batch pred"], *, group_size: int
) -> Float[Tensor, "batch pred"]:
    """REINFORCE++-baseline: reward minus group mean, spread over its tokens, whitened over all tokens of the batch.

        A = whiten(r - group mean)

    The std is the batch's, so a lone success in a hard group is not blown up by its group's small std. KL goes into the
    loss here (k2 in the paper). Hu et al. (2501.03262, v9 sec. 3.2); verl ``reinforce_plus_plus_baseline``; OpenRLHF
    ``reinforce_baseline`` puts the KL in the reward unless ``algo.kl.use_loss``, and whitens the returns with ddof 0.
    Raises ``InputError`` for a group of 1.

    The mean is over tokens: the right answer's three tokens get 0.5 each, the wrong answer's only token -1.5:
    >>> mask = torch.tensor([[1, 1, 1], [1, 0, 0]])
    >>> reinforce_plus_plus_baseline_advantages(torch.tensor([1.0, 0.0]), mask, group_size=2)[:, 0].round(decimals=2)
    tensor([ 0.5000, -1.5000])
    """
    if group_size == 1:
        raise InputError("group_size is 1: a reward minus its own mean is 0; sample at least 2 completions per prompt")
    centred = group_advantages(rewards, group_size=group_size, scale="none")
    return whiten(centred[:, None].expand(mask.shape), mask)


def split_groups(rewards: Tensor, group_size: int) -> Tensor:
    """Rewards as (prompts, group_size), after checking that they are whole groups of numbers."""
    if group_size < 1 or len(rewards) % group_size:
        raise InputError(
            f"group_size is {group_size}, which does not divide the {len(rewards)} rewards into whole groups"
        )
    if len(rewards) == 0:
        raise InputError("rewards is empty: pass one finite number per completion")
    require_finite(rewards, "rewards")
    return at_least_float32(rewards).view(-1, group_size)


def is_dead(groups: Tensor) -> Tensor:
    """Which groups have equal rewards throughout, (prompts,). Compared exactly: their std may be rounding residue."""
    return groups.amax(dim=1) == groups.amin(dim=1)
