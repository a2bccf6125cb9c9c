"""The exercises token_mean, sequence_mean, fixed_length."""

import torch
from torch import Tensor

from reference.lessons.masking.exercises import with_zeros
from reference.objectives import fixed_length, sequence_mean, token_mean
from reference.teaching.exercise import Case, Exercise, numbers, ragged_mask

HOLES = torch.tensor([[1, 1, 0, 0, 1, 0], [0, 1, 1, 1, 0, 0]]).bool()  # a tool spoke in between; a late start
NOTHING = torch.zeros(2, 4, dtype=torch.bool)  # a micro-batch in which every row was cut off and masked


def losses(g: torch.Generator, mask: Tensor) -> dict[str, Tensor]:
    return {"token_loss": numbers(g, *mask.shape), "mask": mask}


def token_mean_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    calls = [
        (ragged_mask([2, 3], 4), {}),
        (ragged_mask([2, 3], 4), {"num_tokens": 9}),
        (HOLES, {}),
        (HOLES, {"num_tokens": 20}),
    ]
    calls.append((ragged_mask([1, 6, 3], 7, start=1), {"num_tokens": 50}))
    cases = [Case(losses(g, mask), options, ("token_loss",)) for mask, options in calls]
    cases.append(Case({"token_loss": with_zeros(g), "mask": ragged_mask([2, 3], 4)}, {}, ("token_loss",)))
    return [*cases, Case(losses(g, NOTHING), {"num_tokens": 9}, ("token_loss",), edge=True)]


def sequence_mean_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    calls = [
        (ragged_mask([2, 3], 4), {}),
        (ragged_mask([2, 3], 4), {"num_sequences": 7}),
        (HOLES, {"num_sequences": 5}),
        (HOLES, {}),
    ]
    calls.append((ragged_mask([1, 6, 3], 7, start=1), {"num_sequences": 11}))
    edges = [(ragged_mask([2, 0, 5], 6), {}), (ragged_mask([2, 0, 5], 6), {"num_sequences": 7})]
    edges.append((NOTHING, {"num_sequences": 7}))
    cases = [Case(losses(g, mask), options, ("token_loss",)) for mask, options in calls]
    cases.append(Case({"token_loss": with_zeros(g), "mask": ragged_mask([2, 3], 4)}, {}, ("token_loss",)))
    return cases + [Case(losses(g, mask), options, ("token_loss",), edge=True) for mask, options in edges]


def fixed_length_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    calls = [
        (ragged_mask([2, 3], 4), {"max_length": 8}),
        (ragged_mask([2, 3], 4), {"max_length": 8, "num_sequences": 7}),
    ]
    calls += [(HOLES, {"max_length": 9, "num_sequences": 5}), (HOLES, {"max_length": 9})]
    calls.append((ragged_mask([1, 6, 3], 7, start=1), {"max_length": 16, "num_sequences": 11}))
    calls.append((ragged_mask([2, 5, 3], 7, start=2), {"max_length": 4}))  # a constant: no row is cut to it
    edges = [(ragged_mask([2, 0, 5], 6), {"max_length": 8}), (NOTHING, {"max_length": 8, "num_sequences": 7})]
    return [Case(losses(g, mask), options, ("token_loss",)) for mask, options in calls] + [
        Case(losses(g, mask), options, ("token_loss",), edge=True) for mask, options in edges
    ]


EXERCISES = {
    "token_mean": Exercise(
        token_mean,
        token_mean_cases,
        (
            "Each micro-batch calls it once and the results are added up. What must every one of them divide by, so that "
            "the total is one sum over one count?",
            "The numerator is the sum of the kept losses of *these* rows. The denominator is num_tokens if it is given, "
            "and only otherwise the number of kept tokens here.",
            "torch.where(mask, token_loss, 0.0).sum() / (mask.sum() if num_tokens is None else ...)",
        ),
        """
def token_mean(token_loss, mask, *, num_tokens=None):
    return torch.where(mask, token_loss, 0.0).sum() / (mask.sum() if num_tokens is None else num_tokens)
""",
    ),
    "sequence_mean": Exercise(
        sequence_mean,
        sequence_mean_cases,
        (
            "Two divisions. Which of them concerns one row only, and which one needs to know about the other micro-batches?",
            "Divide each row's sum by that row's own number of kept tokens, add the rows up, then divide by num_sequences. "
            "If it is not given, count the rows here that keep something.",
            "lengths = mask.sum(dim=1); a row of length 0 must give 0, not 0/0: lengths.clamp_min(1). "
            "And (lengths > 0).sum() counts the rows that keep something.",
        ),
        """
def sequence_mean(token_loss, mask, *, num_sequences=None):
    lengths = mask.sum(dim=1)
    row_means = torch.where(mask, token_loss, 0.0).sum(dim=1) / lengths.clamp_min(1)
    return row_means.sum() / ((lengths > 0).sum() if num_sequences is None else num_sequences)
""",
    ),
    "fixed_length": Exercise(
        fixed_length,
        fixed_length_cases,
        (
            "Which numbers of this batch may the denominator depend on? Its lengths? Its padded width? Its number of rows?",
            "The sum of the kept losses, divided by max_length times the number of rows: num_sequences if given, else all "
            "rows of this batch, those that keep nothing too.",
            "rows = len(mask) if num_sequences is None else num_sequences; then sum / (rows * max_length).",
        ),
        """
def fixed_length(token_loss, mask, *, max_length, num_sequences=None):
    rows = len(mask) if num_sequences is None else num_sequences
    return torch.where(mask, token_loss, 0.0).sum() / (rows * max_length)
""",
    ),
}
