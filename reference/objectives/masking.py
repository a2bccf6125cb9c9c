"""Masks and normalisers: which tokens count, and what the sum of their losses is divided by.

Almost every post-training loss is ``(token_loss * mask).sum() / normalizer``. Masks live on the prediction axis
(see ``logprobs``): ``mask[:, t]`` is 1 when ``tokens[:, t + 1]`` is a token the model is trained to produce.

Three normalisers, one function each. Each takes its denominator from the batch, or as an argument: pass the count over
*all* micro-batches and processes, add up the results, and the gradient is exactly that of one big batch.

What sums over tokens does so in at least float32 and returns that dtype: float16 overflows at 65504.
"""

from typing import Literal

import torch

from .inputs import LARGEST
from .shapes import (
    Bool,
    Float,
    InputError,
    Int,
    Shaped,
    Tensor,
    at_least_float32,
    kept,
    require_no_nan,
    typed,
    value_text,
)


@typed
def completion_mask(
    tokens: Int[Tensor, "batch time"], completion_start: Int[Tensor, " batch"], *, eos_token_id: int | list
) -> Bool[Tensor, "batch time-1"]:
    """Which predictions are of completion tokens: from ``completion_start`` through the first EOS after it, inclusive.

        mask[b, t] = start[b] <= t + 1 <= position of the first EOS at or after start[b]

    ``completion_start[b]`` is the index in ``tokens[b]`` of the first completion token, left padding included. The EOS
    itself is kept: a model that is never trained on it never learns to stop. Found by position, not by value, so it
    is right when pad and EOS share an id. A row without EOS (truncated) is kept to its end; a start at the very end
    gives an empty row. A truncated row that is padded on the right has no EOS to stop at: combine the result with
    ``prediction_mask(attention_mask)``. Some models end a turn with one of several tokens: pass their ids as a list.

    The completion is 7 and the EOS, 2: at index 2 and 3, so at 1 and 2 of the mask. The second 2 is padding:
    >>> completion_mask(torch.tensor([[5, 6, 7, 2, 2]]), torch.tensor([2]), eos_token_id=2).int().tolist()
    [[0, 1, 1, 0]]

    As TRL's GRPO (`completion_mask`) and verl's `get_response_mask`, there on the completion's own axis.
    """
    length = tokens.shape[1]
    if (completion_start < 1).any() or (completion_start > length).any():
        raise InputError(
            f"completion_start is {completion_start.tolist()}, expected indices from 1 to {length}: "
            "the first token has nothing before it to be predicted from"
        )
    ends = eos_token_id if isinstance(eos_token_id, list) else [eos_token_id]
    if not ends or not all(type(end) is int and abs(end) <= LARGEST for end in ends):
        raise InputError(
            f"eos_token_id is {value_text(eos_token_id)}: pass the id that ends a turn, or a list of such ids"
        )
    position = torch.arange(length, device=tokens.device)
    inside = position >= completion_start[:, None]
    is_end = inside & torch.isin(tokens, torch.tensor(ends, device=tokens.device))
    ends_before = is_end.cumsum(dim=1) - is_end.long()  # EOS tokens strictly before each position
    return (inside & (ends_before == 0))[:, 1:]


@typed
def prediction_mask(token_mask: Shaped[Tensor, "batch time"]) -> Bool[Tensor, "batch time-1"]:
    """A mask over tokens, such as a chat template's assistant mask, moved to the prediction axis.

        result[b, t] = token_mask[b, t + 1]          its first column is dropped

    Entry t of the result is the entry t + 1 of the input. Using ``token_mask[:, :-1]`` instead leaves out
    the first token of every answer and trains on the token after its EOS: the next turn's header, or padding.
    Raises ``InputError`` for values other than 0 and 1.

    The answer's tokens, at index 2 and 3, are predicted from the positions 1 and 2:
    >>> prediction_mask(torch.tensor([[0, 0, 1, 1, 0]])).int().tolist()
    [[0, 1, 1, 0]]
    """
    return kept(token_mask, "token_mask")[:, 1:]


@typed
def overlong_mask(mask: Shaped[Tensor, "batch pred"], truncated: Bool[Tensor, " batch"]) -> Bool[Tensor, "batch pred"]:
    """The mask without the rows that were cut off at the token budget: they keep no token, so they train nothing.

        result[b, t] = mask[b, t] and not truncated[b]

    A truncated answer is scored 0 although nobody knows how it would have ended. Mask the loss only: leave the rows in
    their group when advantages are computed, or the others' baseline changes. Overlong filtering of DAPO (2503.14476,
    sec. 3.4); TRL ``mask_truncated_completions``, NeMo-RL ``overlong_filtering``, both off by default. open-instruct's
    option of TRL's name drops the rows before the rewards are cut into groups. verl shapes the reward instead
    (``soft_overlong_penalty``). Count tokens and sequences *after* it.

    The first of two rows was cut off, and keeps nothing:
    >>> overlong_mask(torch.tensor([[1, 1, 1], [1, 1, 0]]), torch.tensor([True, False])).int().tolist()
    [[0, 0, 0], [1, 1, 0]]
    """
    return kept(mask) & ~truncated[:, None]


@typed
def masked_mean(x: Float[Tensor, "batch pred"], mask: Shaped[Tensor, "batch pred"]) -> Float[Tensor, ""]:
    """Mean of the kept entries.

        sum(m * x) / sum(m)

    What the mask leaves out cannot reach the result, not even NaN or inf. Raises ``InputError`` when the mask keeps
    nothing (there is no mean of no numbers) and when a kept entry is NaN.

    The mean of 1 and 3; multiplying with the mask would make it NaN:
    >>> masked_mean(torch.tensor([[1.0, 3.0, torch.nan]]), torch.tensor([[1, 1, 0]])).item()
    2.0
    """
    total, keep = masked_sums(x, mask, "x")
    return total.sum() / denominator(None, keep.sum(), "mask")


@typed
def sequence_sum(x: Float[Tensor, "batch pred"], mask: Shaped[Tensor, "batch pred"]) -> Float[Tensor, " batch"]:
    """Sum of the kept entries of each row: one number per sequence, 0 for an empty row.

        sum_t m[b, t] * x[b, t]

    Of log-probs it is log p(completion | prompt) (``sequence_logprobs``), of token rewards the completion's reward, of
    per-token k1 the KL sample of the whole sequence. Raises ``InputError`` when a kept entry is NaN.

    One number per row, also for the row without a kept entry:
    >>> sequence_sum(torch.tensor([[1.0, 2.0, 4.0], [8.0, 8.0, 8.0]]), torch.tensor([[1, 1, 0], [0, 0, 0]])).tolist()
    [3.0, 0.0]
    """
    return masked_sums(x, mask, "x")[0]


@typed
def token_mean(
    token_loss: Float[Tensor, "batch pred"], mask: Shaped[Tensor, "batch pred"], *, num_tokens: int | None = None
) -> Float[Tensor, ""]:
    """Token-level loss: every token of the batch weighs the same, so long completions weigh more.

        sum of kept losses / num_tokens          num_tokens: given, or the number of kept tokens here

    DAPO (2503.14476, eq. 8). TRL ``loss_type="dapo"`` and verl/OpenRLHF "token-mean" divide by the global count
    (``num_tokens`` here; TRL takes the generation batch's, times accumulation / ``steps_per_generation``: the mean of
    the counts where a rollout serves several optimizer steps). In OpenRLHF that switch, ``actor.loss_agg_mode``, is the
    policy loss's alone. TRL ``"bnpo"`` divides by each micro-batch's own, which changes the objective.

    A row of three tokens of loss 1 and a row of one token of loss 5 give 8 / 4; by rows (``sequence_mean``) it is 3:
    >>> token_mean(torch.tensor([[1.0, 1.0, 1.0], [5.0, 0.0, 0.0]]), torch.tensor([[1, 1, 1], [1, 0, 0]])).item()
    2.0
    """
    total, keep = masked_sums(token_loss, mask)
    return total.sum() / denominator(num_tokens, keep.sum(), "num_tokens")


@typed
def sequence_mean(
    token_loss: Float[Tensor, "batch pred"], mask: Shaped[Tensor, "batch pred"], *, num_sequences: int | None = None
) -> Float[Tensor, ""]:
    """Every completion weighs the same: the mean over rows of each row's mean over its kept tokens.

        sum over rows of (sum of kept losses / number of kept tokens) / num_sequences

    GRPO (2402.03300, eq. 3). A token of a long completion weighs less than one of a short completion: the length bias
    that Dr.GRPO points at. Rows without kept tokens are not counted, as in OpenRLHF and in verl's function; TRL
    ``loss_type="grpo"`` and verl's trainer divide by all rows, which equals ``num_sequences=batch``.

    A row of three tokens of loss 1 and a row of one token of loss 5 give (1 + 5) / 2; ``token_mean`` is 8 / 4:
    >>> sequence_mean(torch.tensor([[1.0, 1.0, 1.0], [5.0, 0.0, 0.0]]), torch.tensor([[1, 1, 1], [1, 0, 0]])).item()
    3.0
    """
    total, keep = masked_sums(token_loss, mask)
    lengths = keep.sum(dim=1)
    return (total / lengths.clamp_min(1)).sum() / denominator(num_sequences, (lengths > 0).sum(), "num_sequences")


@typed
def fixed_length(
    token_loss: Float[Tensor, "batch pred"],
    mask: Shaped[Tensor, "batch pred"],
    *,
    max_length: int,
    num_sequences: int | None = None,
) -> Float[Tensor, ""]:
    """Every token weighs 1 / (rows * max_length), whatever the lengths are: the denominator is a constant.

        sum of kept losses / (num_sequences * max_length)

    Dr.GRPO (2503.20783), together with ``group_advantages(scale="none")``. ``max_length`` is the generation budget, not
    the padded width: verl's "seq-mean-token-sum-norm" uses the width unless told otherwise, so its scale drifts with
    padding. All rows count, empty ones too, as in TRL ``loss_type="dr_grpo"`` and in verl's trainer. On one batch it is
    ``token_mean`` times a scalar.

    Four kept losses of 1, in two rows with a budget of 8 tokens each: 4 / (2 * 8), neither 4 / 4 nor 4 / (2 * 3):
    >>> fixed_length(torch.ones(2, 3), torch.tensor([[1, 1, 1], [1, 0, 0]]), max_length=8).item()
    0.25
    """
    if max_length < 1:
        raise InputError(f"max_length is {max_length}, expected the generation budget in tokens, at least 1")
    total, keep = masked_sums(token_loss, mask)
    if num_sequences is None and not keep.any():
        raise InputError(NOTHING_KEPT)
    return total.sum() / float(max_length * denominator(num_sequences, len(mask), "num_sequences"))


@typed
def aggregate(
    token_loss: Float[Tensor, "batch pred"],
    mask: Shaped[Tensor, "batch pred"],
    *,
    strategy: Literal["sequence_mean", "token_mean", "fixed_length"],
    max_length: int | None = None,
    num_tokens: int | None = None,
    num_sequences: int | None = None,
) -> Float[Tensor, ""]:
    """Loss aggregation by name: one of the three normalisers, for loops in which the strategy is a choice.

    ``max_length`` is needed by "fixed_length" only. Pass both global counts when a batch is split; each strategy takes
    the one it divides by. ``num_sequences`` counts the rows that keep a token for "sequence_mean", all rows for
    "fixed_length": the two differ where there are empty rows.

    A row that keeps nothing counts for "fixed_length", 4 / (2 * 2), but not for "sequence_mean", 2 / 1:
    >>> loss, mask = torch.tensor([[2.0, 2.0], [0.0, 0.0]]), torch.tensor([[1, 1], [0, 0]])
    >>> [aggregate(loss, mask, strategy=name, max_length=2).item() for name in ("fixed_length", "sequence_mean")]
    [1.0, 2.0]
    """
    if strategy == "token_mean":
        return token_mean(token_loss, mask, num_tokens=num_tokens)
    if strategy == "sequence_mean":
        return sequence_mean(token_loss, mask, num_sequences=num_sequences)
    if max_length is None:
        raise InputError('max_length is missing: strategy "fixed_length" divides by the generation budget')
    return fixed_length(token_loss, mask, max_length=max_length, num_sequences=num_sequences)


NOTHING_KEPT = (
    "mask keeps no token, so there is nothing to average: check completion_start and the alignment of the mask"
)


def masked_sums(token_loss: Tensor, mask: Tensor, name: str = "token_loss") -> tuple[Tensor, Tensor]:
    """Per-row sums of the kept losses, and the mask as booleans. ``where``, not ``*``: 0 * NaN is NaN."""
    keep = kept(mask)
    require_no_nan(token_loss, name, mask=keep)
    return torch.where(keep, at_least_float32(token_loss), 0.0).sum(dim=1), keep


def denominator(given: int | None, counted: int | Tensor, name: str) -> int | Tensor:
    """The global count when given, else the count of this batch, which must not be zero."""
    if given is None and counted == 0:
        raise InputError(NOTHING_KEPT)
    if given is not None and given < 1:
        raise InputError(f"{name} is {given}, expected the count over the whole batch, at least 1")
    return counted if given is None else given
