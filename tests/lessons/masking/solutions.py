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


SOLUTIONS = {
    "masked_mean": [loop_masked_mean, float32_masked_mean, nan_mean],
    "aggregate": [loop_aggregate],
}


def first_entries(x, mask):  # as if every mask began at the left and had no holes
    return torch.cat([row[: int(keep.sum())] for row, keep in zip(x, mask, strict=True)]).mean()


def one_span(x, mask):
    rows = []
    for row, keep in zip(x, mask, strict=True):
        where = keep.nonzero()[:, 0]
        rows += [row[where[0] : where[-1] + 1]] if len(where) else []
    return torch.cat(rows).mean()


WRONG = {
    "masked_mean": [first_entries, one_span],
}
