"""Rejection: which tokens and rows of a batch are left out, because they are too far off-policy or have little to decide.

Each function gives a mask that keeps a part of the mask it was given. There are two ways to use it, and frameworks do both.
Given to an aggregation in the place of the old mask, it also shrinks the divisor. Multiplied with the loss, under the old
mask, it leaves the divisor, and a batch of which much is rejected takes a smaller step. No gradient flows through a mask.
Weights in the place of masks: ``sampler_correction``.
"""

from typing import Literal

import torch

from .kl import ESTIMATORS
from .masking import sequence_sum
from .shapes import (
    Bool,
    Float,
    InputError,
    Shaped,
    Tensor,
    at_least_float32,
    kept,
    require_at_least,
    require_log_ratio,
    require_no_nan,
    typed,
)


@typed
@torch.no_grad()
def rejection_mask(
    old_logprobs: Float[Tensor, "batch pred"],
    sampler_logprobs: Float[Tensor, "batch pred"],
    mask: Shaped[Tensor, "batch pred"],
    *,
    most: float,
    least: float | None = None,
    estimator: Literal["k1", "k2", "k3"] = "k3",
    first: Literal["sampler", "trainer"] = "sampler",
    level: Literal["token", "sum", "mean", "max"] = "token",
) -> Bool[Tensor, "batch pred"]:
    """The mask without tokens, or rows, on which trainer and sampler are too far apart by an estimate of their KL.

        log x = old_logp - sampler_logp          keep where least <= k <= most
        first="sampler":  k1 = -log x    k3 = x - 1 - log x        KL(sampler || trainer)
        first="trainer":  k1 = log x     k3 = 1 / x - 1 + log x    KL(trainer || sampler)          k2 = (log x)^2 / 2

    All in nats; a bound itself is kept. ``level``: "token" looks at each token, and "sum", "mean" and "max" at that of the
    row's kept tokens, which then stay or go together. A sum grows with length. ``least`` matters for k1 only, the one
    that can be negative; without it k1 is bounded on one side. The samples are the sampler's, so it is ``first="sampler"``
    whose k3 estimates a KL.

    verl 0.9.1 ``rollout_rs`` has ``first="sampler"``, areal 1.0.4 ``first="trainer"`` under the same names: at most = 1, k3
    of verl keeps ratios x from 0.16 to 3.15, that of areal from 0.32 to 6.31. verl's bounds of k1 are ratios: "0.5_5.0"
    is least = ln 0.5 and most = ln 5 here, and keeps x from 0.2 to 2, since k1 is minus log x. verl rejects before it counts
    the divisor, areal after. Raises ``InputError`` for bounds that do not enclose 0, the k of exact agreement, and kept
    log-probs that are NaN or both infinite.

    Of two tokens, 4 times as likely as in the sampler and a fourth as likely, k3 of the sampler's KL rejects the first:
    >>> trainer, sampler = torch.tensor([[0.8, 0.1]]).log(), torch.tensor([[0.2, 0.4]]).log()
    >>> rejection_mask(trainer, sampler, torch.ones(1, 2), most=1.0).int().tolist()
    [[0, 1]]
    """
    if not (least is None or least <= 0) or not most >= 0:
        raise InputError(
            f"least={least} and most={most}: expected least <= 0 <= most, or exact agreement is rejected too"
        )
    keep = kept(mask)
    require_log_ratio(old_logprobs, sampler_logprobs, ("old_logprobs", "sampler_logprobs"), mask=keep)
    d = torch.where(keep, at_least_float32(sampler_logprobs) - at_least_float32(old_logprobs), 0.0)
    d = d if first == "sampler" else -d
    k = over_rows(ESTIMATORS[estimator](d, torch.zeros_like(d)), keep, level)
    return keep & (k <= most) & (k >= (-torch.inf if least is None else least))


@typed
@torch.no_grad()
def off_policy_mask(
    token_logprobs: Float[Tensor, "batch pred"],
    sampler_logprobs: Float[Tensor, "batch pred"],
    advantages: Float[Tensor, "batch 1"],
    mask: Shaped[Tensor, "batch pred"],
    *,
    threshold: float,
) -> Bool[Tensor, "batch pred"]:
    """The mask without rows that did worse than expected and have become too unlikely since they were sampled.

        keep where A >= 0, or sum_t m * (sampler_logp - logp) / sum_t m <= threshold

    ``threshold`` in nats per token, at least 0. The policy of today is compared with the one that sampled, so updates and a
    mismatch of engines both count. Rows with an advantage of at least 0 always stay. DeepSeek-V3.2 (2512.02556), off-policy sequence masking. TRL 1.16
    ``off_policy_mask_threshold`` multiplies the loss with it, so divisor and KL term stay, and counts a NaN as 0; ms-swift
    4.6.0 ``off_policy_sequence_mask_delta`` shrinks the mask, so that both change. Without the sampler's log-probs both
    take those of the trainer before the update. Raises ``InputError`` for a negative threshold, and for kept log-probs
    that are NaN or both infinite, and NaN advantages.

    Two rows fell to half of their probability per token; the one with a negative advantage goes:
    >>> new, sampler = torch.full((2, 2), 0.25).log(), torch.full((2, 2), 0.5).log()
    >>> off_policy_mask(new, sampler, torch.tensor([[1.0], [-1.0]]), torch.ones(2, 2), threshold=0.5).int().tolist()
    [[1, 1], [0, 0]]
    """
    require_at_least(threshold, "threshold", 0)
    keep = kept(mask)
    require_log_ratio(token_logprobs, sampler_logprobs, ("token_logprobs", "sampler_logprobs"), mask=keep)
    require_no_nan(advantages, "advantages")
    apart = torch.where(keep, at_least_float32(sampler_logprobs) - at_least_float32(token_logprobs), 0.0)
    return keep & ((advantages >= 0) | (over_rows(apart, keep, "mean") <= threshold))


@typed
@torch.no_grad()
def top_entropy_mask(
    entropy: Float[Tensor, "batch pred"], mask: Shaped[Tensor, "batch pred"], *, share: float = 0.2
) -> Bool[Tensor, "batch pred"]:
    """The mask of those tokens at which the policy is least sure: the share with the highest entropy.

        keep where H >= quantile(H of all kept tokens, 1 - share)

    ``entropy`` in nats, of the whole batch at once: a quantile of a micro-batch is another one. Between two values the
    quantile is interpolated linearly, so it need not be one of them; ties at the quantile all stay. The paper (2506.01939)
    trains a fifth of the tokens, and TRL 1.16 (``top_entropy_quantile``, 1 and so off by default) and ms-swift 4.6.0 all.
    Both multiply the policy loss with the mask and leave the divisor and the KL term. TRL has the quantile of all
    processes, ms-swift of the micro-batch. A mask that keeps nothing gives one that keeps nothing. Raises ``InputError``
    for a share that is not above 0 and at most 1, and a kept NaN.

    Five tokens and a share of 0.4: the quantile is 0.78, between the second and the third highest entropy:
    >>> entropy = torch.tensor([[0.9, 0.2, 1.1], [0.4, 0.7, 9.0]])
    >>> top_entropy_mask(entropy, torch.tensor([[1, 1, 1], [1, 1, 0]]), share=0.4).int().tolist()
    [[1, 0, 1], [0, 0, 0]]
    """
    if not 0 < share <= 1:
        raise InputError(f"share is {share}, expected a share of the tokens above 0 and at most 1")
    keep = kept(mask)
    require_no_nan(entropy, "entropy", mask=keep)
    if not keep.any():
        return keep
    values = at_least_float32(entropy)
    return keep & (values >= quantile(values[keep], 1 - share))


def over_rows(x: Tensor, keep: Tensor, level: str) -> Tensor:
    """x itself per token, or one number of each row's kept tokens, (batch, 1)."""
    if level == "token":
        return x
    if level == "max":
        return torch.where(keep, x, -torch.inf).amax(dim=1, keepdim=True)
    total = sequence_sum(x, keep)[:, None]
    return total if level == "sum" else total / keep.sum(dim=1, keepdim=True).clamp_min(1)


def quantile(values: Tensor, level: float) -> Tensor:
    """The quantile with linear interpolation, of any number of values; torch's own stops at 16 million."""
    ordered = values.sort().values
    at = round(level * (len(values) - 1), 9)  # (1 - 0.7) * 10 is a little more than 3, and means 3
    below = ordered[int(at)]
    return below if at == int(at) else below + (at - int(at)) * (ordered[int(at) + 1] - below)
