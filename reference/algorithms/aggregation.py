"""Aggregations: what the losses of all tokens are divided by. One entry for each, with all that is true of it."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from reference.algorithms.data import Counts
from reference.algorithms.recipes import Recipe
from reference.algorithms.registry import entry_of, name_of
from reference.objectives import fixed_length, sequence_mean, token_mean


@dataclass(frozen=True)
class Aggregation:
    """An aggregation: its function, and its words."""

    function: Callable[[Tensor, Tensor, Counts], Tensor]  # of token_loss and mask, (rows, pred) -> a scalar
    words: str  # for the comparison table


def over_sequences(loss: Tensor, mask: Tensor, n: Counts) -> Tensor:
    return sequence_mean(loss, mask, num_sequences=n.num_kept)


def over_tokens(loss: Tensor, mask: Tensor, n: Counts) -> Tensor:
    return token_mean(loss, mask, num_tokens=n.num_tokens)


def over_budget(loss: Tensor, mask: Tensor, n: Counts) -> Tensor:
    return fixed_length(loss, mask, max_length=n.max_length, num_sequences=n.num_sequences)


AGGREGATIONS = {
    "sequence_mean": Aggregation(over_sequences, "mean over tokens, then over completions"),
    "token_mean": Aggregation(over_tokens, "mean over all tokens"),
    "fixed_length": Aggregation(over_budget, "sum over tokens / (completions x budget)"),
}


def aggregation_of(r: Recipe) -> Aggregation:
    """The recipe's aggregation, by its name or a function of your own."""
    if callable(r.aggregation):
        return Aggregation(r.aggregation, name_of(r.aggregation))
    return entry_of(AGGREGATIONS, r.aggregation, "aggregation")
