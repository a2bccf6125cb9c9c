"""Solutions written in other ways than the reference, right ones and wrong ones that are on no list."""

import torch


def as_minimum(new, old, advantages, *, clip_low, clip_high):
    r = torch.exp(new - old)
    return -torch.min(advantages * r, advantages * torch.clamp(r, 1 - clip_low, 1 + clip_high))


def by_sign(new, old, advantages, *, clip_low, clip_high):  # two one-sided clips instead of a max
    r = (new - old).exp()
    return -advantages * torch.where(advantages >= 0, r.clamp(max=1 + clip_high), r.clamp(min=1 - clip_low))


def in_loops(new, old, advantages, *, clip_low, clip_high):
    advantages = advantages.expand(new.shape)
    rows = []
    for i in range(new.shape[0]):
        row = []
        for j in range(new.shape[1]):
            r = new[i, j].exp() / old[i, j].exp()
            plain, clipped = -advantages[i, j] * r, -advantages[i, j] * r.clamp(1 - clip_low, 1 + clip_high)
            row.append(plain if plain > clipped else clipped)
        rows.append(torch.stack(row))
    return torch.stack(rows)


def in_float32(new, old, advantages, *, clip_low, clip_high):
    return as_minimum(new.float(), old.float(), advantages.float(), clip_low=clip_low, clip_high=clip_high)


def counted(new, old, advantages, mask, *, clip_low, clip_high):
    advantages = advantages.expand(new.shape)
    hits = [
        bool((r > 1 + clip_high and a > 0) or (r < 1 - clip_low and a < 0))
        for r, a in zip((new - old).exp()[mask], advantages[mask], strict=True)
    ]
    return torch.tensor(sum(hits) / len(hits))


def by_comparing_losses(new, old, advantages, mask, *, clip_low, clip_high):  # verl's way
    r = (new - old).exp()
    hit = -advantages * r.clamp(1 - clip_low, 1 + clip_high) > -advantages * r
    return (hit.float() * mask).sum() / mask.sum()


SOLUTIONS = {
    "ppo_clip_loss": [as_minimum, by_sign, in_loops, in_float32],
    "clip_frac": [counted, by_comparing_losses],
}


def off(ratio, advantages, low, high):
    return ((advantages > 0) & (ratio > 1 + high)) | ((advantages < 0) & (ratio < 1 - low))


def share(switched_off, mask):
    return switched_off[mask].double().mean()


def dead_group_counts(p, o, a, mask, *, clip_low, clip_high):
    r = (p - o).exp()
    return share(torch.where(a > 0, r > 1 + clip_high, r < 1 - clip_low).expand(mask.shape), mask)


def range_of_the_log(p, o, a, mask, *, clip_low, clip_high):
    return share(((a > 0) & (p - o > clip_high)) | ((a < 0) & (p - o < -clip_low)), mask)


def one_advantage_per_row(p, o, a, mask, *, clip_low, clip_high):
    return share(off((p - o).exp(), a.mean(dim=1, keepdim=True), clip_low, clip_high), mask)


def mask_from_the_left(p, o, a, mask, *, clip_low, clip_high):
    keep = torch.arange(mask.shape[1]) < mask.sum(dim=1, keepdim=True)
    return share(off((p - o).exp(), a, clip_low, clip_high), keep)


WRONG = {
    "clip_frac": [dead_group_counts, range_of_the_log, one_advantage_per_row, mask_from_the_left],
}
