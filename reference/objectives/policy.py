"""Policy losses: how far one batch of samples may move the policy.

Losses come per token, unaggregated, on the prediction axis, and are minimised. What they are summed with and divided by
is ``masking``'s business. ``advantages`` are constants of shape (batch, pred), or (batch, 1) for one per completion as
in GRPO: no gradient flows into them. They and the old log-probs must be finite everywhere, padding included; what the
policy's own log-probs are where a mask is 0 does not matter.

Three sets of log-probs, not to be confused: ``token_logprobs`` of the policy being trained (with gradient),
``old_logprobs`` of the policy at the start of this batch, ``sampler_logprobs`` as the inference engine reported them.
Where sampling waits for training the last two are the same weights and differ by numerics only; where it does not
(asynchronous rollouts), they differ by staleness too. ``sampler_correction`` makes up for either.
"""

import math
from typing import Literal

import torch

from .logprobs import sequence_logprobs
from .masking import sequence_sum
from .shapes import Float, InputError, Shaped, Tensor, bounded, clamped, kept, require_log_ratio, tamed, typed


@typed
def ratio(
    token_logprobs: Float[Tensor, "batch pred"], old_logprobs: Float[Tensor, "batch pred"]
) -> Float[Tensor, "batch pred"]:
    """Importance ratio pi(token) / pi_old(token): 1 for every token before the first update.

        r = exp(logp - old_logp)

    ``old_logprobs`` are those of the policy at the start of the batch (the behaviour policy). PPO (1707.06347, sec. 3).
    The difference is capped before exp can overflow (at 66 nats in float32, 8.3 in float16); verl's and OpenRLHF's PPO
    losses clamp it to +-20, TRL only in ``vespo``.

    The new policy over the old: 2 for a token that has become twice as likely, 1 for one that has not moved:
    >>> ratio(torch.tensor([[0.5, 0.25]]).log(), torch.tensor([[0.25, 0.25]]).log()).round(decimals=2)
    tensor([[2., 1.]])
    """
    return bounded(token_logprobs - old_logprobs).exp()


@typed
def sequence_ratio(
    token_logprobs: Float[Tensor, "batch pred"],
    old_logprobs: Float[Tensor, "batch pred"],
    mask: Shaped[Tensor, "batch pred"],
) -> Float[Tensor, "batch 1"]:
    """GSPO's sequence-level importance ratio of a completion: the geometric mean of its tokens' ratios, (batch, 1).

        s = exp( sum_t m * (logp - old_logp) / sum_t m )

    The length-normalised ratio, not pi(y) / pi_old(y), whose spread grows with length. 1 for a row without kept tokens.
    GSPO (2507.18071, eq. 7); TRL ``importance_sampling_level="sequence"``, verl and OpenRLHF ``gspo``. Raises
    ``InputError`` for kept NaN.

    Tokens whose probability rose from 1/2 to 1 and from 1/8 to 1: their ratios, 2 and 8, make 4, not 16:
    >>> sequence_ratio(torch.zeros(1, 2), torch.tensor([[0.5, 0.125]]).log(), torch.ones(1, 2)).round(decimals=2)
    tensor([[4.]])
    """
    require_log_ratio(token_logprobs, old_logprobs, ("token_logprobs", "old_logprobs"), mask=kept(mask))
    return bounded(sequence_logprobs(token_logprobs - old_logprobs, mask, average=True)).exp()[:, None]


@typed
def reinforce_loss(
    token_logprobs: Float[Tensor, "batch pred"], advantages: Float[Tensor, "batch #pred"]
) -> Float[Tensor, "batch pred"]:
    """The policy gradient written as a loss per token: its gradient, not its value, means something.

        loss = -A * logp          gradient: -A * grad(logp)

    Unbiased for samples of the policy itself, one step per batch. REINFORCE (Williams 1992). At ratio 1
    ``ppo_clip_loss`` has the same gradient; TRL's RLOO has it too, once a row's tokens are summed: its ratio is per
    completion.

    The loss is 0 and trains all the same, because its gradient is minus the advantages:
    >>> token_logprobs = torch.tensor([[-1.0, -1.0]], requires_grad=True)
    >>> loss = reinforce_loss(token_logprobs, torch.tensor([[1.0, -1.0]])).sum()
    >>> loss.backward()
    >>> loss.item(), token_logprobs.grad.tolist()
    (0.0, [[-1.0, 1.0]])
    """
    return -advantages.detach() * token_logprobs


@typed
def ppo_clip_loss(
    token_logprobs: Float[Tensor, "batch pred"],
    old_logprobs: Float[Tensor, "batch pred"],
    advantages: Float[Tensor, "batch #pred"],
    *,
    clip_low: float | None = 0.2,
    clip_high: float | None = 0.2,
    dual_clip: float | None = None,
) -> Float[Tensor, "batch pred"]:
    """PPO's clipped surrogate as a loss per token.

        r = exp(logp - old_logp)
        loss = max(-A * r, -A * clip(r, 1 - clip_low, 1 + clip_high)) = -min(A * r, A * clip(r))
        clip_low=None, clip_high=None: no bound on that side; without either, loss = -A * r
        dual clip, only where A < 0:  min(loss, -A * dual_clip)

    The gradient is zero only where r has already gone too far in the direction A asks for: A > 0 and r > 1 + clip_high,
    or A < 0 and r < 1 - clip_low. In the other two quadrants it stays, or a policy that moved the wrong way could not
    come back. With A < 0 and a large r that pull has no bound: ``dual_clip`` (above 1) gives it one, beyond which the
    token has no gradient. At r = 1 the loss is -A and its gradient -A * grad(logp): a loss that averages to 0 still
    trains.

    Above the clip the loss is flat for a positive advantage only; with a negative one it goes on rising with the ratio:
    >>> ratios, advantages = torch.tensor([[1.5, 2.0, 1.5, 2.0]]), torch.tensor([[1.0, 1.0, -1.0, -1.0]])
    >>> ppo_clip_loss(ratios.log(), torch.zeros(1, 4), advantages).round(decimals=2)
    tensor([[-1.2000, -1.2000,  1.5000,  2.0000]])

    Source: PPO (1707.06347, eq. 7); clip_high > clip_low is DAPO's clip-higher (2503.14476, eq. 10, with 0.2 and 0.28;
    the rest of DAPO is ``token_mean``, ``soft_overlong_penalty``, ``overlong_mask`` and dynamic sampling, see
    ``dead_group_share``); dual clip is from Ye et al. (1912.09729). TRL ``epsilon`` and ``epsilon_high`` (its ``delta``
    equals ``dual_clip`` if it is at least 1 + epsilon_high; a smaller one also lowers the upper clip for A > 0); verl
    ``clip_ratio_low``, ``clip_ratio_high``, and ``clip_ratio_c`` 3, on by default; OpenRLHF ``dual_clip``, off. Raises
    ``InputError`` for bounds that do not enclose 1 and for a dual_clip not above 1.
    """
    return clipped_surrogate(ratio(token_logprobs, old_logprobs), advantages, clip_low, clip_high, dual_clip)


@typed
def gspo_loss(
    token_logprobs: Float[Tensor, "batch pred"],
    old_logprobs: Float[Tensor, "batch pred"],
    advantages: Float[Tensor, "batch 1"],
    mask: Shaped[Tensor, "batch pred"],
    *,
    clip_low: float | None = 3e-4,
    clip_high: float | None = 4e-4,
) -> Float[Tensor, "batch pred"]:
    """GSPO: the clipped surrogate with one ratio per completion, so that a completion is clipped whole or not at all.

        s = sequence_ratio          loss = max(-A * s, -A * clip(s, 1 - clip_low, 1 + clip_high)), for all tokens

    ``sequence_mean`` of it is the paper's objective; under ``token_mean`` long completions count several times over.
    One advantage per completion, (batch, 1). The clip is 500 to 700 times tighter than PPO's 0.2, because s is a mean
    over tokens; a bound of ``None`` is none. GSPO (2507.18071, eq. 5 and 7, bounds from sec. 5.1). TRL ``importance_sampling_level="sequence"`` (any
    aggregation; ``epsilon`` stays 0.2 unless set); verl ``gspo`` routes the gradient through s * pi / detach(pi), which
    is the same under every normaliser unless the tokens of a row get weights or advantages of their own. It caps log s
    at 10, and takes 0.2 and token-mean unless told otherwise. OpenRLHF ``gspo`` always takes the sequence mean. Raises
    ``InputError`` for kept NaN and for bounds that do not enclose 1.

    One token twice as likely as before (PPO would clip it), one half as likely: the ratio is 1, so nothing is clipped:
    >>> now, before = torch.tensor([[0.5, 0.25]]).log(), torch.tensor([[0.25, 0.5]]).log()
    >>> gspo_loss(now, before, torch.ones(1, 1), torch.ones(1, 2)).round(decimals=2)
    tensor([[-1., -1.]])
    """
    s = sequence_ratio(token_logprobs, old_logprobs, mask)
    return clipped_surrogate(s, advantages, clip_low, clip_high, None).expand(mask.shape)


@typed
def cispo_loss(
    token_logprobs: Float[Tensor, "batch pred"],
    old_logprobs: Float[Tensor, "batch pred"],
    advantages: Float[Tensor, "batch #pred"],
    *,
    clip_low: float | None = None,
    clip_high: float | None = 4.0,
) -> Float[Tensor, "batch pred"]:
    """CISPO: REINFORCE with a capped importance weight. The weight is clipped, never the gradient: every token trains.

        loss = -detach(clip(r, 1 - clip_low, 1 + clip_high)) * A * logp          a bound of None is none

    MiniMax-M1 (2506.13585, eq. 4-5), which sets no lower bound and names no upper one; a cap of 5 is TRL's advice. TRL
    ``loss_type="cispo"``: ``epsilon_high`` there is the cap itself, 5 for our clip_high 4, and 0.2 if unset; verl clips
    to [1 - low, 1 + high] with PPO's 0.2 unless told otherwise. Raises ``InputError`` for bounds that do not enclose 1.

    At a ratio of 10 the weight is capped at 5 and the token still trains, where PPO's gradient would be 0:
    >>> token_logprobs = torch.tensor([[0.5]]).log().requires_grad_()
    >>> cispo_loss(token_logprobs, torch.tensor([[0.05]]).log(), torch.ones(1, 1)).backward()
    >>> round(token_logprobs.grad.item(), 2)
    -5.0
    """
    weight = clamped(ratio(token_logprobs, old_logprobs).detach(), *clip_range(clip_low, clip_high))
    return reinforce_loss(tamed(token_logprobs), weight * advantages)


@typed
@torch.no_grad()
def sampler_correction(
    old_logprobs: Float[Tensor, "batch pred"],
    sampler_logprobs: Float[Tensor, "batch pred"],
    mask: Shaped[Tensor, "batch pred"],
    *,
    level: Literal["token", "sequence", "geometric"] = "token",
    mode: Literal["truncate", "mask"] = "truncate",
    low: float = 0.0,
    high: float = 2.0,
) -> Float[Tensor, "batch pred"]:
    """Importance weights against a mismatch: the inference engine drew from other probabilities than the trainer's.

        d = old_logp - sampler_logp
        w = exp(d_t)  token         exp(sum_t d)  sequence         exp(mean_t d)  geometric
        truncate: clip(w, low, high)          mask: w where low <= w <= high, else 0

    ``old_logprobs`` are recomputed by the trainer. Multiply the *policy* loss with the result, not the KL. A constant;
    0 where the mask is 0. Without it the gradient is biased as soon as kernels, precision or top-p differ; with
    renormalised top-p the weights average to the surviving mass. "token" and "truncate" is truncated importance
    sampling (TIS, Yao et al. 2025), "token" and "mask" IcePop (0.5 to 5). TRL ``vllm_importance_sampling_mode``:
    "sequence_mask" with a cap of 3 by default, no geometric level; verl ``rollout_is``, off by default, one threshold
    (2) to truncate and two to mask, at token or sequence level; OpenRLHF ``is_correction_level``, off by default, band
    0.5 to 5, whose "seq" gates on the geometric mean and keeps the token weights. Only the sequence weight,
    untruncated, is unbiased for more than one token; its variance grows with length. No weight brings back what top-p
    never draws. Raises ``InputError`` for bounds that do not enclose 1 and for kept log-probs that are NaN or both
    infinite.

    A token 4 times as likely as in the sampler weighs 2, which is the cap; one half as likely weighs 0.5:
    >>> trainer, sampler = torch.tensor([[0.8, 0.1]]).log(), torch.tensor([[0.2, 0.2]]).log()
    >>> sampler_correction(trainer, sampler, torch.ones(1, 2)).round(decimals=2)
    tensor([[2.0000, 0.5000]])
    """
    if not 0 <= low <= 1 <= high:
        raise InputError(
            f"low={low} and high={high}: expected 0 <= low <= 1 <= high, or exact agreement is changed too"
        )
    keep = kept(mask)
    require_log_ratio(old_logprobs, sampler_logprobs, ("old_logprobs", "sampler_logprobs"), mask=keep)
    d = torch.where(keep, old_logprobs - sampler_logprobs, 0.0)
    if level != "token":
        d = sequence_sum(d, mask) if level == "sequence" else sequence_logprobs(d, mask, average=True)
        d = d[:, None].expand(mask.shape)
    weight = bounded(d).exp()
    if mode == "truncate":
        weight = clamped(weight, low, high)
    else:
        weight = torch.where((weight >= low) & (weight <= high), weight, 0.0)
    return torch.where(keep, weight, 0.0)


def clipped_surrogate(
    r: Tensor, advantages: Tensor, clip_low: float | None, clip_high: float | None, dual_clip: float | None
) -> Tensor:
    """PPO's loss for a ratio of any granularity."""
    advantages = advantages.detach()
    loss = torch.maximum(-advantages * r, -advantages * clamped(r, *clip_range(clip_low, clip_high)))
    if dual_clip is None:
        return loss
    if not 1 < dual_clip < math.inf:
        raise InputError(f"dual_clip is {dual_clip}, expected a ratio above 1, such as 3")
    return torch.where(advantages < 0, torch.minimum(loss, -advantages * dual_clip), loss)


def clip_range(clip_low: float | None, clip_high: float | None) -> tuple[float, float]:
    """The least and the largest ratio that the clip leaves alone; for ``None`` 0 and infinity, which no ratio passes.

    Raises ``InputError`` for bounds that do not enclose 1, NaN included.
    """
    low, high = clip_low or 0.0, clip_high or 0.0
    if not (0 <= low < 1 and high >= 0):
        bounds = (f"clip_low={clip_low}", "0 <= clip_low < 1"), (f"clip_high={clip_high}", "clip_high >= 0")
        bounds_given = [words for words, bound in zip(bounds, (clip_low, clip_high), strict=True) if bound is not None]
        raise InputError(": expected ".join(" and ".join(words) for words in zip(*bounds_given, strict=True)))
    return 1 - low if clip_low is not None else 0.0, math.inf if clip_high is None else 1 + high
