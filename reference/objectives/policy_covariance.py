"""Policy losses that look for the few tokens which lower the entropy most: those of high covariance.

A likely token with a large advantage, or an unlikely one with a small advantage, makes the distribution more peaked.
Clip-Cov leaves some of these tokens out, KL-Cov holds them where they are. What is said in ``policy`` holds here too.
"""

import torch

from .masking import masked_mean
from .policy import clip_range, ppo_clip_loss, ratio
from .shapes import (
    Float,
    InputError,
    Shaped,
    Tensor,
    at_least_float32,
    kept,
    require_at_least,
    require_finite,
    require_log_ratio,
    tamed,
    typed,
)


@typed
def clip_cov_loss(
    token_logprobs: Float[Tensor, "batch pred"],
    old_logprobs: Float[Tensor, "batch pred"],
    advantages: Float[Tensor, "batch #pred"],
    mask: Shaped[Tensor, "batch pred"],
    scores: Float[Tensor, "batch pred"],
    *,
    share: float,
    cov_low: float = 1.0,
    cov_high: float = 5.0,
    clip_low: float | None = 0.2,
    clip_high: float | None = 0.2,
) -> Float[Tensor, "batch pred"]:
    """Clip-Cov: PPO's clipped loss without a few random tokens, whose log-prob and advantage are both above average.

        cov = (A - mean(A)) * (logp - mean(logp)), in nats; means over the kept tokens
        candidates: cov_low < cov < cov_high, kept, and not stopped by the clip
        loss = 0 for the max(1, floor(share * kept tokens)) candidates of the highest scores, else ppo_clip_loss

    Likely tokens of large advantage lower the entropy most; the bounds leave the largest out. ``scores`` are numbers
    that the caller draws, such as ``torch.rand``: nothing is drawn in here. Chosen tokens stay in the divisor of a
    mean.

    Of four tokens the first has cov 1 * 0.69, the only one above 0.5, and is taken out; the others have PPO's loss:
    >>> logprobs, advantages = torch.tensor([[0.5, 0.125, 0.25, 0.25]]).log(), torch.tensor([[1.0, 0.0, 0.0, -1.0]])
    >>> options = {"share": 0.25, "cov_low": 0.5, "cov_high": 0.9}
    >>> clip_cov_loss(logprobs, logprobs, advantages, torch.ones(1, 4), torch.rand(1, 4), **options)[0, [0, 3]].tolist()
    [0.0, 1.0]

    Clip-Cov (2505.22617); verl 0.9.1 and SkyRL 0.3.0 ``clip_cov``, with a share of 0.0002 in verl, and the bounds 1 and
    5. Both draw inside of the loss. Means and counts are those of the tokens given: a micro-batch has its own, and one
    token is always taken where there is a candidate. SkyRL's advantages have been divided by the number of tokens
    before, so its bounds mean something else. Raises ``InputError`` for a share outside of 0 to 1, bounds in the wrong
    order, kept numbers that are not finite, and clip bounds that do not enclose 1.
    """
    if not cov_low < cov_high:
        raise InputError(f"cov_low={cov_low} and cov_high={cov_high}: expected cov_low < cov_high")
    keep = kept(mask)
    require_log_ratio(token_logprobs, old_logprobs, ("token_logprobs", "old_logprobs"), mask=keep)
    require_finite(scores, "scores", mask=keep)
    loss = ppo_clip_loss(token_logprobs, old_logprobs, advantages, clip_low=clip_low, clip_high=clip_high)
    cov = covariance(token_logprobs, advantages, mask)
    r, (least, most) = ratio(token_logprobs, old_logprobs), clip_range(clip_low, clip_high)
    stopped = ((advantages > 0) & (r > most)) | ((advantages < 0) & (r < least))
    candidates = keep & (cov > cov_low) & (cov < cov_high) & ~stopped
    return torch.where(highest(scores, candidates, share_of(keep, share)), 0.0, loss)


@typed
def kl_cov_loss(
    token_logprobs: Float[Tensor, "batch pred"],
    old_logprobs: Float[Tensor, "batch pred"],
    advantages: Float[Tensor, "batch #pred"],
    mask: Shaped[Tensor, "batch pred"],
    *,
    share: float,
    coef: float,
) -> Float[Tensor, "batch pred"]:
    """KL-Cov: nothing is clipped, but the tokens whose log-prob and advantage covary most are held where they were.

        cov = (A - mean(A)) * (logp - mean(logp)), in nats; means over the kept tokens
        loss = -A * r + coef * |logp - old_logp|  for the max(1, floor(share * kept tokens)) tokens of the largest cov
        loss = -A * r                             elsewhere

    The penalty holds a token where the old policy had it: its gradient is +-coef, and 0 while logp is old_logp, as in
    the first step on a batch. ``coef`` is per nat. Of equal covariances any may be chosen.

    The first token has the largest cov, 1 * 0.69. Its ratio is 2, and log 2 = 0.69 is added to its loss of -2:
    >>> now, before = torch.tensor([[0.5, 0.125]]).log(), torch.tensor([[0.25, 0.125]]).log()
    >>> kl_cov_loss(now, before, torch.tensor([[1.0, -1.0]]), torch.ones(1, 2), share=0.5, coef=1.0).round(decimals=2)
    tensor([[-1.3100, 1.0000]])

    KL-Cov (2505.22617); verl 0.9.1 and SkyRL 0.3.0 ``kl_cov``. Share and coefficient have no default, because there is
    none in common: 0.0002 and 0.1 in verl's configuration, 0.2 and 1.0 in SkyRL, where moreover the advantages have
    been divided by the number of tokens and the penalty has not. Means and counts are those of the tokens given, so a
    micro-batch has its own. Raises ``InputError`` for a share outside of 0 to 1, a negative coefficient, and kept
    numbers that are not finite.
    """
    require_at_least(coef, "coef", 0)
    keep = kept(mask)
    require_log_ratio(token_logprobs, old_logprobs, ("token_logprobs", "old_logprobs"), mask=keep)
    cov = covariance(token_logprobs, advantages, mask)
    penalty = coef * tamed(token_logprobs - old_logprobs).abs()
    loss = -advantages.detach() * ratio(token_logprobs, old_logprobs)
    return loss + torch.where(highest(cov, keep, share_of(keep, share)), penalty, 0.0)


def covariance(logp: Tensor, advantages: Tensor, mask: Tensor) -> Tensor:
    """(A - mean A) * (logp - mean logp) of every token, in at least float32; the means are over the kept tokens."""
    logp, advantages = at_least_float32(logp), at_least_float32(advantages).expand(mask.shape)
    require_finite(logp, "token_logprobs", mask=kept(mask))
    require_finite(advantages, "advantages", mask=kept(mask))
    return (advantages - masked_mean(advantages, mask)) * (logp - masked_mean(logp, mask))


def share_of(keep: Tensor, share: float) -> int:
    """How many tokens a share of the kept ones is, at least one."""
    require_at_least(share, "share", 0, 1)
    return max(1, int(share * int(keep.sum())))


def highest(x: Tensor, among: Tensor, count: int) -> Tensor:
    """Where the ``count`` largest entries of ``x`` are, of those where ``among`` is true: a mask."""
    count = min(count, int(among.sum()))
    places = torch.where(among, x, -torch.inf).flatten().topk(count).indices
    return torch.zeros_like(among).flatten().index_fill(0, places, True).view(among.shape)
