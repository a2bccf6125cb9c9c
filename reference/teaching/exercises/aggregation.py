"""Exercises of notebook 06: token_mean, sequence_mean, fixed_length, kl_penalised_rewards, token_rewards."""

from collections.abc import Callable

import torch
from torch import Tensor

from reference.objectives import fixed_length, kl_penalised_rewards, sequence_mean, token_mean, token_rewards
from reference.teaching.exercise import Case, Exercise, numbers, ragged_mask

from .masking import with_zeros

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


KL_MASKS = (ragged_mask([2, 3], 4), HOLES, ragged_mask([1, 6, 3], 8, start=1), ragged_mask([3, 0, 5], 6))


def kl_penalised_rewards_cases(seed: int) -> list[Case]:
    """The padding of ``kl`` holds numbers too: what two models say about pads is no KL."""
    g = torch.Generator().manual_seed(seed)
    cases = []
    for mask, coef in zip(KL_MASKS, (0.5, 0.1, 0.02, 0.3), strict=True):
        arguments = {"rewards": numbers(g, len(mask)), "kl": numbers(g, *mask.shape), "mask": mask}
        cases.append(Case(arguments, {"kl_coef": coef}, edge=not mask.any(dim=1).all()))
    return cases


def token_rewards_cases(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    cases = []
    for mask, coef in zip(KL_MASKS, (0.5, 0.1, 0.02, 0.3), strict=True):
        arguments = {"rewards": numbers(g, len(mask)), "mask": mask}
        options = {"kl": numbers(g, *mask.shape), "kl_coef": coef}
        cases.append(Case(arguments, options, edge=not mask.any(dim=1).all()))
    return cases


def carries_gradient(call: Callable[..., Tensor]) -> str:
    """Rewards are constants. Where they are made under no_grad, as usual, nobody notices; elsewhere it matters."""
    one, kl = torch.ones(1, dtype=torch.float64), torch.ones(1, 2, dtype=torch.float64, requires_grad=True)
    flows = call(one, kl, torch.ones(1, 2, dtype=torch.bool)).requires_grad
    return " (A gradient would flow through the KL: make rewards under torch.no_grad(), or detach.)" if flows else ""


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
    "kl_penalised_rewards": Exercise(
        kl_penalised_rewards,
        kl_penalised_rewards_cases,
        (
            "log p(completion) is a sum over tokens. So is the log-ratio of two policies. What follows for its KL sample?",
            "One number per completion: the sum of its kept kl, times kl_coef, taken off its reward. Padding does not count.",
            "rewards - kl_coef * torch.where(mask, kl, 0.0).sum(dim=1)",
        ),
        """
def kl_penalised_rewards(rewards, kl, mask, *, kl_coef):
    return rewards - kl_coef * torch.where(mask, kl, 0.0).sum(dim=1)
""",
        remark=lambda f: carries_gradient(lambda r, kl, mask: f(r, kl, mask, kl_coef=0.1)),
    ),
    "token_rewards": Exercise(
        token_rewards,
        token_rewards_cases,
        (
            "Two things are to be laid on one row of zeros. Which of them is at every kept token, which at one only?",
            "Every kept token pays kl_coef * kl of its own. The score goes to the last kept token: by position, since a "
            "row may have holes, start late or keep nothing.",
            "A kept token is the last one if no kept token comes after it: "
            "mask & (mask.flip(1).cumsum(1).flip(1) == 1), counted from the right.",
        ),
        """
def token_rewards(rewards, mask, *, kl, kl_coef):
    last = mask & (mask.flip(1).cumsum(dim=1).flip(1) == 1)
    return torch.where(last, rewards[:, None], 0.0) - kl_coef * torch.where(mask, kl, 0.0)
""",
        remark=lambda f: carries_gradient(lambda r, kl, mask: f(r, mask, kl=kl, kl_coef=0.1)),
    ),
}
