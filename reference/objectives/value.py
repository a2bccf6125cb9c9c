"""The critic: what the value head is fitted to, and how well it does.

V(s_t) is the expected return from the prefix before token t + 1. Its target is a constant: Monte Carlo returns
(``discounted_returns``) or lambda-returns (``gae(...) + values``).
"""

import torch

from .shapes import (
    Float,
    InputError,
    Shaped,
    Tensor,
    at_least_float32,
    clamped,
    kept,
    require_finite,
    require_positive,
    tamed,
    typed,
)


@typed
def value_loss(
    values: Float[Tensor, "batch pred"],
    returns: Float[Tensor, "batch pred"],
    *,
    old_values: Float[Tensor, "batch pred"] | None = None,
    clip: float | None = None,
) -> Float[Tensor, "batch pred"]:
    """Half the squared error of the critic, a loss per token in at least float32; its gradient is values - returns.

        0.5 * (V - R)^2                                             clip=None
        0.5 * max((V - R)^2, (V_clip - R)^2)                        V_clip = old_V + clip(V - old_V, -clip, clip)

    The 0.5 makes the gradient the error itself. It rescales vf_coef, nothing else; with a separate critic under Adam
    not even that, with a shared trunk it changes the balance between policy and value. Clipped, the gradient is 0 where
    V has left old_V by more than ``clip`` *and* the clipped value is the worse of the two: also when V has overshot R.
    Aggregate it with ``token_mean``; ``returns`` and ``old_values`` are constants. Raises ``InputError`` for one of
    old_values and clip without the other. PPO (1707.06347, eq. 9, there without the 0.5); the clip is from OpenAI
    baselines. TRL ``cliprange_value`` 0.2 (PPO, up to 1.12), verl 0.5, OpenRLHF ``value_clip`` 0.5, NeMo-RL, all with
    the 0.5; slime without it.

    A critic that has moved by 1 where 0.5 is allowed pays for the clipped value, although it is right now:
    >>> value_loss(torch.ones(1, 1), torch.ones(1, 1), old_values=torch.zeros(1, 1), clip=0.5).tolist()
    [[0.125]]
    """
    if (old_values is None) != (clip is None):
        raise InputError("old_values and clip belong together: pass both to clip the value loss, or neither")
    values, target = at_least_float32(values), at_least_float32(returns.detach())
    error = tamed(values - target) ** 2
    if clip is not None and old_values is not None:
        require_positive(clip, "clip")
        old = at_least_float32(old_values.detach())
        clipped = old + clamped(values - old, -clip, clip)
        error = torch.maximum(error, tamed(clipped - target) ** 2)
    return 0.5 * error


@typed
@torch.no_grad()
def explained_variance(
    values: Float[Tensor, "batch pred"], returns: Float[Tensor, "batch pred"], mask: Shaped[Tensor, "batch pred"]
) -> Float[Tensor, ""]:
    """Share of the variance of the returns that the critic explains, over the kept tokens.

        1 - Var(R - V) / Var(R)

    1 is a perfect critic, 0 no better than a constant, below 0 worse. A constant offset of V costs nothing here. NaN
    when all returns are equal: there is nothing to explain, as in CleanRL and Stable-Baselines3. TRL's and OpenRLHF's
    PPO do not log it, verl does (``critic/vf_explained_var``, with 1e-5 added to Var(R)). Raises ``InputError`` for an
    empty mask and for a kept NaN or infinity.

    A critic that is 10 too high everywhere explains all of it:
    >>> explained_variance(torch.tensor([[11.0, 12.0, 13.0]]), torch.tensor([[1.0, 2.0, 3.0]]), torch.ones(1, 3)).item()
    1.0
    """
    keep = kept(mask)
    require_finite(values, "values", mask=keep)
    require_finite(returns, "returns", mask=keep)
    if not keep.any():
        raise InputError("mask keeps no token, so there are no values to compare with returns")
    v, target = at_least_float32(values[keep]), at_least_float32(returns[keep])
    if target.amax() == target.amin():
        return torch.full_like(target[0], torch.nan)
    return 1 - (target - v).var(correction=0) / target.var(correction=0)
