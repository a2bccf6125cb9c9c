"""What goes wrong when a batch is split: the normaliser that counts rows."""

from torch import Tensor

from reference.teaching.bug import bug

from .sums import kept_sum, row_sums


@bug(
    "own rows in every micro-batch",
    mistake="num_sequences has no effect: every micro-batch divides by its own rows",
    symptom="added up, the gradient is as many times too large as there are micro-batches",
    wild="verl PR #3332: in SFT the division by the number of micro-batches was missing",
)
def sequence_mean__own_rows(token_loss: Tensor, mask: Tensor, *, num_sequences: int | None = None) -> Tensor:
    lengths = mask.sum(dim=1)
    return (row_sums(token_loss, mask) / lengths.clamp_min(1)).sum() / (lengths > 0).sum().clamp_min(1)


@bug(
    "divided by both counts",
    mistake="the mean over the rows here is divided by num_sequences once more",
    symptom="the gradient shrinks with the micro-batch size",
)
def sequence_mean__both_counts(token_loss: Tensor, mask: Tensor, *, num_sequences: int | None = None) -> Tensor:
    lengths = mask.sum(dim=1)
    mean = (row_sums(token_loss, mask) / lengths.clamp_min(1)).sum() / (lengths > 0).sum().clamp_min(1)
    return mean if num_sequences is None else mean / num_sequences


@bug(
    "a token mean",
    mistake="all kept tokens are divided by one count, so long rows weigh more than short ones",
    symptom="long completions outweigh short ones although each was meant to count once",
)
def sequence_mean__token_mean(token_loss: Tensor, mask: Tensor, *, num_sequences: int | None = None) -> Tensor:
    mean = kept_sum(token_loss, mask) / mask.sum().clamp_min(1)
    return mean if num_sequences is None else mean * len(mask) / num_sequences


@bug(
    "a token mean by own counts",
    mistake="all kept tokens are divided by their number: that is token_mean, and num_sequences has no effect",
    symptom="long completions outweigh short ones, and the micro-batch size changes the gradient",
)
def sequence_mean__token_mean_alone(token_loss: Tensor, mask: Tensor, *, num_sequences: int | None = None) -> Tensor:
    return kept_sum(token_loss, mask) / mask.sum().clamp_min(1)


@bug(
    "rows summed, not averaged",
    mistake="a row's losses are added up but not divided by the row's own length",
    symptom="a completion's weight grows with its length",
    wild="verl's seq-mean-token-sum does this on purpose",
)
def sequence_mean__row_sums(token_loss: Tensor, mask: Tensor, *, num_sequences: int | None = None) -> Tensor:
    rows = mask.any(dim=1).sum() if num_sequences is None else num_sequences
    return kept_sum(token_loss, mask) / rows


@bug(
    "row means summed",
    mistake="without num_sequences the row means are only added up, not divided by a number of rows",
    symptom="twice the batch, twice the gradient",
)
def sequence_mean__no_rows(token_loss: Tensor, mask: Tensor, *, num_sequences: int | None = None) -> Tensor:
    means = row_sums(token_loss, mask) / mask.sum(dim=1).clamp_min(1)
    return means.sum() / (1 if num_sequences is None else num_sequences)


@bug(
    "padding in the row mean",
    mistake="each row is divided by the padded width instead of by its own number of kept tokens",
    symptom="short completions in a wide micro-batch hardly train, and sorting by length changes the gradient",
)
def sequence_mean__row_width(token_loss: Tensor, mask: Tensor, *, num_sequences: int | None = None) -> Tensor:
    rows = mask.any(dim=1).sum() if num_sequences is None else num_sequences
    return kept_sum(token_loss, mask) / mask.shape[1] / rows


@bug(
    "NaN from an empty row",
    mistake="a row without kept tokens divides 0 by 0, and the NaN takes the whole batch with it",
    symptom="the loss is NaN at the first completion that is cut off and masked",
    wild="verl PR #3915, open-instruct PR #1685",
)
def sequence_mean__empty_row_nan(token_loss: Tensor, mask: Tensor, *, num_sequences: int | None = None) -> Tensor:
    means = row_sums(token_loss, mask) / mask.sum(dim=1)
    return means.mean() if num_sequences is None else means.sum() / num_sequences


@bug(
    "empty row counted",
    mistake="without num_sequences a row that keeps nothing is counted as a row with a loss of 0, and dilutes the others "
    "(TRL does this; verl's function, OpenRLHF and this course leave such rows out)",
    symptom="masking truncated completions silently lowers the learning rate",
    wild='TRL loss_type="grpo"',
)
def sequence_mean__empty_row_counted(token_loss: Tensor, mask: Tensor, *, num_sequences: int | None = None) -> Tensor:
    means = row_sums(token_loss, mask) / mask.sum(dim=1).clamp_min(1)
    return means.mean() if num_sequences is None else means.sum() / num_sequences


@bug(
    "mask ignored",
    mistake="the mask does not reach the numerator: what stands at prompts and padding is added up as well",
    symptom="the model is trained to write prompts and pads",
)
def sequence_mean__mask_ignored(token_loss: Tensor, mask: Tensor, *, num_sequences: int | None = None) -> Tensor:
    lengths = mask.sum(dim=1)
    rows = (lengths > 0).sum() if num_sequences is None else num_sequences
    return (token_loss.sum(dim=1) / lengths.clamp_min(1)).sum() / rows
