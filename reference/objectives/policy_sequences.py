"""Newer policy losses of one ratio per completion: how it is made of the tokens' ratios, and what it weighs.

They give every token of a row what belongs to the row, so that a mean over rows or tokens finishes them; each docstring
says which. What is said in ``policy`` holds here too: losses are minimised, and advantages are constants.
"""

import math

import torch

from .logprobs import sequence_logprobs
from .masking import sequence_sum
from .policy import gspo_loss, reinforce_loss
from .shapes import (
    Float,
    Shaped,
    Tensor,
    bounded,
    clamped,
    kept,
    require_at_least,
    require_log_ratio,
    tamed,
    typed,
)


@typed
def gmpo_loss(
    token_logprobs: Float[Tensor, "batch pred"],
    old_logprobs: Float[Tensor, "batch pred"],
    advantages: Float[Tensor, "batch 1"],
    mask: Shaped[Tensor, "batch pred"],
    *,
    log_clip_low: float = 0.4,
    log_clip_high: float = 0.4,
) -> Float[Tensor, "batch pred"]:
    """GMPO: the geometric mean of the ratios of a completion's tokens, each limited before it is taken.

        d = logp - old_logp          g = min(d, log_clip_high) where A > 0, else max(d, -log_clip_low)
        G = exp( sum_t m * g / sum_t m )          loss = -A * G, for all tokens

    ``sequence_mean`` of it is the paper's objective. Its gradient is -A * G / length for every token inside of the
    bounds and 0 for a clipped one, which still counts in G and in the length. The clip is one-sided as PPO's: a token
    that moved against its advantage keeps its gradient. GSPO (``gspo_loss``) clips the mean instead, and so a
    completion whole. The bounds are in nats: 0.4 holds ratios below exp(0.4) = 1.49 where A > 0, else above 0.67.

    Ratios of 1 and 4, of which 4 is clipped to 2 (log 2 = 0.6931): the geometric mean is sqrt(2), and not 2:
    >>> now, before = torch.tensor([[0.5, 0.4]]).log(), torch.tensor([[0.5, 0.1]]).log()
    >>> gmpo_loss(now, before, torch.ones(1, 1), torch.ones(1, 2), log_clip_high=0.6931).round(decimals=2)
    tensor([[-1.4100, -1.4100]])

    GMPO (2507.20673), which advises 0.4, as TRL 1.16's ``GMPOTrainer`` takes it. verl 0.9.1 ``geo_mean`` has 0.2, its
    clip of PPO, in nats too, and takes the mean over the rows of a micro-batch whatever ``loss_agg_mode`` is: the more
    micro-batches, the larger the gradient. Both count rows without kept
    tokens, as ``sequence_mean`` does with ``num_sequences``. Raises ``InputError`` for negative bounds and kept NaN.
    """
    require_at_least(log_clip_low, "log_clip_low", 0)
    require_at_least(log_clip_high, "log_clip_high", 0)
    require_log_ratio(token_logprobs, old_logprobs, ("token_logprobs", "old_logprobs"), mask=kept(mask))
    d = token_logprobs - old_logprobs
    lowest, highest = clamped(d, -log_clip_low, math.inf), clamped(d, -math.inf, log_clip_high)
    g = torch.where(advantages > 0, highest, lowest)
    mean = bounded(sequence_logprobs(g, mask, average=True)).exp()[:, None]
    return (-advantages.detach() * mean).expand(mask.shape)


@typed
def luspo_loss(
    token_logprobs: Float[Tensor, "batch pred"],
    old_logprobs: Float[Tensor, "batch pred"],
    advantages: Float[Tensor, "batch 1"],
    mask: Shaped[Tensor, "batch pred"],
    *,
    clip_low: float | None = 2e-3,
    clip_high: float | None = 2.5e-3,
) -> Float[Tensor, "batch pred"]:
    """LUSPO: GSPO's loss of a completion times its length, so that every token of every completion weighs the same.

        s = sequence_ratio          loss = length * max(-A * s, -A * clip(s, 1 - clip_low, 1 + clip_high))

    ``sequence_mean`` of it is the paper's objective: a gradient of -A * s / rows for each token, where GSPO's is that
    over the length. A length is the number of kept tokens. Both are
    the same for completions of one token.

    GSPO's loss is -1 for both completions; the one of two tokens counts twice:
    >>> logprobs, mask = torch.zeros(2, 2), torch.tensor([[1, 1], [1, 0]])
    >>> luspo_loss(logprobs, logprobs, torch.ones(2, 1), mask)[:, 0].tolist()
    [-2.0, -1.0]

    LUSPO (2602.05261), with the bounds that TRL's paper index gives from its sec. 5.1. TRL 1.16 and liger 0.8.5
    ``loss_type="luspo"`` are this only with ``importance_sampling_level="sequence"``. At their default, "token", TRL's
    is the mean over rows of each row's sum of ``ppo_clip_loss``, after a warning; liger trains padding there, and at both
    levels by its KL (``beta``). Their bounds stay 0.2 unless set. Both count rows without kept tokens, as
    ``sequence_mean`` does with ``num_sequences``. Raises ``InputError`` for kept NaN and for bounds that do not enclose
    1.
    """
    loss = gspo_loss(token_logprobs, old_logprobs, advantages, mask, clip_low=clip_low, clip_high=clip_high)
    return kept(mask).sum(dim=1, keepdim=True) * loss


@typed
def vespo_loss(
    token_logprobs: Float[Tensor, "batch pred"],
    old_logprobs: Float[Tensor, "batch pred"],
    advantages: Float[Tensor, "batch 1"],
    mask: Shaped[Tensor, "batch pred"],
    *,
    k_positive: float = 2.0,
    lambda_positive: float = 3.0,
    k_negative: float = 3.0,
    lambda_negative: float = 2.0,
) -> Float[Tensor, "batch pred"]:
    """VESPO: REINFORCE with a smooth weight of the completion's whole ratio, a constant that is 1 for a ratio of 1.

        W = exp( sum_t m * (logp - old_logp) )          k, lambda: the positive ones where A >= 0
        phi = detach(W^k * exp(lambda * (1 - W)))          loss = -phi * A * logp

    ``token_mean`` of it is what TRL and liger compute. phi is largest at W = k / lambda, not at 1: at 2/3 for A >= 0
    and at 3/2 for A < 0, so a bad completion that has become a little more likely is pushed down harder. Far from 1 phi
    goes to 0: the completion stops. W is the product of the ratios, so phi depends on the length. k = lambda = 0 is
    ``reinforce_loss``.

    Ratios of 2 and 1/2 have the product 1, so phi is 1; with 2 and 1 it is 2^2 * exp(-3) = 0.2, the weight of log 0.5:
    >>> now, before = torch.tensor([[0.5, 0.5], [0.5, 0.5]]).log(), torch.tensor([[0.25, 1.0], [0.25, 0.5]]).log()
    >>> vespo_loss(now, before, torch.ones(2, 1), torch.ones(2, 2))[:, 0].round(decimals=2)
    tensor([0.6900, 0.1400])

    VESPO (2602.10693); TRL 1.16 and liger 0.8.5 ``loss_type="vespo"``, from whose code formula and defaults are. They
    clamp log-ratios to +-20 and W from 1e-8 to exp(20), where phi is below 1e-14. To correct for the sampler, pass its
    log-probs as ``old_logprobs``; both multiply W with token weights instead, and one dropped token of weight 0 (TRL's
    mode "token_mask") takes its whole completion out. Raises ``InputError`` for negative k or lambda and for kept NaN.
    """
    for name, value in (("k_positive", k_positive), ("lambda_positive", lambda_positive)):
        require_at_least(value, name, 0)
    for name, value in (("k_negative", k_negative), ("lambda_negative", lambda_negative)):
        require_at_least(value, name, 0)
    require_log_ratio(token_logprobs, old_logprobs, ("token_logprobs", "old_logprobs"), mask=kept(mask))
    log_w = tamed(bounded(sequence_sum(token_logprobs.detach() - old_logprobs, mask)))[:, None]
    positive = log_w * k_positive + lambda_positive * (1 - log_w.exp())
    negative = log_w * k_negative + lambda_negative * (1 - log_w.exp())
    phi = torch.where(advantages >= 0, positive, negative).exp()
    return reinforce_loss(tamed(token_logprobs), phi * advantages)
