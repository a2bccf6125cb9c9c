"""What goes wrong when a batch is split: the normaliser that counts neither."""

import torch
from torch import Tensor

from reference.teaching.bug import bug

from .sums import kept_sum


def over(token_loss: Tensor, mask: Tensor, length: int | Tensor, num_sequences: int | Tensor | None) -> Tensor:
    rows = len(mask) if num_sequences is None else num_sequences
    return kept_sum(token_loss, mask) / (length * rows)


@bug(
    "padded width as the length",
    mistake="the denominator has this batch's padded width where max_length should be",
    symptom="the same completions give another gradient when one long row joins their micro-batch",
    wild="verl's seq-mean-token-sum-norm without loss_scale_factor, which came with verl PR #4360",
)
def fixed_length__padded_width(
    token_loss: Tensor, mask: Tensor, *, max_length: int, num_sequences: int | None = None
) -> Tensor:
    return over(token_loss, mask, mask.shape[1], num_sequences)


@bug(
    "longest row as the length",
    mistake="the denominator has the longest row of this batch where max_length should be",
    symptom="the scale moves from batch to batch, which is what a constant was to prevent",
)
def fixed_length__longest_row(
    token_loss: Tensor, mask: Tensor, *, max_length: int, num_sequences: int | None = None
) -> Tensor:
    return over(token_loss, mask, mask.sum(dim=1).max().clamp_min(1), num_sequences)


@bug(
    "rows not divided by",
    mistake="the sum is divided by max_length but not by a number of rows",
    symptom="twice the batch, twice the gradient",
)
def fixed_length__no_rows(
    token_loss: Tensor, mask: Tensor, *, max_length: int, num_sequences: int | None = None
) -> Tensor:
    return over(token_loss, mask, max_length, 1)


@bug(
    "divided by one, multiplied by the other",
    mistake="Python reads sum / max_length * rows from the left: it divides by max_length and multiplies by the rows",
    symptom="four times the batch, four times the gradient",
)
def fixed_length__precedence(
    token_loss: Tensor, mask: Tensor, *, max_length: int, num_sequences: int | None = None
) -> Tensor:
    return kept_sum(token_loss, mask) / max_length * (len(mask) if num_sequences is None else num_sequences)


@bug(
    "length left out",
    mistake="the sum is divided by a number of rows but not by max_length",
    symptom="the loss and its gradient are max_length times what they are elsewhere; the direction is right",
    wild="verl's seq-mean-token-sum does this on purpose",
)
def fixed_length__no_length(
    token_loss: Tensor, mask: Tensor, *, max_length: int, num_sequences: int | None = None
) -> Tensor:
    return over(token_loss, mask, 1, num_sequences)


@bug(
    "own rows in every micro-batch",
    mistake="num_sequences has no effect: every micro-batch divides by its own rows",
    symptom="added up, the gradient is as many times too large as there are micro-batches",
    wild="verl PR #3332: in SFT the division by the number of micro-batches was missing",
)
def fixed_length__own_rows(
    token_loss: Tensor, mask: Tensor, *, max_length: int, num_sequences: int | None = None
) -> Tensor:
    return over(token_loss, mask, max_length, None)


@bug(
    "token mean in the place of a constant",
    mistake="the denominator is the number of kept tokens: it should not depend on the lengths",
    symptom="batches of short completions push harder per token",
)
def fixed_length__token_mean(
    token_loss: Tensor, mask: Tensor, *, max_length: int, num_sequences: int | None = None
) -> Tensor:
    share = 1 if num_sequences is None else len(mask) / num_sequences
    return kept_sum(token_loss, mask) / mask.sum().clamp_min(1) * share


@bug(
    "both counts",
    mistake="the sum is divided by the rows here and by num_sequences, by one too many",
    symptom="the gradient shrinks with the micro-batch size",
)
def fixed_length__both_counts(
    token_loss: Tensor, mask: Tensor, *, max_length: int, num_sequences: int | None = None
) -> Tensor:
    mean = over(token_loss, mask, max_length, None)
    return mean if num_sequences is None else mean / num_sequences


@bug(
    "empty rows left out",
    mistake="rows that keep nothing are not counted, but here the denominator must not depend on the mask",
    symptom="masking truncated completions makes the others count more",
)
def fixed_length__empty_left_out(
    token_loss: Tensor, mask: Tensor, *, max_length: int, num_sequences: int | None = None
) -> Tensor:
    rows = mask.any(dim=1).sum().clamp_min(1) if num_sequences is None else num_sequences
    return over(token_loss, mask, max_length, rows)


@bug(
    "mask ignored",
    mistake="the mask does not reach the numerator: what stands at prompts and padding is added up as well",
    symptom="the model is trained to write prompts and pads",
)
def fixed_length__mask_ignored(
    token_loss: Tensor, mask: Tensor, *, max_length: int, num_sequences: int | None = None
) -> Tensor:
    return over(token_loss, torch.ones_like(mask), max_length, num_sequences)
