"""Advantages: how much better than expected a completion was."""

from typing import Literal

import torch

from .shapes import Float, InputError, Tensor, require_finite, typed


@typed
def group_advantages(
    rewards: Float[Tensor, " batch"], *, group_size: int, scale: Literal["group", "none"] = "group", eps: float = 1e-4
) -> Float[Tensor, " batch"]:
    """Advantage of each completion over the others of its prompt.

        scale="group":  A = (r - mean) / (std + eps)      GRPO (2402.03300, sec. 4.1.2)
        scale="none":   A = r - mean                      Dr.GRPO (2503.20783)

    ``rewards`` is (prompts * group_size,), the completions of one prompt next to each other. ``std`` divides by
    group_size - 1 (ddof=1), as torch, TRL, verl and OpenRLHF do; open-instruct divides by group_size. ``eps`` is 1e-4
    in TRL, 1e-6 in verl, 1e-9 in OpenRLHF. A group whose rewards are all equal gets exactly 0: it teaches nothing.

    One success among G completions gets (G - 1) / sqrt(G), for G = 8 that is 2.47 instead of 0.875 unscaled.
    Per completion, not per token: use ``advantages[:, None]`` in a token loss.
    """
    if scale == "group" and group_size == 1:
        raise InputError(
            'group_size is 1: one reward has no standard deviation; sample at least 2, or use scale="none"'
        )
    groups = split_groups(rewards, group_size)
    centred = groups - groups.mean(dim=1, keepdim=True)
    if scale == "group":
        centred = centred / (groups.std(dim=1, keepdim=True) + eps)
    # Equal rewards leave rounding residue in the mean, which a small std would blow up.
    return torch.where(is_dead(groups)[:, None], 0.0, centred).view(-1)


def split_groups(rewards: Tensor, group_size: int) -> Tensor:
    """Rewards as (prompts, group_size), after checking that they are whole groups of numbers."""
    if group_size < 1 or len(rewards) % group_size:
        raise InputError(
            f"group_size is {group_size}, which does not divide the {len(rewards)} rewards into whole groups"
        )
    require_finite(rewards, "rewards")
    if len(rewards) == 0 or rewards.isinf().any():
        raise InputError("rewards is empty or holds infinities: pass one finite number per completion")
    return rewards.view(-1, group_size)


def is_dead(groups: Tensor) -> Tensor:
    """Which groups have equal rewards throughout, (prompts,). Compared exactly: their std may be rounding residue."""
    return groups.amax(dim=1) == groups.amin(dim=1)
