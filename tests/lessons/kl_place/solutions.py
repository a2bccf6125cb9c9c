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


SOLUTIONS = {
    "token_rewards": [loop_token_rewards],
    "kl_penalised_rewards": [einsum_penalised],
}


def sampled_places(rewards, mask, *, kl, kl_coef):  # finds the last token by the reward's own row, wrong with holes
    out = -kl_coef * kl * mask
    ends = mask.int().argmax(1) + mask.sum(1) - 1
    out[torch.arange(len(mask)), ends.clamp_min(0)] += rewards * mask.any(1)
    return out


WRONG = {
    "kl_penalised_rewards": [
        lambda r, k, m, *, kl_coef: r * (1 - kl_coef * (k * m).sum(1)),
        lambda r, k, m, *, kl_coef: r - kl_coef * (k * m)[:, -1],
    ],
    "token_rewards": [
        sampled_places,
        lambda r, m, *, kl, kl_coef: m * (r[:, None] / m.sum(1, keepdim=True).clamp_min(1) - kl_coef * kl),
    ],
}
