"""What the exercises of the lesson are tried on, and what is compared of each result."""

from collections.abc import Callable
from decimal import Decimal
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from reference.evaluation.best_of_n import best_of_n_kl
from reference.teaching.compare import plain
from reference.teaching.exercise import Case, numbers

TERMS = ("policy_loss", "value_loss", "kl", "sft_loss", "entropy")
COEFS = (
    (0.5, 0.1, 0.3, 0.01),
    (1.0, 0.02, 0.1, 0.05),
    (0.1, 0.5, 1.5, 0.2),
    (2.0, 0.3, 0.05, 0.002),
    (0.25, 3.0, 0.7, 0.4),
)
DIGITS = 4  # of a KL that is compared


def total_loss_cases(seed: int) -> list[Case]:
    """Five scalars and four coefficients. Value error, NLL and entropy are above 0; every second sampled KL is below it."""
    g = torch.Generator().manual_seed(seed)
    cases = []
    for i, (vf, kl, sft, entropy) in enumerate(COEFS):
        terms = dict(zip(TERMS, numbers(g, len(TERMS)).abs() + 0.1, strict=True))
        policy_loss = terms.pop("policy_loss") * (-1) ** (i // 2)
        terms["kl"] = terms["kl"] * (-1) ** i
        options = terms | {"vf_coef": vf, "kl_coef": kl, "sft_coef": sft, "entropy_coef": entropy}
        cases.append(Case({"policy_loss": policy_loss}, options, TERMS))
    return cases


def best_of_n_kl_cases(seed: int) -> list[Case]:
    """Numbers of samples from 1 on. The edge case is the policy itself, where a wrong formula may divide by 0."""
    g = torch.Generator().manual_seed(seed)
    ns = [1, 2, 3, 4, draw(g, 5, 12), 16, draw(g, 20, 60), 64, draw(g, 100, 500), 1000]
    return [Case({"n": n}, {}, edge=n == 1, through=nats_of) for n in ns]


def nats_of(function: Callable[..., Any], n: int) -> Any:
    """What it returns, so that every right way of computing it gives one number: in float32, or exact. 0 has no sign."""
    value, right = plain(function(n)), best_of_n_kl(n)
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        return value
    value = float(value)
    return round(right if abs(value - right) < 10**-DIGITS else value, DIGITS) + 0.0


def worst_of_cases(seed: int) -> list[Case]:
    """Members with origins of their own: one member, as many members as completions, and more completions.

    Each member is the worst one of some completion. Without baselines other members would be, in some of the cases.
    """
    g = torch.Generator().manual_seed(seed)
    cases = []
    for members, batch in ((1, 3), (2, 4), (3, 3), (3, 8), (4, 6)):
        centred = numbers(g, members, batch).clamp(-1.5, 1.5)
        centred[torch.arange(members), torch.randperm(batch, generator=g)[:members]] -= 4
        baselines = 2 * torch.randperm(members, generator=g) + 0.3 * numbers(g, members) - 3
        cases.append(Case({"rewards": centred + baselines[:, None], "baselines": baselines}, {}))
    return cases


def soft_length_penalty_cases(seed: int) -> list[Case]:
    """Lengths on both sides of both ends of the buffer, and on them. The last ones are longer than the budget."""
    g = torch.Generator().manual_seed(seed)
    cases = []
    for max_length, buffer in ((100, 20), (96, 32), (draw(g, 60, 80), draw(g, 10, 25)), (400, 100), (24, 9)):
        free = max_length - buffer
        inside = [free + 1, free + draw(g, 2, buffer - 2), max_length - 1]
        lengths = [draw(g, 1, free - 1), free, *inside, max_length, max_length + draw(g, 1, buffer), 2 * max_length]
        cases.append(Case({"lengths": shuffled(g, lengths)}, {"max_length": max_length, "buffer": buffer}))
    return cases


def shuffled(g: torch.Generator, values: list[int]) -> Tensor:
    return torch.tensor(values)[torch.randperm(len(values), generator=g)]


def draw(g: torch.Generator, low: int, high: int) -> int:
    """A whole number from low to high."""
    return int(torch.randint(low, high + 1, (), generator=g))
