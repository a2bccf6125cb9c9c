"""What goes wrong when the loss of one process is made."""

from typing import Any

import torch
from torch import Tensor

from reference.lessons.aggregation.mistakes.sums import kept_sum, row_sums
from reference.teaching.bug import bug


def over(
    token_loss: Tensor, mask: Tensor, *, strategy: str, max_length: int, num_tokens: Any, num_sequences: Any
) -> Tensor:
    """The three strategies, by whatever counts."""
    if strategy == "token_mean":
        return kept_sum(token_loss, mask) / num_tokens
    if strategy == "sequence_mean":
        return (row_sums(token_loss, mask) / mask.sum(dim=1).clamp_min(1)).sum() / num_sequences
    return kept_sum(token_loss, mask) / (max_length * num_sequences)


def own_counts(token_loss: Tensor, mask: Tensor, *, strategy: str, max_length: int) -> Tensor:
    """The same by the counts of these rows."""
    rows = len(mask) if strategy == "fixed_length" else mask.any(dim=1).sum()
    counts = {"num_tokens": mask.sum(), "num_sequences": rows}
    return over(token_loss, mask, strategy=strategy, max_length=max_length, **counts)


@bug(
    "factor forgotten",
    mistake="the counts are those of the whole batch, and the mean that DDP takes afterwards is forgotten",
    symptom="right on one GPU; on eight the loss and its gradient are an eighth, which Adam hides and gradient clipping "
    "and the KL term do not",
)
def process_loss__no_factor(token_loss: Tensor, mask: Tensor, *, world_size: int, **options: Any) -> Tensor:
    return over(token_loss, mask, **options)


@bug(
    "divided by the processes",
    mistake="the loss is divided by the number of processes, which DDP does as well",
    symptom="the gradient shrinks with the square of the number of processes",
)
def process_loss__divided(token_loss: Tensor, mask: Tensor, *, world_size: int, **options: Any) -> Tensor:
    return over(token_loss, mask, **options) / world_size


@bug(
    "both repairs at once",
    mistake="the count is divided by the number of processes and the loss is multiplied by it as well",
    symptom="right on one GPU, and too large by the number of GPUs on many: gradient clipping acts at every step",
)
def process_loss__both(token_loss: Tensor, mask: Tensor, *, world_size: int, **options: Any) -> Tensor:
    return world_size**2 * over(token_loss, mask, **options)


@bug(
    "own counts",
    mistake="each micro-batch divides by the count of its own rows",
    symptom="the weight of a token depends on who shares its micro-batch, and grad_norm on the micro-batch size",
    wild='TRL loss_type="bnpo" and TRL #3021; nanochat PR #400, verl PR #906',
)
def process_loss__own(
    token_loss: Tensor, mask: Tensor, *, strategy: str, max_length: int, num_tokens: int, num_sequences: int, world_size: int
) -> Tensor:  # fmt: skip
    return own_counts(token_loss, mask, strategy=strategy, max_length=max_length)


@bug(
    "own counts, times the processes",
    mistake="the factor is there, but each micro-batch divides by the count of its own rows",
    symptom="the gradient grows with the number of processes, and tokens of thin micro-batches weigh more",
)
def process_loss__own_times(
    token_loss: Tensor, mask: Tensor, *, strategy: str, max_length: int, num_tokens: int, num_sequences: int, world_size: int
) -> Tensor:  # fmt: skip
    return world_size * own_counts(token_loss, mask, strategy=strategy, max_length=max_length)


@bug(
    "own rows",
    mistake="tokens are counted over the whole batch, but rows only in this micro-batch",
    symptom="token_mean is right; the other two get louder with every micro-batch and every process",
    wild="verl PR #3332: in SFT the division by the number of micro-batches was missing",
)
def process_loss__own_rows(
    token_loss: Tensor, mask: Tensor, *, strategy: str, world_size: int, num_sequences: int, **options: Any
) -> Tensor:
    rows = mask.any(dim=1).sum() if strategy == "sequence_mean" else len(mask)
    return world_size * over(token_loss, mask, strategy=strategy, num_sequences=rows, **options)


@bug(
    "factor in one branch",
    mistake="the number of processes is made up for where tokens are counted, not where rows are",
    symptom="changing the strategy changes the size of the gradient by the number of GPUs",
)
def process_loss__one_branch(
    token_loss: Tensor, mask: Tensor, *, strategy: str, world_size: int, **options: Any
) -> Tensor:
    factor = world_size if strategy == "token_mean" else 1
    return factor * over(token_loss, mask, strategy=strategy, **options)


@bug(
    "strategy ignored",
    mistake="all three strategies divide by the tokens",
    symptom="an option without an effect: runs with different strategies are equal",
    wild="TRL #2995, #3187: which of the two is GRPO?",
)
def process_loss__always_tokens(
    token_loss: Tensor, mask: Tensor, *, strategy: str, world_size: int, **options: Any
) -> Tensor:
    return world_size * over(token_loss, mask, strategy="token_mean", **options)


@bug(
    "mask ignored",
    mistake="the mask has no effect on the sum: padding and prompts are added up as well",
    symptom="the loss depends on how wide the batch was padded",
)
def process_loss__mask_ignored(token_loss: Tensor, mask: Tensor, *, world_size: int, **options: Any) -> Tensor:
    return world_size * over(token_loss, torch.ones_like(mask), **options)


@bug(
    "NaN from an empty micro-batch",
    mistake="a micro-batch that keeps nothing is divided by its own count, which is 0",
    symptom="a run dies of NaN in the step in which all completions of one micro-batch were cut off",
    wild="TRL PR #3248, NeMo-RL #158",
)
def process_loss__empty_nan(
    token_loss: Tensor, mask: Tensor, *, strategy: str, max_length: int, num_tokens: int, num_sequences: int, world_size: int
) -> Tensor:  # fmt: skip
    share = mask.sum() / num_tokens if strategy == "token_mean" else mask.any(dim=1).sum() / num_sequences
    if strategy == "fixed_length":
        return world_size * kept_sum(token_loss, mask) / (max_length * num_sequences)
    means = kept_sum(token_loss, mask) / mask.sum()
    if strategy == "sequence_mean":
        rows = row_sums(token_loss, mask) / mask.sum(dim=1).clamp_min(1)
        means = rows.sum() / mask.any(dim=1).sum()
    return world_size * share * means
