"""A whole loss with a KL penalty, in the reward or in the loss."""

from typing import Literal

import torch
from torch import Tensor

from reference.objectives import group_advantages, kl_k1, kl_k2, kl_penalised_rewards, reinforce_loss


def loss_with_kl(
    logp: Tensor,
    ref_logp: Tensor,
    rewards: Tensor,
    mask: Tensor,
    *,
    group_size: int,
    kl_coef: float,
    place: Literal["reward", "loss"],
) -> Tensor:
    """The policy gradient of the rewards with a KL penalty, which is placed in the reward or in the loss.

        reward:  A = centred(r - kl_coef * sum_t k1_t),   loss = sum_t -A * logp_t
        loss:    A = centred(r),                          loss = sum_t (-A * logp_t + kl_coef * k2_t)

    Sums go over the kept tokens, the mean over completions. k1 is a constant and goes before the baseline, k2 has a
    gradient. On samples of the policy both have, on average, a gradient of reward minus KL; that of k2 leaves out what a
    token does to later states.
    """
    if place == "reward":
        charge = kl_k1(logp, ref_logp).detach()
        rewards = kl_penalised_rewards(rewards, charge, mask, kl_coef=kl_coef)
    advantages = group_advantages(rewards, group_size=group_size, scale="none")
    losses = reinforce_loss(logp, advantages[:, None])
    if place == "loss":
        losses = losses + kl_coef * kl_k2(logp, ref_logp)
    return torch.where(mask, losses, 0.0).sum(dim=1).mean()
