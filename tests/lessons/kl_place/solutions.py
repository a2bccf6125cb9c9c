"""Solutions written in other ways than the reference, right ones and wrong ones that are on no list."""

import torch


def loop_token_rewards(rewards, mask, *, kl, kl_coef):
    out = -kl_coef * kl * mask
    for row, keep in enumerate(mask):
        if keep.any():
            out[row, keep.nonzero()[-1, 0]] += rewards[row]
    return out


def einsum_penalised(rewards, kl, mask, *, kl_coef):
    return rewards - kl_coef * torch.einsum("bt,bt->b", kl, mask.double())


def flat_loss_with_kl(logp, ref_logp, rewards, mask, *, group_size, kl_coef, place):
    keep, d = mask.double(), logp - ref_logp
    if place == "reward":
        rewards = rewards - kl_coef * (d.data * keep).sum(-1)
    mean = rewards.view(-1, group_size).mean(-1).repeat_interleave(group_size)
    losses = -(rewards - mean).unsqueeze(1) * logp
    if place == "loss":
        losses = losses + kl_coef * d.square() / 2
    return (losses * keep).sum() / len(mask)


SOLUTIONS = {
    "loss_with_kl": [flat_loss_with_kl],
    "token_rewards": [loop_token_rewards],
    "kl_penalised_rewards": [einsum_penalised],
}


def sampled_places(rewards, mask, *, kl, kl_coef):  # finds the last token by the reward's own row, wrong with holes
    out = -kl_coef * kl * mask
    ends = mask.int().argmax(1) + mask.sum(1) - 1
    out[torch.arange(len(mask)), ends.clamp_min(0)] += rewards * mask.any(1)
    return out


def group_std(logp, ref_logp, rewards, mask, **options):
    return flat_loss_with_kl(logp, ref_logp, rewards / rewards.std(), mask, **options)


def half_forgotten(logp, ref_logp, rewards, mask, *, kl_coef, place, **options):
    coef = 2 * kl_coef if place == "loss" else kl_coef
    return flat_loss_with_kl(logp, ref_logp, rewards, mask, kl_coef=coef, place=place, **options)


WRONG = {
    "loss_with_kl": [group_std, half_forgotten],
    "kl_penalised_rewards": [
        lambda r, k, m, *, kl_coef: r * (1 - kl_coef * (k * m).sum(1)),
        lambda r, k, m, *, kl_coef: r - kl_coef * (k * m)[:, -1],
    ],
    "token_rewards": [
        sampled_places,
        lambda r, m, *, kl, kl_coef: m * (r[:, None] / m.sum(1, keepdim=True).clamp_min(1) - kl_coef * kl),
    ],
}
