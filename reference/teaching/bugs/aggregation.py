"""What goes wrong when a batch is split, and when a KL penalty is put into the reward."""

import torch
from torch import Tensor

from . import bug


def kept_sum(x: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, x, 0.0).sum()


def row_sums(x: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, x, 0.0).sum(dim=1)


# ---- token_mean ------------------------------------------------------------------------------------------------------


@bug(
    "own count in every micro-batch",
    mistake="num_tokens has no effect: every micro-batch divides by its own tokens, whatever the others hold",
    symptom="the micro-batch size, a setting for memory, changes the gradient's direction: tokens of thin micro-batches "
    "weigh more",
    wild='TRL loss_type="bnpo" and issue #3021; nanochat #400',
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
    wild="TRL PR #3138: which of the two is GRPO?",
)
def token_mean__row_means(token_loss: Tensor, mask: Tensor, *, num_tokens: int | None = None) -> Tensor:
    means = row_sums(token_loss, mask) / mask.sum(dim=1).clamp_min(1)
    return means.mean() if num_tokens is None else means.sum() / num_tokens


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
    wild="TRL PR #3248, NeMo-RL PR #724",
)
def token_mean__empty_nan(token_loss: Tensor, mask: Tensor, *, num_tokens: int | None = None) -> Tensor:
    mean = kept_sum(token_loss, mask) / mask.sum()
    return mean if num_tokens is None else mean * (mask.sum() / num_tokens)


# ---- sequence_mean ---------------------------------------------------------------------------------------------------


@bug(
    "own rows in every micro-batch",
    mistake="num_sequences has no effect: every micro-batch divides by its own rows",
    symptom="added up, the gradient is as many times too large as there are micro-batches",
    wild="verl PR #3332: the division by the number of micro-batches was missing",
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
    wild="TRL PR #3248, NeMo-RL PR #724",
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


# ---- fixed_length ----------------------------------------------------------------------------------------------------


def over(token_loss: Tensor, mask: Tensor, length: int | Tensor, num_sequences: int | Tensor | None) -> Tensor:
    rows = len(mask) if num_sequences is None else num_sequences
    return kept_sum(token_loss, mask) / (length * rows)


@bug(
    "padded width as the length",
    mistake="the denominator has this batch's padded width where max_length should be",
    symptom="the same completions give another gradient when one long row joins their micro-batch",
    wild="verl's seq-mean-token-sum-norm without loss_scale_factor (verl #3741)",
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
    wild="verl PR #3332: the division by the number of micro-batches was missing",
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


# ---- kl_penalised_rewards --------------------------------------------------------------------------------------------


@bug(
    "mean instead of sum",
    mistake="the KL of a completion is averaged over its tokens, not added up",
    symptom="the penalty is as many times too weak as completions are long, and drifting costs long ones least",
)
def kl_penalised_rewards__mean(rewards: Tensor, kl: Tensor, mask: Tensor, *, kl_coef: float) -> Tensor:
    return rewards - kl_coef * row_sums(kl, mask) / mask.sum(dim=1).clamp_min(1)


@bug(
    "padding pays",
    mistake="the mask has no effect: what two models say about padding and prompts is charged to the completion",
    symptom="the penalty depends on how wide the batch was padded",
)
def kl_penalised_rewards__padding(rewards: Tensor, kl: Tensor, mask: Tensor, *, kl_coef: float) -> Tensor:
    return rewards - kl_coef * kl.sum(dim=1)


@bug(
    "a bonus for drifting",
    mistake="the KL is added to the reward, so moving away from the reference is paid for",
    symptom="KL and reward rise together, and the text falls apart",
)
def kl_penalised_rewards__plus(rewards: Tensor, kl: Tensor, mask: Tensor, *, kl_coef: float) -> Tensor:
    return rewards + kl_coef * row_sums(kl, mask)


@bug(
    "one charge for all",
    mistake="every completion is charged the mean over the batch instead of its own KL",
    symptom="a baseline removes it exactly: a coefficient is set, and nothing holds the policy",
)
def kl_penalised_rewards__batch_mean(rewards: Tensor, kl: Tensor, mask: Tensor, *, kl_coef: float) -> Tensor:
    return rewards - kl_coef * row_sums(kl, mask).mean()


@bug(
    "negative KL cut off",
    mistake="tokens with a negative kl are set to 0, but a single token's k1 may well be negative",
    symptom="every token pays or is free, so saying less is the cheapest way to stay close",
)
def kl_penalised_rewards__clamped(rewards: Tensor, kl: Tensor, mask: Tensor, *, kl_coef: float) -> Tensor:
    return rewards - kl_coef * row_sums(kl.clamp_min(0), mask)


@bug(
    "absolute KL",
    mistake="the absolute value of each token's kl is charged: a token that the reference likes better pays too",
    symptom="the penalty rises although the KL does not; its expected gradient is not that of a KL",
    wild="verl's kl_penalty=abs, by choice",
)
def kl_penalised_rewards__absolute(rewards: Tensor, kl: Tensor, mask: Tensor, *, kl_coef: float) -> Tensor:
    return rewards - kl_coef * row_sums(kl.abs(), mask)


@bug(
    "coefficient on everything",
    mistake="the coefficient multiplies the reward as well as the KL",
    symptom="after a division by the group's std the coefficient is gone: every value of it gives the same run",
)
def kl_penalised_rewards__scaled(rewards: Tensor, kl: Tensor, mask: Tensor, *, kl_coef: float) -> Tensor:
    return kl_coef * (rewards - row_sums(kl, mask))


@bug(
    "coefficient forgotten",
    mistake="the KL is taken off without its coefficient",
    symptom="the reward is drowned by the penalty, and the policy stays the reference",
)
def kl_penalised_rewards__no_coefficient(rewards: Tensor, kl: Tensor, mask: Tensor, *, kl_coef: float) -> Tensor:
    return rewards - row_sums(kl, mask)


# ---- token_rewards ---------------------------------------------------------------------------------------------------


def last_kept(mask: Tensor) -> Tensor:
    return mask & (mask.flip(1).cumsum(dim=1).flip(1) == 1)


def laid(rewards: Tensor, place: Tensor, charge: Tensor) -> Tensor:
    return torch.where(place, rewards[:, None], 0.0) - charge


@bug(
    "score on every token",
    mistake="the score stands on every kept token instead of on one",
    symptom="the return counts the score once per token: long right answers are paid for being long",
)
def token_rewards__everywhere(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    return laid(rewards, mask, kl_coef * torch.where(mask, kl, 0.0))


@bug(
    "score on the last column",
    mistake="the score stands in the last column of the batch, which for shorter rows is padding",
    symptom="only the longest completion of a batch is ever rewarded",
    wild="OpenRLHF #300 is about where the reward goes",
)
def token_rewards__last_column(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    place = torch.zeros_like(mask)
    place[:, -1] = True
    return laid(rewards, place, kl_coef * torch.where(mask, kl, 0.0))


@bug(
    "score one place late",
    mistake="the score stands one place after the last kept token",
    symptom="a mask drops it, and the policy sees nothing but the KL",
    wild="TRL #3750: its PPO (up to 1.12) did it on purpose, with a value mask one longer",
)
def token_rewards__one_late(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    place = torch.cat([torch.zeros_like(mask[:, :1]), last_kept(mask)[:, :-1]], dim=1)
    return laid(rewards, place, kl_coef * torch.where(mask, kl, 0.0))


@bug(
    "score on the first token",
    mistake="the score stands on the first kept token, so no later token's return contains it",
    symptom="with a critic or returns to go only the first token of each completion learns",
)
def token_rewards__first(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    place = mask & (mask.cumsum(dim=1) == 1)
    return laid(rewards, place, kl_coef * torch.where(mask, kl, 0.0))


@bug(
    "place found by counting",
    mistake="the place of the score is a number of kept tokens, used as an index: right only for rows that start at 0 "
    "and have no holes",
    symptom="as soon as prompts share the axis or a tool speaks in between, scores land on the wrong token",
)
def token_rewards__count_as_index(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    place = torch.arange(mask.shape[1]) == (mask.sum(dim=1) - 1)[:, None]
    return laid(rewards, place, kl_coef * torch.where(mask, kl, 0.0))


@bug(
    "padding pays",
    mistake="positions that the mask leaves out are charged as well",
    symptom="returns at the last real tokens contain whatever two models say about padding",
    wild="rlhf-book PR #216 fixed such a leak into returns",
)
def token_rewards__padding(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    return laid(rewards, last_kept(mask), kl_coef * kl)


@bug(
    "a bonus for drifting",
    mistake="the KL is added to the reward, so moving away from the reference is paid for",
    symptom="KL and reward rise together, and the text falls apart",
)
def token_rewards__plus(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    return laid(rewards, last_kept(mask), -kl_coef * torch.where(mask, kl, 0.0))


@bug(
    "score in the place of the KL",
    mistake="the last kept token gets the score alone: its own KL is overwritten",
    symptom="the token that ends a completion may drift for nothing",
)
def token_rewards__overwritten(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    last = last_kept(mask)
    return laid(rewards, last, kl_coef * torch.where(mask & ~last, kl, 0.0))


@bug(
    "coefficient forgotten",
    mistake="the KL is taken off without its coefficient",
    symptom="the reward is drowned by the penalty, and the policy stays the reference",
)
def token_rewards__no_coefficient(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    return laid(rewards, last_kept(mask), torch.where(mask, kl, 0.0))


@bug(
    "coefficient on everything",
    mistake="the coefficient multiplies the score as well as the KL",
    symptom="after whitening the coefficient is gone: every value of it gives the same run",
)
def token_rewards__scaled(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    return kl_coef * laid(rewards, last_kept(mask), torch.where(mask, kl, 0.0))


@bug(
    "KL to go on every token",
    mistake="every token is charged with the KL from there on; the return will add that up once more",
    symptom="late KL is counted once for every token before it, and completions shrink",
)
def token_rewards__to_go(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    to_go = torch.where(mask, kl, 0.0).flip(1).cumsum(dim=1).flip(1)
    return laid(rewards, last_kept(mask), kl_coef * to_go * mask)


@bug(
    "the whole KL on every token",
    mistake="every token is charged with the KL of the whole completion, so the return adds it up again and again",
    symptom="the penalty grows with the square of the length, and completions shrink",
)
def token_rewards__whole_everywhere(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    charge = kl_coef * row_sums(kl, mask)[:, None] * mask
    return laid(rewards, last_kept(mask), charge)


@bug(
    "the whole KL at the end",
    mistake="the KL of all tokens is taken off at the last one, so a token's return does not know its own share",
    symptom="the totals are right, but early tokens pay for late ones and late ones for early ones: more variance",
)
def token_rewards__all_at_the_end(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    return laid(rewards - kl_coef * row_sums(kl, mask), last_kept(mask), torch.zeros_like(kl))


@bug(
    "score of an empty row",
    mistake="a row that keeps no token gets its score all the same, at some place that the mask leaves out",
    symptom="returns of rows that were cut off and masked are not 0, and whitening moves everybody else",
)
def token_rewards__empty_row(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    index = mask.shape[1] - 1 - mask.flip(1).int().argmax(dim=1)  # argmax of nothing is 0: the last column
    place = torch.arange(mask.shape[1]) == index[:, None]
    return laid(rewards, place, kl_coef * torch.where(mask, kl, 0.0))
