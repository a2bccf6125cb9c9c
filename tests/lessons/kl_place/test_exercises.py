"""The exercises of the lesson on the place of the KL."""

import torch
from verdicts import judge


def test_a_gradient_through_the_reward_is_remarked_upon():
    def attached(rewards, kl, mask, *, kl_coef):
        return rewards - kl_coef * torch.where(mask, kl, 0.0).sum(dim=1)

    def detached(rewards, kl, mask, *, kl_coef):
        return attached(rewards, kl.detach(), mask, kl_coef=kl_coef)

    assert "gradient would flow" in judge("kl_penalised_rewards", attached).message
    assert "gradient would flow" not in judge("kl_penalised_rewards", detached).message
    assert judge("kl_penalised_rewards", attached).passed
