"""Returns and advantages of every token: what came after it, and how much better that was than the critic expected.

All on the prediction axis, all constants (nothing here passes a gradient on); returns and advantages in at least
float32. ``values[:, t]`` is V of the state *before* ``tokens[:, t + 1]`` is chosen, so it is read from the hidden state
at position t; a value read at the token itself depends on the action, and a baseline that does is biased.

Masked positions. Whatever the mask leaves out after a row's last kept token is padding: its rewards and values are
ignored. Between kept tokens it is what a tool or the environment wrote, and there are two ways to go across:

  masked="skip"    those positions are no steps: the next kept token follows at once (verl, NeMo-RL)
  masked="decay"   each is a step with reward 0 and the value given for it, and costs one gamma (and lambda). OpenRLHF
                   and slime run over all positions; OpenRLHF zeroes the values there: pass values * mask

How a row ends. ``bootstrap`` (batch,) is V of the state after the last kept token: 0 where the completion terminated
(the default), the critic's value where it was merely cut off. Bootstrapping with 0 where a completion was merely cut
off says that nothing would have followed: long completions look worse than they are where V > 0, better where V < 0.
With values at all T positions: ``bootstrap = torch.where(truncated, all_values[rows, last], 0)``, where ``last`` is the
index in ``tokens`` of the last kept token, and ``values = all_values[:, :-1]``.
"""

from typing import Literal

import torch

from .shapes import (
    Float,
    InputError,
    Shaped,
    Tensor,
    at_least_float32,
    kept,
    require_at_least,
    require_finite,
    require_no_nan,
    typed,
)

Crossing = Literal["skip", "decay"]


@typed
def token_rewards(
    rewards: Float[Tensor, " batch"],
    mask: Shaped[Tensor, "batch pred"],
    *,
    kl: Float[Tensor, "batch pred"] | None = None,
    kl_coef: float = 0.0,
) -> Float[Tensor, "batch pred"]:
    """One reward per completion as rewards per token: the score on the last kept token, minus kl_coef * kl on each.

        r[b, t] = rewards[b] * [t is the row's last kept token] - kl_coef * kl[b, t]

    Reward-to-go: ``discounted_returns(token_rewards(...), mask)``, the score minus ``kl_coef`` times the KL to go. Use
    k1: no other estimator is right in the reward (see the table at the top of ``kl``). 0 where the mask is 0; an empty
    row has no token to carry its reward. No gradient flows into it. InstructGPT (2203.02155, eq. 2). OpenRLHF places
    the score here; verl on the completion's last token: if a tool wrote that one, its GAE skips it and the score is
    lost; TRL's PPO (up to 1.12) one slot *after* EOS and makes the value mask one longer. Raises ``InputError`` for
    NaN, and for kl_coef without kl.

    The score of 1 is on the last kept token, which is not the last of the row; the KL is charged on each kept token:
    >>> token_rewards(torch.tensor([1.0]), torch.tensor([[0, 1, 1, 0]]), kl=torch.ones(1, 4), kl_coef=0.25).tolist()
    [[0.0, -0.25, 0.75, 0.0]]
    """
    keep = kept(mask)
    require_no_nan(rewards, "rewards")
    require_at_least(kl_coef, "kl_coef", 0)
    if (kl is None) != (kl_coef == 0):
        raise InputError(f"kl_coef is {kl_coef} and kl is {'missing' if kl is None else 'given'}: pass both or neither")
    last = keep & (keep.flip(1).cumsum(dim=1).flip(1) == 1)
    result = torch.where(last, rewards.detach()[:, None], 0.0)
    if kl is not None:
        require_no_nan(kl, "kl", mask=keep)
        result = result - kl_coef * torch.where(keep, kl.detach(), 0.0)
    return result


@typed
def discounted_returns(
    rewards: Float[Tensor, "batch pred"],
    mask: Shaped[Tensor, "batch pred"],
    *,
    gamma: float = 1.0,
    bootstrap: Float[Tensor, " batch"] | None = None,
    masked: Crossing = "skip",
) -> Float[Tensor, "batch pred"]:
    """Return of each token: its reward plus the discounted rewards after it, a Monte Carlo sample of Q(s_t, a_t).

        G_t = r_t + gamma * G_next          G after the last kept token = bootstrap

    0 where the mask is 0. gamma in [0, 1]; language models use 1. Rewards on masked positions do not count: put what a
    tool earned on the last token of its call. ``masked``: "skip" tool tokens, or let each "decay"; ``bootstrap``: V
    after the last kept token, 0 where it terminated (the default). Sutton & Barto (2018), eq. 3.9; verl's REINFORCE++
    (skips) and OpenRLHF's ``get_cumulative_returns`` (decays), with bootstrap 0. Raises ``InputError`` for a kept NaN
    or infinity and for gamma outside [0, 1].

    The tool's token in the middle is skipped, so gamma is paid once; with masked="decay" the first return is 0.25:
    >>> discounted_returns(torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[1, 0, 1]]), gamma=0.5).tolist()
    [[0.5, 0.0, 1.0]]
    """
    require_at_least(gamma, "gamma", 0, 1)
    keep, step = steps(mask, masked)
    rewards = constant(rewards, keep, "rewards")
    running = at_end(bootstrap, rewards)
    returns = torch.zeros_like(rewards)
    for t in reversed(range(rewards.shape[1])):
        running = torch.where(step[:, t], rewards[:, t] + gamma * running, running)
        returns[:, t] = running
    return torch.where(keep, returns, 0.0)


@typed
def td_residuals(
    rewards: Float[Tensor, "batch pred"],
    values: Float[Tensor, "batch pred"],
    mask: Shaped[Tensor, "batch pred"],
    *,
    gamma: float = 1.0,
    bootstrap: Float[Tensor, " batch"] | None = None,
    masked: Crossing = "skip",
) -> Float[Tensor, "batch pred"]:
    """How much better one step went than the critic expected.

        delta_t = r_t + gamma * V(next state) - V(state)          V after the last kept token = bootstrap

    0 where the mask is 0. It is ``gae`` with gae_lambda=0: little variance, because no later token enters, and the
    critic's whole error as bias. GAE (1506.02438, sec. 3). Arguments and errors as in ``gae``.

    The critic says 1 throughout and no reward comes. A row that ended disappoints in its last step; one that was cut
    off, with the critic's 1 as ``bootstrap``, does not:
    >>> rewards, values, mask = torch.zeros(2, 3), torch.ones(2, 3), torch.ones(2, 3)
    >>> td_residuals(rewards, values, mask, bootstrap=torch.tensor([0.0, 1.0])).tolist()
    [[0.0, 0.0, -1.0], [0.0, 0.0, 0.0]]
    """
    return gae(rewards, values, mask, gamma=gamma, gae_lambda=0.0, bootstrap=bootstrap, masked=masked)


@typed
def gae(
    rewards: Float[Tensor, "batch pred"],
    values: Float[Tensor, "batch pred"],
    mask: Shaped[Tensor, "batch pred"],
    *,
    gamma: float = 1.0,
    gae_lambda: float = 0.95,
    bootstrap: Float[Tensor, " batch"] | None = None,
    masked: Crossing = "skip",
) -> Float[Tensor, "batch pred"]:
    """Generalised advantage estimate of each token, from Monte Carlo (lambda 1) to one-step TD (lambda 0).

        delta_t = r_t + gamma * V_next - V_t          A_t = delta_t + gamma * gae_lambda * A_next

    The critic's target is ``gae(...) + values``, the lambda-return. Take it before ``whiten``. 0 where the mask is 0.
    gamma and gae_lambda in [0, 1]. ``masked``: "skip" tool tokens, or let each "decay": with V = 0 there, 10 tool
    tokens at lambda 0.95 leave 60 % of what lies behind them. ``bootstrap``: V after the last kept token, 0 where the
    completion terminated (the default), the critic's value where it was truncated. GAE (1506.02438, eq. 16). Defaults:
    TRL's PPO (up to 1.12) and NeMo-RL 1 and 0.95, verl, OpenRLHF and slime 1 and 1. verl and NeMo-RL skip, OpenRLHF and
    slime decay. Raises ``InputError`` for a NaN or infinity in a kept token (with "decay" in a gap too) and for
    coefficients outside [0, 1].

    Only the last step surprises the critic, by 1 - 0.5, and gae_lambda halves that for each step before it:
    >>> rewards, values = torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[0.5, 0.5, 0.5]])
    >>> gae(rewards, values, torch.ones(1, 3), gae_lambda=0.5).tolist()
    [[0.125, 0.25, 0.5]]
    """
    require_at_least(gamma, "gamma", 0, 1)
    require_at_least(gae_lambda, "gae_lambda", 0, 1)
    keep, step = steps(mask, masked)
    rewards = constant(rewards, keep, "rewards")
    values = constant(values, step, "values")
    next_value = at_end(bootstrap, values)
    next_advantage = torch.zeros_like(next_value)
    advantages = torch.zeros_like(rewards + values)
    for t in reversed(range(rewards.shape[1])):
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        advantages[:, t] = delta + gamma * gae_lambda * next_advantage
        next_value = torch.where(step[:, t], values[:, t], next_value)
        next_advantage = torch.where(step[:, t], advantages[:, t], next_advantage)
    return torch.where(keep, advantages, 0.0)


def steps(mask: Tensor, masked: Crossing) -> tuple[Tensor, Tensor]:
    """Which positions are kept, and which are steps of the process: with "decay" also the gaps between kept tokens."""
    keep = kept(mask)
    if masked == "skip":
        return keep, keep
    before, after = keep.cumsum(dim=1) > 0, keep.flip(1).cumsum(dim=1).flip(1) > 0
    return keep, before & after


def constant(x: Tensor, keep: Tensor, name: str) -> Tensor:
    """Without gradient, in at least float32, and 0 where ``keep`` is False, whatever stood there."""
    require_finite(x, name, mask=keep)
    return torch.where(keep, at_least_float32(x.detach()), 0.0)


def at_end(bootstrap: Tensor | None, like: Tensor) -> Tensor:
    """The value of the state after the last kept token, (batch,)."""
    if bootstrap is None:
        return like.new_zeros(len(like))
    require_finite(bootstrap, "bootstrap")
    return bootstrap.detach().to(like.dtype)
