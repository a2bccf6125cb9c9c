"""Solutions written in other ways than the reference, right ones and wrong ones that are on no list."""

import torch


def count_per_process(x, mask, *, strategy, max_length, num_tokens, num_sequences, world_size):  # TRL's form
    x = x * mask
    if strategy == "token_mean":
        return x.sum() / (num_tokens / world_size)
    rows = num_sequences / world_size
    if strategy == "sequence_mean":
        return (x.sum(1) / mask.float().sum(1).clamp(min=1)).sum() / rows
    return x.sum() / (rows * max_length)


def weights_first(x, mask, *, strategy, max_length, num_tokens, num_sequences, world_size):
    each = {
        "token_mean": torch.full((len(mask), 1), 1 / num_tokens),
        "sequence_mean": 1 / (num_sequences * mask.sum(1, keepdim=True).clamp_min(1)),
        "fixed_length": torch.full((len(mask), 1), 1 / (num_sequences * max_length)),
    }[strategy]
    return (x[mask] * each.expand(mask.shape)[mask]).sum() * world_size


SOLUTIONS = {"process_loss": [count_per_process, weights_first]}


def count_over_processes_squared(x, mask, *, world_size, **options):
    return count_per_process(x, mask, world_size=1, **options) * world_size**0.5


def counts_swapped(x, mask, *, num_tokens, num_sequences, **options):
    return count_per_process(x, mask, num_tokens=num_sequences, num_sequences=num_tokens, **options)


def cut_to_the_length(x, mask, *, max_length, **options):
    keep = mask & (torch.arange(mask.shape[1]) < max_length // 4)
    return count_per_process(x, keep, max_length=max_length, **options)


WRONG = {"process_loss": [count_over_processes_squared, counts_swapped, cut_to_the_length]}
