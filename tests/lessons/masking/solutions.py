"""Solutions written in other ways than the reference, right ones and wrong ones that are on no list."""

import torch


def loop_masked_mean(x, mask):
    kept = [x[i, j] for i in range(len(x)) for j in range(x.shape[1]) if mask[i, j]]
    return torch.stack(kept).mean()


def float32_masked_mean(x, mask):
    return (x.float() * mask.float()).sum() / mask.float().sum()


def nan_mean(x, mask):
    return torch.where(mask, x, torch.nan).nanmean()


def loop_aggregate(token_loss, mask, *, strategy, max_length):
    rows = [row[keep] for row, keep in zip(token_loss, mask, strict=True)]
    if strategy == "sequence_mean":
        means = [row.mean() for row in rows if len(row)]
        return sum(means) / len(means)
    if strategy == "token_mean":
        return torch.cat(rows).mean()
    return sum(row.sum() / max_length for row in rows) / len(rows)


def constant_advantages(token_logprobs, advantages):
    with torch.no_grad():
        weight = 0 - advantages
    return token_logprobs * weight


def through_nll(token_logprobs, advantages):
    nll = -token_logprobs
    return torch.stack([a.data * row for a, row in zip(advantages, nll, strict=True)])


SOLUTIONS = {
    "masked_mean": [loop_masked_mean, float32_masked_mean, nan_mean],
    "aggregate": [loop_aggregate],
    "reinforce_loss": [constant_advantages, through_nll],
}


def first_entries(x, mask):  # as if every mask began at the left and had no holes
    return torch.cat([row[: int(keep.sum())] for row, keep in zip(x, mask, strict=True)]).mean()


def one_span(x, mask):
    rows = []
    for row, keep in zip(x, mask, strict=True):
        where = keep.nonzero()[:, 0]
        rows += [row[where[0] : where[-1] + 1]] if len(where) else []
    return torch.cat(rows).mean()


def first_advantage_for_all(token_logprobs, advantages):
    return -advantages[:1].detach() * token_logprobs


def only_the_good(token_logprobs, advantages):
    return -advantages.detach().clamp_min(0) * token_logprobs


WRONG = {
    "masked_mean": [first_entries, one_span],
    "reinforce_loss": [first_advantage_for_all, only_the_good],
}
