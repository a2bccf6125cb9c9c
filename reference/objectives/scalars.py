"""Scalars worth watching while a policy trains. None of them is a loss; all are means over the tokens the mask keeps."""

import torch

from .advantages import is_dead, split_groups
from .kl import kl_k3
from .masking import masked_mean
from .policy import ratio, require_clip
from .shapes import Float, InputError, Shaped, Tensor, kept, require_finite, typed


@typed
@torch.no_grad()
def approx_kl(
    token_logprobs: Float[Tensor, "batch pred"],
    old_logprobs: Float[Tensor, "batch pred"],
    mask: Shaped[Tensor, "batch pred"],
) -> Float[Tensor, ""]:
    """How far this update has moved the policy: k3 for KL(old || new) in nats per token, on samples from old.

    Zero on the first inner step by construction. It says nothing about the distance to the *reference*. CleanRL logs
    this one (`approx_kl`) beside k1 (`old_approx_kl`); TRL's PPO logged 0.5 * (new - old)^2 instead.
    """
    return masked_mean(kl_k3(old_logprobs, token_logprobs), mask)


@typed
@torch.no_grad()
def clip_frac(
    token_logprobs: Float[Tensor, "batch pred"],
    old_logprobs: Float[Tensor, "batch pred"],
    advantages: Float[Tensor, "batch #pred"],
    mask: Shaped[Tensor, "batch pred"],
    *,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
) -> Float[Tensor, ""]:
    """Share of tokens whose gradient the clip has switched off: A > 0 and r > 1 + clip_high, or A < 0 and r < 1 - clip_low.

    As TRL's ``clip_ratio/region_mean``, verl's ``pg_clipfrac`` and OpenRLHF's ``clip_ratio``. CleanRL and others count |r - 1| > clip whatever the sign of A, which also
    counts tokens that are still being pulled back.
    """
    require_clip(clip_low, clip_high)
    r = ratio(token_logprobs, old_logprobs)
    require_finite(advantages * r, "advantage times ratio", mask=kept(mask))
    clipped = ((advantages > 0) & (r > 1 + clip_high)) | ((advantages < 0) & (r < 1 - clip_low))
    return masked_mean(clipped.to(token_logprobs.dtype), mask)


@typed
@torch.no_grad()
def group_reward_std(rewards: Float[Tensor, " batch"], *, group_size: int) -> Float[Tensor, ""]:
    """Mean over groups of the within-group standard deviation (ddof=1). At 0 every group is dead and nothing is learned."""
    groups = split_groups(rewards, group_size)
    if group_size == 1:
        raise InputError("group_size is 1: one reward has no standard deviation; pass groups of at least 2")
    return torch.where(is_dead(groups), 0.0, groups.std(dim=1)).mean()


@typed
@torch.no_grad()
def dead_group_share(rewards: Float[Tensor, " batch"], *, group_size: int) -> Float[Tensor, ""]:
    """Share of groups whose rewards are all equal, so that every advantage is 0.

    TRL's ``frac_reward_zero_std`` asks for std <= 1e-8 instead, and misses groups whose std is rounding residue.
    """
    return is_dead(split_groups(rewards, group_size)).to(rewards.dtype).mean()
