"""Newer policy losses of a token's ratio: what they put in the place of PPO's clip.

SAPO has a smooth gate, DPPO a bound on probabilities instead of on ratios. What is said in ``policy`` holds here too:
losses come per token, unaggregated, and are minimised; ``advantages`` are constants.
"""

from typing import Literal

import torch

from .policy import ratio, reinforce_loss
from .shapes import Float, Tensor, at_least_float32, clamped, require_at_least, require_positive, tamed, typed


@typed
def sapo_loss(
    token_logprobs: Float[Tensor, "batch pred"],
    old_logprobs: Float[Tensor, "batch pred"],
    advantages: Float[Tensor, "batch #pred"],
    *,
    tau_positive: float = 1.0,
    tau_negative: float = 1.05,
) -> Float[Tensor, "batch pred"]:
    """SAPO: a smooth gate in the place of PPO's clip: far from the old policy a token's gradient fades, at no bound.

        r = exp(logp - old_logp)          tau = tau_positive where A > 0, else tau_negative
        s = sigmoid(tau * (r - 1))          loss = -A * 4 / tau * s
        gradient: -A * r * 4 * s * (1 - s) * grad(logp)

    At r = 1 the gradient is -A * grad(logp), whatever tau is. The gate's slope 4 * s * (1 - s) falls on both sides of
    1, also where PPO would bring a token back. Its product with r first grows: for tau = 1 the gradient is largest at
    r = 2.06, with 1.57 * |A|, and goes to 0 beyond. With a larger ``tau`` (no unit) it does so earlier. The loss at
    r = 1, -2 * A / tau, is a number without a meaning.

    At r = 1 the gate's slope is 1; at r = 3 and tau = 1 it is 4 * 0.8808 * 0.1192 = 0.42, which the ratio multiplies:
    >>> token_logprobs = torch.tensor([[0.2, 0.6]]).log().requires_grad_()
    >>> sapo_loss(token_logprobs, torch.tensor([[0.2, 0.2]]).log(), torch.ones(1, 1)).sum().backward()
    >>> token_logprobs.grad.round(decimals=2)
    tensor([[-1.0000, -1.2600]])

    SAPO (2511.20347, eq. 5-6). One name, two means. ``sequence_mean`` of it is what TRL 1.16, ms-swift 4.6.0 and liger
    0.8.5 compute (``loss_type="sapo"``), and verl 0.9.1 whatever its ``loss_agg_mode`` is. ``token_mean`` is AReaL
    1.0.4 (``use_sapo_loss``), always, and SkyRL 0.3.0 unless told otherwise. verl and SkyRL clamp the log-ratio to
    +-20. TRL's tau is a float32; its gate of a whole completion takes ``sequence_ratio`` for r. Raises ``InputError``
    for a tau that is not above 0.
    """
    require_positive(tau_positive, "tau_positive")
    require_positive(tau_negative, "tau_negative")
    number = token_logprobs.new_tensor  # of two plain numbers, torch.where makes float32
    tau = torch.where(advantages > 0, number(tau_positive), number(tau_negative))
    gate = (tau * (ratio(token_logprobs, old_logprobs) - 1)).sigmoid()
    return -advantages.detach() * 4 / tau * gate


@typed
def dppo_loss(
    token_logprobs: Float[Tensor, "batch pred"],
    old_logprobs: Float[Tensor, "batch pred"],
    advantages: Float[Tensor, "batch #pred"],
    *,
    delta_low: float,
    delta_high: float,
    divergence: Literal["tv", "kl"] = "tv",
    ratio_cap: float | None = None,
) -> Float[Tensor, "batch pred"]:
    """DPPO: a token stops once its *probability* has moved too far in the direction that A asks for.

        p = exp(logp), o = exp(old_logp)          tv: D = |p - o|
        kl: D = o * log(o / p) + (1 - o) * log((1 - o) / (1 - p)), in nats
        stopped: A > 0, p > o and D > delta_high, or A < 0, p < o and D > delta_low; its loss is 0
        else: loss = -A * p / o          with ratio_cap: -A * detach(min(p / o, ratio_cap)) * logp

    D is the divergence of "this token or another" from the old policy to the new one. PPO's clip stops a rare token
    that went from 1e-5 to 1e-3; D does not. Only ``ratio_cap`` limits a large ratio, as a bound on the weight as in
    ``cispo_loss``. Up to the cap both forms have the same gradient, -A * p / o * grad(logp), and different values.

    Both tokens doubled. The rare one goes on; the other one moved by 0.4, so it has a loss of 0 and no gradient:
    >>> now, before = torch.tensor([[0.02, 0.8]]).log(), torch.tensor([[0.01, 0.4]]).log()
    >>> dppo_loss(now, before, torch.ones(1, 1), delta_low=0.15, delta_high=0.15).round(decimals=2)
    tensor([[-2., 0.]])

    DPPO (2602.04879), with its binary divergences. There is no default bound, because the two divergences need
    different ones: verl's example script has 0.15 for tv and 0.05 for kl. SkyRL 0.3.0 (``policy_loss_type="dppo"``, 0.2
    for both unless told otherwise) has no cap; verl 0.9.1 (``dppo_tv``, ``dppo_kl``) has the form with the cap
    ``clip_ratio_c``, 3 as configured, and takes its bounds from PPO's clip, 0.2. Where it has them, SkyRL takes the
    *sampler's* log-probs for ``old_logprobs``; verl takes the trainer's. With the sampler's the ratio corrects for the
    sampler already: a ``sampler_correction`` on top would correct twice. Both add 1e-8 inside log(1 - p), which is
    exact here. Raises ``InputError`` for negative bounds and for a cap below 1.
    """
    require_at_least(delta_low, "delta_low", 0)
    require_at_least(delta_high, "delta_high", 0)
    stopped = too_far(token_logprobs, old_logprobs, advantages, delta_low, delta_high, divergence)
    r = ratio(token_logprobs, old_logprobs)
    if ratio_cap is None:
        return torch.where(stopped, 0.0, -advantages.detach() * r)
    require_at_least(ratio_cap, "ratio_cap", 1)
    weight = clamped(r, 0.0, ratio_cap)  # a constant in reinforce_loss
    return torch.where(stopped, 0.0, reinforce_loss(tamed(token_logprobs), weight * advantages))


def too_far(
    logp: Tensor, old_logp: Tensor, advantages: Tensor, delta_low: float, delta_high: float, divergence: str
) -> Tensor:
    """DPPO's mask: where a probability has moved beyond the bound, in the direction that the advantage asks for."""
    logp, old_logp = at_least_float32(logp).clamp(max=0), at_least_float32(old_logp).clamp(max=0)
    p, o = logp.exp(), old_logp.exp()
    moved = (p - o).abs()
    if divergence == "kl":  # a part whose old probability is 0 adds nothing, whatever its logarithm is
        others = (1 - o) * ((-torch.expm1(old_logp)).log() - (-torch.expm1(logp)).log())
        moved = torch.where(o > 0, o * (old_logp - logp), 0.0) + torch.where(o < 1, others, 0.0)
    up, down = (advantages > 0) & (logp > old_logp), (advantages < 0) & (logp < old_logp)
    return (up & (moved > delta_high)) | (down & (moved > delta_low))
