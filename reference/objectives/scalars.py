"""Scalars worth watching while a policy trains. None of them is a loss, and no gradient flows through them.

Means over tokens are over those that the mask keeps. ``explained_variance`` of the critic is in ``value``.
"""

from collections.abc import Iterable
from typing import Literal

import torch

from .advantages import is_dead, split_groups
from .kl import kl_k3, kl_penalty
from .logprobs import entropy
from .masking import masked_mean
from .policy import clip_range, ratio
from .shapes import (
    Bool,
    Float,
    InputError,
    Shaped,
    Tensor,
    at_least_float32,
    kept,
    require_log_ratio,
    require_no_nan,
    typed,
)


@typed
@torch.no_grad()
def reward_mean(rewards: Float[Tensor, " batch"]) -> Float[Tensor, ""]:
    """Mean reward of the batch, before any baseline, penalty or normalisation.

        sum(r) / batch

    Not the mean advantage, which is 0 by construction. Raises ``InputError`` for NaN, infinities and an empty batch.

    Of rewards that are 0 or 1 it is the share of right answers:
    >>> reward_mean(torch.tensor([1.0, 0.0, 0.0, 0.0])).item()
    0.25
    """
    split_groups(rewards, 1)  # refuses NaN, infinities and an empty batch
    return at_least_float32(rewards).mean()


@typed
@torch.no_grad()
def mean_kl(
    token_logprobs: Float[Tensor, "batch pred"],
    ref_logprobs: Float[Tensor, "batch pred"],
    mask: Shaped[Tensor, "batch pred"],
    *,
    estimator: Literal["k1", "k2", "k3", "abs"] = "k3",
) -> Float[Tensor, ""]:
    """Estimated KL(pi || ref) in nats per token: how far training has drifted from the *reference*. Samples from pi.

    Log k1 and k3 both: they have the same mean, so a gap between them is noise, or samples that are not from pi. k1 can
    be negative by chance. TRL's GRPO logs k3 (times the ratio, by default) and its RLOO k1, both as ``kl``; verl, with
    the KL that is switched on, its ``kl_loss_type`` (k3, clamped) as ``actor/kl_loss`` or the mean over rows of k1 as
    ``actor/reward_kl_penalty``. Raises ``InputError`` for an empty mask and for kept NaN.

    By default k3: above 0 also for a token half as likely as under the reference, whose k1 is -0.69:
    >>> round(mean_kl(torch.tensor([[0.25]]).log(), torch.tensor([[0.5]]).log(), torch.ones(1, 1)).item(), 2)
    0.31
    """
    require_log_ratio(token_logprobs, ref_logprobs, ("token_logprobs", "ref_logprobs"), mask=kept(mask))
    return masked_mean(kl_penalty(token_logprobs, ref_logprobs, estimator=estimator), mask)


@typed
@torch.no_grad()
def mean_entropy(
    logits: Float[Tensor, "batch time vocab"], mask: Shaped[Tensor, "batch time-1"], *, temperature: float = 1.0
) -> Float[Tensor, ""]:
    """Mean next-token entropy over completion tokens, in nats, between 0 and ln(vocab).

    For logging; for a bonus in the loss pass ``masked_mean(entropy(logits), mask)`` to ``total_loss``. Falling fast, it
    says that the policy collapses onto one way of answering. Raises ``InputError`` as ``entropy`` does, and for an
    empty mask.

    Three positions make two predictions, so the mask is of length 2. Equal logits of two tokens have ln 2 nats:
    >>> round(mean_entropy(torch.zeros(1, 3, 2), torch.tensor([[1, 0]])).item(), 2)
    0.69
    """
    return masked_mean(entropy(logits, temperature=temperature), mask)


@typed
@torch.no_grad()
def mean_ratio(
    token_logprobs: Float[Tensor, "batch pred"],
    old_logprobs: Float[Tensor, "batch pred"],
    mask: Shaped[Tensor, "batch pred"],
) -> Float[Tensor, ""]:
    """Mean importance ratio. At the first inner step it is 1, or old and new log-probs are not of the same policy.

    Off by more than rounding there: another temperature, dropout left on, a shifted mask, or another numerics in the
    sampler. TRL's PPO logged ``val/ratio``; TRL's GRPO with vLLM logs ``sampling/importance_sampling_ratio/mean`` of
    trainer over sampler, after its cap.

    A mean of 1 does not say that nothing has moved: these two ratios are 1.5 and 0.5:
    >>> mean_ratio(torch.tensor([[0.3, 0.1]]).log(), torch.full((1, 2), 0.2).log(), torch.ones(1, 2)).round(decimals=2)
    tensor(1.)
    """
    require_log_ratio(token_logprobs, old_logprobs, ("token_logprobs", "old_logprobs"), mask=kept(mask))
    return masked_mean(ratio(token_logprobs, old_logprobs), mask)


@typed
@torch.no_grad()
def approx_kl(
    token_logprobs: Float[Tensor, "batch pred"],
    old_logprobs: Float[Tensor, "batch pred"],
    mask: Shaped[Tensor, "batch pred"],
) -> Float[Tensor, ""]:
    """How far this update has moved the policy: k3 for KL(old || new) in nats per token, on samples from old.

        d = logp - old_logp          mean of exp(d) - 1 - d over the kept tokens

    Zero on the first inner step by construction. It says nothing about the distance to the *reference*. CleanRL logs
    this one (`approx_kl`) beside k1 (`old_approx_kl`); TRL's PPO logged 0.5 * (new - old)^2 instead, verl and OpenRLHF
    log the mean of old - new (k1 of the same KL) as ``ppo_kl``. Raises ``InputError`` for an empty mask and for kept
    NaN.

    A token that has become twice as likely: 2 - 1 - ln 2. ``kl_k3`` of the same two log-probs, the other KL, is 0.19:
    >>> round(approx_kl(torch.tensor([[0.5]]).log(), torch.tensor([[0.25]]).log(), torch.ones(1, 1)).item(), 2)
    0.31
    """
    require_log_ratio(token_logprobs, old_logprobs, ("token_logprobs", "old_logprobs"), mask=kept(mask))
    return masked_mean(kl_k3(old_logprobs, token_logprobs), mask)


@typed
@torch.no_grad()
def clip_frac(
    token_logprobs: Float[Tensor, "batch pred"],
    old_logprobs: Float[Tensor, "batch pred"],
    advantages: Float[Tensor, "batch #pred"],
    mask: Shaped[Tensor, "batch pred"],
    *,
    clip_low: float | None = 0.2,
    clip_high: float | None = 0.2,
    definition: Literal["no_gradient", "outside"] = "no_gradient",
) -> Float[Tensor, ""]:
    """Share of tokens that the clip concerns, by either of the two definitions in use.

        no_gradient:  A > 0 and r > 1 + clip_high, or A < 0 and r < 1 - clip_low
        outside:      r > 1 + clip_high or r < 1 - clip_low, whatever the sign of A
        clip_low=None, clip_high=None: no bound on that side, and nothing beyond it

    The first counts tokens whose gradient the clip turns off (dual clip apart, verl's ``pg_clipfrac_lower``): TRL
    ``clip_ratio/region_mean``, verl ``actor/pg_clipfrac``, OpenRLHF ``ppo_clip_ratio``. The second also counts those
    still being pulled back: CleanRL, Stable-Baselines3, Spinning Up, and verl's CISPO. For GSPO pass the log of
    ``sequence_ratio``, zeros as the old log-probs, ``mask.any(dim=1)[:, None]`` and GSPO's bounds: it counts
    completions then, as TRL does. Raises ``InputError`` for an empty mask, kept NaN, and bounds that do not enclose 1.

    Both ratios are e, far above the clip, but only the token with the positive advantage has lost its gradient:
    >>> clip_frac(torch.zeros(1, 2), -torch.ones(1, 2), torch.tensor([[1.0, -1.0]]), torch.ones(1, 2)).item()
    0.5
    """
    least, most = clip_range(clip_low, clip_high)
    r = ratio(token_logprobs, old_logprobs)
    require_no_nan(advantages * r, "advantage times ratio", mask=kept(mask))
    above, below = r > most, r < least
    if definition == "no_gradient":
        above, below = above & (advantages > 0), below & (advantages < 0)
    return masked_mean((above | below).to(at_least_float32(r).dtype), mask)


@typed
@torch.no_grad()
def group_reward_std(rewards: Float[Tensor, " batch"], *, group_size: int) -> Float[Tensor, ""]:
    """Mean over groups of the within-group standard deviation (ddof=1). At 0 nothing is learned.

    OpenRLHF ``group_reward_std``; TRL's ``reward_std`` is that of all rewards. Raises ``InputError`` for a group of 1
    and for rewards that are not whole groups of finite numbers.

    The mean of 0.5 (the first group of four) and 0 (the second); the std of all eight rewards would be 0.52:
    >>> round(group_reward_std(torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]), group_size=4).item(), 2)
    0.25
    """
    groups = split_groups(rewards, group_size)
    if group_size == 1:
        raise InputError("group_size is 1: one reward has no standard deviation; pass groups of at least 2")
    return torch.where(is_dead(groups), 0.0, groups.std(dim=1)).mean()


@typed
@torch.no_grad()
def dead_group_share(rewards: Float[Tensor, " batch"], *, group_size: int) -> Float[Tensor, ""]:
    """Share of dead groups (zero variance): all rewards are equal, so every advantage is 0.

    TRL's ``frac_reward_zero_std`` asks for std <= 1e-8 instead, and misses groups whose std is rounding residue; with
    ``scale_rewards="batch"`` it is about the whole batch. DAPO's dynamic sampling draws prompts until no group is dead.
    Raises ``InputError`` for rewards that are not whole groups of finite numbers.

    Two of these four pairs: all right is as dead as all wrong:
    >>> dead_group_share(torch.tensor([1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0]), group_size=2).item()
    0.5
    """
    groups = split_groups(rewards, group_size)
    return is_dead(groups).to(groups.dtype).mean()


@typed
@torch.no_grad()
def mean_length(mask: Shaped[Tensor, "batch pred"]) -> Float[Tensor, ""]:
    """Mean number of kept tokens per completion, empty rows included.

    Rising while the reward stays flat, it says that verbosity is being paid for.

    Three kept tokens and none, so 1.5:
    >>> mean_length(torch.tensor([[1, 1, 1, 0], [0, 0, 0, 0]])).item()
    1.5
    """
    if len(mask) == 0:
        raise InputError("mask has no rows, so there is no mean length")
    return kept(mask).sum(dim=1).float().mean()


@typed
@torch.no_grad()
def truncated_share(truncated: Bool[Tensor, " batch"]) -> Float[Tensor, ""]:
    """Share of completions that ran into the token budget.

    TRL ``completions/clipped_ratio``, verl ``response_length/clip_ratio`` (every row as long as the padded width).

    One of four completions was cut off:
    >>> truncated_share(torch.tensor([True, False, False, False])).item()
    0.25
    """
    if len(truncated) == 0:
        raise InputError("truncated is empty, so there is no share of truncated completions")
    return truncated.float().mean()


@typed
@torch.no_grad()
def grad_norm(parameters: Iterable) -> Float[Tensor, ""]:
    """L2 norm of all gradients together, before any clipping. Parameters without a gradient count as 0.

    Raises ``InputError`` when none has a gradient (call it after ``backward``, before ``zero_grad``). An infinite or
    NaN norm is returned: it is the news. What ``torch.nn.utils.clip_grad_norm_`` returns.

    Gradients of 3 and 4 have the norm 5:
    >>> weights = torch.tensor([3.0, 4.0], requires_grad=True)
    >>> (weights @ weights / 2).backward()
    >>> grad_norm([weights]).item()
    5.0
    """
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    if not all(isinstance(p, Tensor) for p in parameters):
        raise InputError("parameters holds something else than tensors: pass model.parameters(), without names")
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        raise InputError("parameters have no gradients: call this after backward() and before zero_grad()")
    if any(g.is_meta for g in gradients):
        raise InputError("parameters are on the meta device, and their gradients hold no numbers")
    return torch.stack([at_least_float32(g).norm().to(gradients[0].device) for g in gradients]).norm()
