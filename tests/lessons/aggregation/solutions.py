"""Solutions written in other ways than the reference, right ones and wrong ones that are on no list."""

import torch


def loop_token_mean(token_loss, mask, *, num_tokens=None):
    kept = [token_loss[i, j] for i in range(len(mask)) for j in range(mask.shape[1]) if mask[i, j]]
    return sum(kept, 0 * token_loss.sum()) / (len(kept) if num_tokens is None else num_tokens)


def share_token_mean(token_loss, mask, *, num_tokens=None):  # verl's form: a mean, times the share of the tokens
    mean = (token_loss * mask).sum() / mask.sum().clamp(min=1)
    return mean if num_tokens is None else mean * mask.sum() / num_tokens


def float32_sequence_mean(token_loss, mask, *, num_sequences=None):
    m = mask.float()
    means = (token_loss.float() * m).sum(1) / torch.clamp(m.sum(1), min=1)
    return means.sum() / (num_sequences or (m.sum(1) > 0).sum())


def loop_fixed_length(token_loss, mask, *, max_length, num_sequences=None):
    rows = [torch.where(keep, row, 0.0).sum() / max_length for row, keep in zip(token_loss, mask, strict=True)]
    return sum(rows) / (num_sequences or len(rows))


SOLUTIONS = {
    "token_mean": [loop_token_mean, share_token_mean],
    "sequence_mean": [float32_sequence_mean],
    "fixed_length": [loop_fixed_length],
}


def rows_by_their_first_column(x, mask, *, num_sequences=None):
    rows = mask[:, 0].sum() if num_sequences is None else num_sequences
    return ((x * mask).sum(dim=1) / mask.sum(dim=1).clamp_min(1)).sum() / rows


def rows_that_are_not_0(x, mask, *, num_sequences=None):
    sums = (x * mask).sum(dim=1)
    rows = (sums != 0).sum() if num_sequences is None else num_sequences
    return (sums / mask.sum(dim=1).clamp_min(1)).sum() / rows


def no_shorter_than_the_batch(x, mask, *, max_length, num_sequences=None):
    rows = len(mask) if num_sequences is None else num_sequences
    return (x * mask).sum() / (max(max_length, mask.shape[1]) * rows)


def cut_to_the_length(x, mask, *, max_length, num_sequences=None):
    rows = len(mask) if num_sequences is None else num_sequences
    return (x * mask)[:, :max_length].sum() / (max_length * rows)


WRONG = {
    "token_mean": [
        lambda x, m, *, num_tokens=None: torch.where(m, x, 0.0).mean(),
        lambda x, m, *, num_tokens=None: torch.where(m, x, 0.0).sum() / (num_tokens or 1e3),
    ],
    "sequence_mean": [
        rows_by_their_first_column,
        rows_that_are_not_0,
        lambda x, m, *, num_sequences=None: (x * m).sum() / m.sum() / (num_sequences or 1),
    ],
    "fixed_length": [
        no_shorter_than_the_batch,
        cut_to_the_length,
        lambda x, m, *, max_length, num_sequences=None: (x * m).sum() / max_length / m.any(0).sum(),
    ],
}
