"""What goes wrong when one function is to hold all three normalisers."""

from torch import Tensor

from reference.teaching.bug import bug


def aggregate_with(token_loss: Tensor, mask: Tensor, strategy: str, max_length: int, **parts: Tensor) -> Tensor:
    """A right ``aggregate`` in which single strategies can be swapped for a wrong one."""
    lengths = mask.sum(dim=1)
    right = {
        "sequence_mean": ((token_loss * mask).sum(dim=1) / lengths.clamp_min(1)).sum() / (lengths > 0).sum(),
        "token_mean": (token_loss * mask).sum() / mask.sum(),
        "fixed_length": (token_loss * mask).sum() / (len(mask) * max_length),
    }
    return {**right, **parts}[strategy]


@bug(
    "NaN from an empty row",
    mistake="a row without kept tokens divides 0 by 0, and the NaN takes the whole batch with it",
    symptom="the loss is NaN on the first batch that has a truncated or empty completion",
    wild="verl PR #3915, open-instruct PR #1685",
)
def aggregate__empty_row_nan(token_loss: Tensor, mask: Tensor, *, strategy: str, max_length: int = 8) -> Tensor:
    wrong = ((token_loss * mask).sum(dim=1) / mask.sum(dim=1)).mean()
    return aggregate_with(token_loss, mask, strategy, max_length, sequence_mean=wrong)


@bug(
    "empty row counted as a loss of 0",
    mistake="in sequence_mean a row without kept tokens is counted as a loss of 0, so it dilutes the others "
    "(TRL does this; verl, OpenRLHF and this course leave such rows out)",
    symptom="masking truncated completions silently lowers the learning rate",
    wild='TRL loss_type="grpo"',
)
def aggregate__empty_row_counted(token_loss: Tensor, mask: Tensor, *, strategy: str, max_length: int = 8) -> Tensor:
    wrong = ((token_loss * mask).sum(dim=1) / mask.sum(dim=1).clamp_min(1)).mean()
    return aggregate_with(token_loss, mask, strategy, max_length, sequence_mean=wrong)


@bug(
    "token_mean is a sequence mean",
    mistake="your token_mean averages each row first, so it gives the number that sequence_mean should give",
    symptom="the length bias you meant to remove is still there",
    wild="TRL #2995, #3187: which of the two is GRPO?",
)
def aggregate__token_is_sequence(token_loss: Tensor, mask: Tensor, *, strategy: str, max_length: int = 8) -> Tensor:
    lengths = mask.sum(dim=1)
    wrong = ((token_loss * mask).sum(dim=1) / lengths.clamp_min(1)).sum() / (lengths > 0).sum()
    return aggregate_with(token_loss, mask, strategy, max_length, token_mean=wrong)


@bug(
    "sequence_mean is a token mean",
    mistake="your sequence_mean divides by all kept tokens at once, so it gives the number that token_mean should give",
    symptom="long completions outweigh short ones although each was meant to count once",
)
def aggregate__sequence_is_token(token_loss: Tensor, mask: Tensor, *, strategy: str, max_length: int = 8) -> Tensor:
    wrong = (token_loss * mask).sum() / mask.sum()
    return aggregate_with(token_loss, mask, strategy, max_length, sequence_mean=wrong)


@bug(
    "padded width as the fixed length",
    mistake="fixed_length divides by the padded width of this batch, not by max_length, so the scale moves with padding",
    symptom="the same completions give another gradient when one long row joins the batch",
    wild="verl's seq-mean-token-sum-norm without loss_scale_factor, which came with verl PR #4360",
)
def aggregate__padded_width(token_loss: Tensor, mask: Tensor, *, strategy: str, max_length: int = 8) -> Tensor:
    wrong = (token_loss * mask).sum() / mask.numel()
    return aggregate_with(token_loss, mask, strategy, max_length, fixed_length=wrong)


@bug(
    "fixed_length not averaged over rows",
    mistake="fixed_length divides by max_length but not by the number of rows: it is a sum over completions",
    symptom="doubling the batch doubles the gradient",
    wild="verl #3741, mended in verl PR #5417",
)
def aggregate__rows_not_averaged(token_loss: Tensor, mask: Tensor, *, strategy: str, max_length: int = 8) -> Tensor:
    return aggregate_with(
        token_loss, mask, strategy, max_length, fixed_length=(token_loss * mask).sum() / max_length
    )  # fmt: skip


@bug(
    "padding in the row mean",
    mistake="sequence_mean divides each row by its padded width instead of by its own number of kept tokens",
    symptom="short completions in a wide batch hardly train",
)
def aggregate__row_width(token_loss: Tensor, mask: Tensor, *, strategy: str, max_length: int = 8) -> Tensor:
    wrong = (token_loss * mask).mean(dim=1).sum() / (mask.sum(dim=1) > 0).sum()
    return aggregate_with(token_loss, mask, strategy, max_length, sequence_mean=wrong)


@bug(
    "mask ignored",
    mistake="the mask has no effect: prompt and padding count as much as the completion",
    symptom="the model is trained to write prompts and pads",
)
def aggregate__mask_ignored(token_loss: Tensor, mask: Tensor, *, strategy: str, max_length: int = 8) -> Tensor:
    everything = token_loss.sum() / (len(mask) * max_length)
    return everything if strategy == "fixed_length" else token_loss.mean()


@bug(
    "two strategies swapped",
    mistake="sequence_mean and token_mean are swapped: each gives the number that the other should give",
    symptom="you study the length bias with the labels exchanged",
)
def aggregate__swapped(token_loss: Tensor, mask: Tensor, *, strategy: str, max_length: int = 8) -> Tensor:
    other = {"sequence_mean": "token_mean", "token_mean": "sequence_mean"}.get(strategy, strategy)
    return aggregate_with(token_loss, mask, other, max_length)


@bug(
    "row sums not divided",
    mistake="your sequence_mean adds up each row and averages the sums: no row is divided by its own length",
    symptom="a completion counts as much as it is long, where each was meant to count once",
    wild="verl's seq-mean-token-sum does this on purpose",
)
def aggregate__row_sums(token_loss: Tensor, mask: Tensor, *, strategy: str, max_length: int = 8) -> Tensor:
    wrong = (token_loss * mask).sum(dim=1).sum() / (mask.sum(dim=1) > 0).sum()
    return aggregate_with(token_loss, mask, strategy, max_length, sequence_mean=wrong)


@bug(
    "rows added up",
    mistake="your sequence_mean takes the mean of each row but then adds the rows up instead of averaging them",
    symptom="doubling the batch doubles the gradient",
)
def aggregate__rows_added(token_loss: Tensor, mask: Tensor, *, strategy: str, max_length: int = 8) -> Tensor:
    wrong = ((token_loss * mask).sum(dim=1) / mask.sum(dim=1).clamp_min(1)).sum()
    return aggregate_with(token_loss, mask, strategy, max_length, sequence_mean=wrong)


@bug(
    "numerator not masked",
    mistake="the denominators are right, but what you add up holds the masked losses too",
    symptom="what stands on pads and prompts enters the loss; it changes with the padding",
)
def aggregate__numerator(token_loss: Tensor, mask: Tensor, *, strategy: str, max_length: int = 8) -> Tensor:
    lengths = mask.sum(dim=1)
    return {
        "sequence_mean": (token_loss.sum(dim=1) / lengths.clamp_min(1)).sum() / (lengths > 0).sum(),
        "token_mean": token_loss.sum() / mask.sum(),
        "fixed_length": token_loss.sum() / (len(mask) * max_length),
    }[strategy]


@bug(
    "numerator of token_mean not masked",
    mistake="your token_mean divides by the kept tokens, but the sum above it runs over all of them",
    symptom="what stands on pads and prompts enters the loss; it changes with the padding",
)
def aggregate__token_numerator(token_loss: Tensor, mask: Tensor, *, strategy: str, max_length: int = 8) -> Tensor:
    return aggregate_with(token_loss, mask, strategy, max_length, token_mean=token_loss.sum() / mask.sum())


@bug(
    "numerator of sequence_mean not masked",
    mistake="your sequence_mean divides by each row's kept tokens, but the sum above it runs over the whole row",
    symptom="what stands on pads and prompts enters the loss; it changes with the padding",
)
def aggregate__row_numerator(token_loss: Tensor, mask: Tensor, *, strategy: str, max_length: int = 8) -> Tensor:
    lengths = mask.sum(dim=1)
    wrong = (token_loss.sum(dim=1) / lengths.clamp_min(1)).sum() / (lengths > 0).sum()
    return aggregate_with(token_loss, mask, strategy, max_length, sequence_mean=wrong)


@bug(
    "numerator of fixed_length not masked",
    mistake="your fixed_length divides by the right constant, but the sum above it holds the masked losses too",
    symptom="what stands on pads and prompts enters the loss; it changes with the padding",
)
def aggregate__fixed_numerator(token_loss: Tensor, mask: Tensor, *, strategy: str, max_length: int = 8) -> Tensor:
    wrong = token_loss.sum() / (len(mask) * max_length)
    return aggregate_with(token_loss, mask, strategy, max_length, fixed_length=wrong)


@bug(
    "fixed_length over rows that keep something",
    mistake="your fixed_length leaves rows without kept tokens out of its denominator: it should be a constant, whatever "
    "the mask",
    symptom="masking truncated completions raises the weight of all others",
)
def aggregate__fixed_live_rows(token_loss: Tensor, mask: Tensor, *, strategy: str, max_length: int = 8) -> Tensor:
    wrong = (token_loss * mask).sum() / ((mask.sum(dim=1) > 0).sum() * max_length)
    return aggregate_with(token_loss, mask, strategy, max_length, fixed_length=wrong)


@bug(
    "token_mean over rows",
    mistake="your token_mean divides the sum by the number of rows instead of the number of kept tokens",
    symptom="the gradient grows with the length of the completions",
)
def aggregate__token_over_rows(token_loss: Tensor, mask: Tensor, *, strategy: str, max_length: int = 8) -> Tensor:
    wrong = (token_loss * mask).sum() / len(mask)
    return aggregate_with(token_loss, mask, strategy, max_length, token_mean=wrong)


@bug(
    "padding in the token mean",
    mistake="your token_mean leaves the masked losses out of its sum but counts them in its denominator",
    symptom="the loss shrinks as padding grows: the same data in a wider batch trains less",
)
def aggregate__token_width(token_loss: Tensor, mask: Tensor, *, strategy: str, max_length: int = 8) -> Tensor:
    return aggregate_with(token_loss, mask, strategy, max_length, token_mean=(token_loss * mask).mean())


@bug(
    "NaN in the gradient of an empty row",
    mistake="the value is right, but a row without kept tokens still divides 0 by 0: leaving the NaN out of the mean does "
    "not keep it out of the gradient",
    symptom="the loss looks fine and the weights are NaN after the first batch that has an empty completion",
)
def aggregate__nanmean(token_loss: Tensor, mask: Tensor, *, strategy: str, max_length: int = 8) -> Tensor:
    wrong = ((token_loss * mask).sum(dim=1) / mask.sum(dim=1)).nanmean()
    return aggregate_with(token_loss, mask, strategy, max_length, sequence_mean=wrong)
