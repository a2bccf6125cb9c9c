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


AGGREGATIONS = {
    "sequence_mean": Aggregation(
        lambda loss, mask, n: sequence_mean(loss, mask, num_sequences=n.num_kept),
        "mean over tokens, then over completions",
    ),
    "token_mean": Aggregation(
        lambda loss, mask, n: token_mean(loss, mask, num_tokens=n.num_tokens), "mean over all tokens"
    ),
    "fixed_length": Aggregation(
        lambda loss, mask, n: fixed_length(loss, mask, max_length=n.max_length, num_sequences=n.num_sequences),
        "sum over tokens / (completions x budget)",
    ),
}


def aggregation_of(r: Recipe) -> Aggregation:
    """The recipe's aggregation, by its name or a function of your own."""
    if callable(r.aggregation):
        return Aggregation(r.aggregation, name_of(r.aggregation))
    return entry_of(AGGREGATIONS, r.aggregation, "aggregation")
