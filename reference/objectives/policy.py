"""Policy losses: how far one batch of samples may move the policy.

Losses come per token, unaggregated, on the prediction axis, and are minimised. What they are summed with and divided
by is ``masking``'s business.
"""

import torch

from .shapes import Float, InputError, Tensor, bounded, typed


@typed
def ratio(
    token_logprobs: Float[Tensor, "batch pred"], old_logprobs: Float[Tensor, "batch pred"]
) -> Float[Tensor, "batch pred"]:
    """Importance ratio pi(token) / pi_old(token) = exp(logp - old_logp): 1 for every token before the first update.

    ``old_logprobs`` are those of the policy that sampled. PPO (1707.06347, sec. 3). The difference is capped before exp
    can overflow (at 66 nats in float32); verl and OpenRLHF clamp it to +-20, TRL not at all.
    A masked-out log-prob of inf or NaN leaves no gradient; an advantage must be finite everywhere, padding included.
    """
    return bounded(token_logprobs - old_logprobs).exp()


@typed
def ppo_clip_loss(
    token_logprobs: Float[Tensor, "batch pred"],
    old_logprobs: Float[Tensor, "batch pred"],
    advantages: Float[Tensor, "batch #pred"],
    *,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
) -> Float[Tensor, "batch pred"]:
    """PPO's clipped surrogate as a loss per token.

        r = exp(logp - old_logp)
        loss = max(-A * r, -A * clip(r, 1 - clip_low, 1 + clip_high)) = -min(A * r, A * clip(r))

    The gradient is zero only where r has already gone too far in the direction A asks for: A > 0 and r > 1 + clip_high,
    or A < 0 and r < 1 - clip_low. In the other two quadrants it stays, or a policy that moved the wrong way could not
    come back. At r = 1 the loss is -A and its gradient -A * grad(logp): a loss that averages to 0 still trains.

    ``advantages``: (batch, pred) per token, or (batch, 1) for one per completion as in GRPO. They are constants: no
    gradient flows into them.
    Source: PPO (1707.06347, eq. 7); clip_high > clip_low is DAPO's clip-higher (2503.14476, eq. 10). TRL ``epsilon``
    and ``epsilon_high``, verl ``clip_ratio_low`` and ``clip_ratio_high`` (there a third bound for A < 0, dual clip,
    is on by default).
    """
    require_clip(clip_low, clip_high)
    advantages = advantages.detach()
    r = ratio(token_logprobs, old_logprobs)
    return torch.maximum(-advantages * r, -advantages * r.clamp(1 - clip_low, 1 + clip_high))


def require_clip(clip_low: float, clip_high: float) -> None:
    """Refuse bounds that do not enclose 1, NaN included."""
    if not (0 <= clip_low < 1 and clip_high >= 0):
        raise InputError(
            f"clip_low={clip_low} and clip_high={clip_high}: expected 0 <= clip_low < 1 and clip_high >= 0"
        )
