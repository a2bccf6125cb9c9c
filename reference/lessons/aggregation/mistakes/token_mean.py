"""What goes wrong when a batch is split: the normaliser that counts tokens."""

import torch
from torch import Tensor

from reference.teaching.bug import bug

from .sums import kept_sum, row_sums


@bug(
    "own count in every micro-batch",
    mistake="num_tokens has no effect: every micro-batch divides by its own tokens, whatever the others hold",
    symptom="the micro-batch size, a setting for memory, changes the gradient's direction: tokens of thin micro-batches "
    "weigh more",
    wild='TRL loss_type="bnpo" and TRL #3021; nanochat PR #400, verl PR #906',
)
def token_mean__own_count(token_loss: Tensor, mask: Tensor, *, num_tokens: int | None = None) -> Tensor:
    return kept_sum(token_loss, mask) / mask.sum().clamp_min(1)


@bug(
    "padding in the count",
    mistake="without num_tokens the denominator counts every position, those that the mask leaves out too",
    symptom="the loss shrinks as padding grows: one long row turns down the learning rate of its batch",
)
def token_mean__padding_counted(token_loss: Tensor, mask: Tensor, *, num_tokens: int | None = None) -> Tensor:
    return kept_sum(token_loss, mask) / (mask.numel() if num_tokens is None else num_tokens)


@bug(
    "mean of row means",
    mistake="each row is divided by its own length first, so all rows weigh the same, not all tokens",
    symptom="the length bias you meant to remove is still there",
    wild="TRL #2995, #3187: which of the two is GRPO?",
)
def token_mean__row_means(token_loss: Tensor, mask: Tensor, *, num_tokens: int | None = None) -> Tensor:
    means = row_sums(token_loss, mask) / mask.sum(dim=1).clamp_min(1)
    return means.mean() if num_tokens is None else means.sum() / num_tokens


@bug(
    "mean of row means by own counts",
    mistake="each row is divided by its own length, then the rows by their number: that is sequence_mean, and num_tokens has "
    "no effect",
    symptom="the length bias you meant to remove is still there, and the micro-batch size changes the gradient",
    wild="TRL #2995, #3187: which of the two is GRPO?",
)
def token_mean__row_means_alone(token_loss: Tensor, mask: Tensor, *, num_tokens: int | None = None) -> Tensor:
    return (row_sums(token_loss, mask) / mask.sum(dim=1).clamp_min(1)).mean()


@bug(
    "zeros not counted",
    mistake="without num_tokens the losses that are not 0 are counted: a kept loss of 0 is a token like any other",
    symptom="groups without an advantage drop out of the mean, and a batch of nothing but those gives 0 / 0",
)
def token_mean__zeros_not_counted(token_loss: Tensor, mask: Tensor, *, num_tokens: int | None = None) -> Tensor:
    own = torch.where(mask, token_loss != 0, False).sum()
    return kept_sum(token_loss, mask) / (own if num_tokens is None else num_tokens)


@bug(
    "divided twice",
    mistake="the sum is divided by its own count, and then by the global one as well",
    symptom="the gradient is far too small, the more so the larger the micro-batches",
)
def token_mean__divided_twice(token_loss: Tensor, mask: Tensor, *, num_tokens: int | None = None) -> Tensor:
    mean = kept_sum(token_loss, mask) / mask.sum().clamp_min(1)
    return mean if num_tokens is None else mean / num_tokens


@bug(
    "divided by the rows",
    mistake="the sum is divided by a number of rows, not by a number of tokens",
    symptom="batches of long completions push harder than the learning rate says",
    wild="verl's seq-mean-token-sum does this on purpose",
)
def token_mean__over_rows(token_loss: Tensor, mask: Tensor, *, num_tokens: int | None = None) -> Tensor:
    return kept_sum(token_loss, mask) / (len(mask) if num_tokens is None else num_tokens)


@bug(
    "mask ignored",
    mistake="the mask does not reach the numerator: what stands at prompts and padding is added up as well",
    symptom="the model is trained to write prompts and pads",
)
def token_mean__mask_ignored(token_loss: Tensor, mask: Tensor, *, num_tokens: int | None = None) -> Tensor:
    return token_loss.sum() / (mask.sum() if num_tokens is None else num_tokens)


@bug(
    "no denominator",
    mistake="without num_tokens nothing is divided: the kept losses are only added up",
    symptom="the gradient grows with the batch, and gradient clipping decides the step size",
)
def token_mean__sum(token_loss: Tensor, mask: Tensor, *, num_tokens: int | None = None) -> Tensor:
    return kept_sum(token_loss, mask) / (1 if num_tokens is None else num_tokens)


@bug(
    "NaN from an empty micro-batch",
    mistake="a micro-batch that keeps no token gives NaN although the global count is known",
    symptom="the run dies at the first micro-batch in which every completion was cut off and masked",
    wild="TRL PR #3248, NeMo-RL #158",
)
def token_mean__empty_nan(token_loss: Tensor, mask: Tensor, *, num_tokens: int | None = None) -> Tensor:
    mean = kept_sum(token_loss, mask) / mask.sum()
    return mean if num_tokens is None else mean * (mask.sum() / num_tokens)
