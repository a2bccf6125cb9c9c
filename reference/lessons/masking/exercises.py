"""The exercises masked_mean, aggregate, reinforce_loss."""

import inspect
from collections.abc import Callable

import torch

from reference.objectives import aggregate, fixed_length, masked_mean, reinforce_loss, sequence_mean, token_mean
from reference.teaching.exercise import Case, Exercise, numbers, ragged_mask

HOLES = torch.tensor([[0, 1, 1, 0, 1, 0], [0, 0, 1, 0, 0, 1]]).bool()  # two turns of an assistant, or a tool in between


def masked_mean_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    masks = [ragged_mask([1, 3], 3), ragged_mask([1, 4], 5, start=1), HOLES, ragged_mask([4, 1, 3, 2], 6, start=2)]
    cases = [Case({"x": numbers(g, *mask.shape), "mask": mask}, {}, ("x",)) for mask in masks]
    empty_row = ragged_mask([2, 0, 5], 6)
    cases.append(Case({"x": numbers(g, 3, 6), "mask": empty_row}, {}, ("x",), edge=True))
    return [*cases, Case({"x": with_zeros(g), "mask": ragged_mask([2, 3], 4)}, {}, ("x",))]


def with_zeros(g: torch.Generator) -> torch.Tensor:
    """Losses that happen to be 0, as all those of a dead group are: no less kept than others. A whole row, and more."""
    x = numbers(g, 2, 4)
    x[0], x[1, 0] = 0.0, 0.0
    return x


def aggregate_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    cases = []
    masks = [ragged_mask([2, 4], 5), ragged_mask([1, 6, 3], 7), HOLES, ragged_mask([3, 0, 5], 6)]
    for mask, budget in zip(masks, (8, 10, 4, 12), strict=True):
        for strategy in ("token_mean", "sequence_mean", "fixed_length"):
            arguments = {"token_loss": numbers(g, *mask.shape), "mask": mask}
            options = {"strategy": strategy, "max_length": budget}
            cases.append(Case(arguments, options, ("token_loss",), edge=not mask.any(dim=1).all()))
    for strategy in ("token_mean", "sequence_mean", "fixed_length"):
        arguments = {"token_loss": with_zeros(g), "mask": ragged_mask([2, 3], 4)}
        cases.append(Case(arguments, {"strategy": strategy, "max_length": 8}, ("token_loss",)))
    return cases


def leaks_nan(solution: Callable) -> str:
    """Does a NaN under the mask reach the value or the gradient? Legitimate, and worth knowing."""
    x, mask = (
        torch.tensor([[1.0, torch.nan], [2.0, 3.0]], requires_grad=True),
        torch.tensor([[True, False], [True, True]]),
    )
    options = {} if len(inspect.signature(solution).parameters) == 2 else {"strategy": "token_mean", "max_length": 2}
    value = solution(x, mask, **options)
    (gradient,) = torch.autograd.grad(value, x)
    return " (But a NaN under the mask would reach it.)" if value.isnan() or gradient.isnan().any() else ""


def reinforce_loss_cases(seed: int) -> list[Case]:
    """Advantages per completion and per token. The edge case is an advantage that carries a graph, as a critic's does."""
    g = torch.Generator().manual_seed(seed)
    cases = []
    for rows, pred, columns in [(1, 2, 1), (3, 2, 1), (2, 4, 4)]:
        arguments = {"token_logprobs": -numbers(g, rows, pred).abs(), "advantages": numbers(g, rows, columns)}
        cases.append(Case(arguments, {}, ("token_logprobs",)))
    arguments = {"token_logprobs": -numbers(g, 1, 2).abs(), "advantages": numbers(g, 1, 1)}
    return [*cases, Case(arguments, {}, ("token_logprobs", "advantages"), edge=True)]


EXERCISES = {
    "masked_mean": Exercise(
        masked_mean,
        masked_mean_cases,
        (
            "Two sums and a division. Which entries does each of the two sums run over?",
            "The numerator adds up x where the mask is 1. The denominator is the number of those places, not x.numel().",
            "torch.where(mask, x, 0.0) clears the rest of x. What do you get if you sum the mask itself?",
        ),
        """
def masked_mean(x, mask):
    return torch.where(mask, x, 0.0).sum() / mask.sum()
""",
        remark=leaks_nan,
    ),
    "aggregate": Exercise(
        aggregate,
        aggregate_cases,
        (
            "Two of the three take the sum of all kept losses and divide it once. Which one divides inside each row first, "
            "and only then takes a mean over rows?",
            "token_mean divides by the number of kept tokens, fixed_length by the number of rows times max_length. "
            "sequence_mean needs each row's sum and each row's count: sum(dim=1) gives one number per row.",
            "A row that keeps nothing is 0 / 0 in sequence_mean. clamp_min(1) saves the division; then make sure the row "
            "is not counted as a row either.",
        ),
        """
def aggregate(token_loss, mask, *, strategy, max_length):
    row_sums = torch.where(mask, token_loss, 0.0).sum(dim=1)
    lengths = mask.sum(dim=1)
    if strategy == "sequence_mean":
        return (row_sums / lengths.clamp_min(1)).sum() / (lengths > 0).sum()
    if strategy == "token_mean":
        return row_sums.sum() / lengths.sum()
    return row_sums.sum() / (len(mask) * max_length)
""",
        remark=leaks_nan,
        also=(sequence_mean, token_mean, fixed_length),
    ),
    "reinforce_loss": Exercise(
        reinforce_loss,
        reinforce_loss_cases,
        (
            "The gradient that you want is the advantage times the gradient of the log-prob. Which function of the log-prob "
            "has it as its derivative? And which way does an optimizer walk?",
            "The advantage is a constant factor. If a critic computed it, it still carries a graph: what happens there when "
            "the loss is differentiated?",
            "detach() cuts the graph of a tensor. Which of the two tensors must be cut, and which must not?",
        ),
        """
def reinforce_loss(token_logprobs, advantages):
    return -advantages.detach() * token_logprobs
""",
    ),
}
