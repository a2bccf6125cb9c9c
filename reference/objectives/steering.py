"""Steering: the terms that are added to a policy loss or to a reward so that the model stays what it was.

Where a term belongs is not a matter of taste. In the loss goes what has a gradient: value error, KL, NLL, entropy. In
the reward goes what only the sample has: its length, its score. Every coefficient is at least 0 and every term is given
in its natural sign; the signs are set here, once.

KL in the reward, three ways: ``kl_penalised_rewards`` takes it from a completion's one reward, before a group baseline;
``token_rewards`` spreads it over the tokens, for returns and GAE; ``kl_charge`` takes it from advantages, after the
baseline.
"""

import math
from typing import Literal

import torch

from .masking import sequence_sum
from .shapes import (
    Float,
    InputError,
    Int,
    Shaped,
    Tensor,
    at_least_float32,
    kept,
    require_at_least,
    require_finite,
    require_no_nan,
    require_positive,
    typed,
)

Scalar = Float[Tensor, ""]


@typed
def total_loss(
    policy_loss: Scalar,
    *,
    value_loss: Scalar | None = None,
    vf_coef: float = 0.0,
    kl: Scalar | None = None,
    kl_coef: float = 0.0,
    sft_loss: Scalar | None = None,
    sft_coef: float = 0.0,
    entropy: Scalar | None = None,
    entropy_coef: float = 0.0,
    length_penalty: Tensor | float | None = None,
) -> Scalar:
    """Everything that one optimizer step minimises.

        policy + vf_coef * value + kl_coef * KL + sft_coef * NLL - entropy_coef * H

    Each term is an aggregated scalar in its natural sign: value error, NLL and entropy are never negative (a negative
    one is refused, its sign is wrong), a sampled KL may be. Entropy is subtracted: more of it is better. A term is
    given if and only if its coefficient is not 0, and it must have a gradient wherever policy_loss has one.

    ``length_penalty`` is always refused: the length of a sample is no function of the weights, its gradient is 0 and a
    length term in the loss does nothing; ``length_penalised_rewards`` does. Raises ``InputError`` for all of these and
    for NaN. PPO (1707.06347, eq. 9) for value and entropy, InstructGPT (2203.02155, eq. 2) for an NLL term (there on
    pretraining data). TRL, verl, OpenRLHF and slime all subtract the entropy; none of them has a length term in the
    loss.

    Entropy makes the loss smaller, because more of it is better: 1 - 0.25 * 2:
    >>> total_loss(torch.tensor(1.0), entropy=torch.tensor(2.0), entropy_coef=0.25).item()
    0.5
    """
    if length_penalty is not None:
        raise InputError(
            "length_penalty has no gradient: the length of a sample does not depend on the weights; "
            "put it in the reward with length_penalised_rewards or soft_overlong_penalty"
        )
    require_no_nan(policy_loss, "policy_loss")
    total = policy_loss
    total = add(total, value_loss, "value_loss", vf_coef, "vf_coef")
    total = add(total, kl, "kl", kl_coef, "kl_coef", may_be_negative=True)
    total = add(total, sft_loss, "sft_loss", sft_coef, "sft_coef")
    return add(total, entropy, "entropy", entropy_coef, "entropy_coef", sign=-1)


@typed
@torch.no_grad()
def kl_penalised_rewards(
    rewards: Float[Tensor, " batch"],
    kl: Float[Tensor, "batch pred"],
    mask: Shaped[Tensor, "batch pred"],
    *,
    kl_coef: float,
) -> Float[Tensor, " batch"]:
    """Rewards minus the KL sample of the whole completion: what a group baseline should see.

        r - kl_coef * sum_t m * kl_t

    ``kl`` per token, from ``kl_k1``: with it the policy gradient of this reward is the exact gradient of reward minus
    kl_coef * KL(pi || ref). Nats per sequence, so a long completion pays more. Apply it *before* the baseline (TRL's
    RLOO, verl's ``use_kl_in_reward`` with GRPO and RLOO); divided by a group std afterwards, the penalty is scaled
    along with the reward. Per token and to go: ``token_rewards`` and ``kl_charge``. Raises ``InputError`` for NaN, an
    infinite KL and a negative coefficient.

    The KL is summed, not averaged: at 1 nat per token, two tokens pay twice what one token pays:
    >>> kl_penalised_rewards(torch.ones(2), torch.ones(2, 2), torch.tensor([[1, 1], [1, 0]]), kl_coef=0.25).tolist()
    [0.5, 0.75]
    """
    require_at_least(kl_coef, "kl_coef", 0)
    require_no_nan(rewards, "rewards")
    require_finite(kl, "kl", mask=kept(mask))
    return rewards - kl_coef * sequence_sum(kl, mask)


@typed
def kl_charge(
    kl: Float[Tensor, "batch pred"],
    mask: Shaped[Tensor, "batch pred"],
    *,
    credit: Literal["own", "to_go", "sequence"] = "to_go",
) -> Float[Tensor, "batch pred"]:
    """KL in the reward: the nats that each token's advantage is charged with. Subtract kl_coef times it. A constant.

        own:  kl_t          to_go:  sum of kl_s for s >= t          sequence:  sum of all kl_s of the row

    With k1, "to_go" and "sequence" give exactly the gradient of the sequence KL(pi || ref), "to_go" as a rule with less
    variance; "own" gives the myopic one. No other estimator is right in the reward: k3's expected gradient can point
    uphill. 0 where the mask is 0. "to_go": PPO, verl's GAE, OpenRLHF and slime's REINFORCE++ through the return
    (``token_rewards``); "sequence": TRL's RLOO and verl's GRPO and RLOO, charged before the baseline
    (``kl_penalised_rewards``); "own": NeMo-RL's REINFORCE++ and slime's REINFORCE++-baseline. Raises ``InputError`` for
    kept NaN.

    By default "to_go": the first token is charged with its own and all that follows, the last with its own only:
    >>> kl_charge(torch.tensor([[1.0, 2.0, 4.0]]), torch.ones(1, 3)).tolist()
    [[7.0, 6.0, 4.0]]
    """
    keep = kept(mask)
    require_no_nan(kl, "kl", mask=keep)
    own = torch.where(keep, at_least_float32(kl.detach()), 0.0)
    charge = {
        "own": lambda: own,
        "to_go": lambda: own.flip(1).cumsum(dim=1).flip(1),
        "sequence": lambda: own.sum(dim=1, keepdim=True).expand_as(own),
    }[credit]()
    return torch.where(keep, charge, 0.0)


@typed
def adaptive_kl_coef(kl_coef: float, observed_kl: float, *, target: float, horizon: float, num_samples: int) -> float:
    """The next coefficient of a KL penalty that steers the observed KL to a target.

        error = clip(observed_kl / target - 1, -0.2, 0.2)          kl_coef * (1 + error * num_samples / horizon)

    ``observed_kl`` and ``target`` in the same unit: nats per sequence in the paper, per token in verl and OpenRLHF.
    ``num_samples``: completions since the last call; ``horizon``: completions over which a full error multiplies the
    coefficient by about 1.2 (or 0.8). Raises ``InputError`` for a negative coefficient, a target, horizon or count not
    above 0, a KL that is not finite, and 5 horizons or more in one call, which could turn the penalty into a reward.
    Ziegler et al. (1909.08593, sec. 2.2), with a constant 0.1 in the place of num_samples / horizon, which is the form
    of verl ``kl_ctrl.type=adaptive`` (target 0.1, horizon 10000; fixed is its default) and of OpenRLHF's
    ``AdaptiveKLController``, which ``algo.kl.target`` switches on although a comment in its trainer (0.11.2) says that
    it is incompatible there.

    A KL of ten times the target counts as 20 % above it, so over half a horizon the coefficient grows by 10 %:
    >>> round(adaptive_kl_coef(0.5, 10.0, target=1.0, horizon=100.0, num_samples=50), 2)
    0.55
    """
    require_at_least(kl_coef, "kl_coef", 0)
    require_positive(target, "target")
    require_positive(horizon, "horizon")
    require_positive(num_samples, "num_samples")
    if not math.isfinite(observed_kl):
        raise InputError(f"observed_kl is {observed_kl}, expected a finite number of nats")
    if num_samples >= 5 * horizon:
        raise InputError(
            f"num_samples is {num_samples} and horizon {horizon:g}: kl_coef could fall to 0 or below; "
            "update at least once in 5 horizons"
        )
    error = min(max(observed_kl / target - 1, -0.2), 0.2)
    return kl_coef * (1 + error * num_samples / horizon)


@typed
@torch.no_grad()
def length_penalised_rewards(
    rewards: Float[Tensor, " batch"], lengths: Int[Tensor, " batch"], *, length_coef: float, max_length: int
) -> Float[Tensor, " batch"]:
    """Rewards minus a price per token: a completion of the full budget pays length_coef.

        r - length_coef * length / max_length

    ``lengths``: kept tokens of each completion, ``mask.sum(dim=1)``. Within a group the shorter of two right answers
    wins; so does the shorter of two wrong ones, which is why long-answer tasks prefer ``soft_overlong_penalty``. Raises
    ``InputError`` for a negative coefficient, NaN rewards, and lengths outside [0, max_length].

    Of two wrong answers (reward 0) the shorter one wins:
    >>> length_penalised_rewards(torch.zeros(2), torch.tensor([25, 50]), length_coef=0.5, max_length=100).tolist()
    [-0.125, -0.25]
    """
    require_at_least(length_coef, "length_coef", 0)
    require_no_nan(rewards, "rewards")
    require_lengths(lengths, max_length)
    return rewards - length_coef * lengths.to(at_least_float32(rewards).dtype) / max_length


@typed
@torch.no_grad()
def soft_overlong_penalty(lengths: Int[Tensor, " batch"], *, max_length: int, buffer: int) -> Float[Tensor, " batch"]:
    """DAPO's soft overlong punishment, to *add* to rewards: 0, then falling to -1 over the last ``buffer`` tokens.

        0                                            length <= max_length - buffer
        (max_length - buffer - length) / buffer      up to max_length
        -1                                           beyond

    DAPO (2503.14476, eq. 13); TRL ``get_soft_overlong_punishment``, verl ``overlong_buffer_cfg``, OpenRLHF's overlong
    penalty; both scale it by a factor, and verl's goes on below -1. In float32. The alternative is to leave truncated
    rows out of the loss: ``overlong_mask``. Raises ``InputError`` unless 0 < buffer <= max_length and lengths are at
    least 0.

    At most 0, so it is added. A buffer of 20 is the last part of the 100 tokens, not something after them:
    >>> soft_overlong_penalty(torch.tensor([80, 90, 100, 120]), max_length=100, buffer=20).tolist()
    [0.0, -0.5, -1.0, -1.0]
    """
    if not 0 < buffer <= max_length:
        raise InputError(f"buffer={buffer} and max_length={max_length}: expected 0 < buffer <= max_length, in tokens")
    require_lengths(lengths, None)
    return ((max_length - buffer - lengths) / buffer).clamp(-1, 0)


def add(
    total: Tensor,
    term: Tensor | None,
    name: str,
    coef: float,
    coef_name: str,
    *,
    sign: int = 1,
    may_be_negative: bool = False,
) -> Tensor:
    """The total with one more term, or why it cannot be added."""
    require_at_least(coef, coef_name, 0)
    if (term is None) != (coef == 0):
        state = "missing" if term is None else "given"
        raise InputError(f"{coef_name} is {coef} and {name} is {state}: pass both, or neither")
    if term is None:
        return total
    require_no_nan(term, name)
    if term < 0 and not may_be_negative:
        raise InputError(
            f"{name} is {term.item():g}, but it can never be below 0: pass it with its natural sign, not negated"
        )
    if total.requires_grad and not term.requires_grad:
        raise InputError(
            f"{name} has no gradient, and a constant in the loss steers nothing: pass it undetached "
            "(the functions of scalars are for logging)"
        )
    return total + sign * coef * term


def require_lengths(lengths: Tensor, max_length: int | None) -> None:
    if max_length is not None and max_length < 1:
        raise InputError(f"max_length is {max_length}, expected the generation budget in tokens, at least 1")
    if (lengths < 0).any() or (max_length is not None and (lengths > max_length).any()):
        limit = "at least 0" if max_length is None else f"0 to max_length = {max_length}"
        raise InputError(f"lengths runs from {int(lengths.min())} to {int(lengths.max())}, expected {limit}")
