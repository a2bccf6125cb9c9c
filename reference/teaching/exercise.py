"""What an exercise is, and what all of them draw their inputs from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Case:
    """One call: positional arguments, options, and for which arguments gradients are compared."""

    arguments: dict[str, Any]
    options: dict[str, Any]
    differentiable: tuple[str, ...] = ()
    count_where: torch.Tensor | None = None  # compare here only; elsewhere any valid value will do
    edge: bool = False  # a special case: a mistake is still recognised if it behaves differently here


@dataclass(frozen=True)
class Exercise:
    """A function to write. ``cases(seed)`` draws the inputs it is tried on."""

    reference: Callable
    cases: Callable[[int], list[Case]]
    hints: tuple[str, ...]
    in_short: str  # a solution without the checks of the inputs, as ``answer`` shows it first
    remark: Callable[[Callable], str] = lambda solution: ""  # what a passing solution may still want to know
    also: tuple[Callable, ...] = ()  # what the reference hands its work to: ``answer`` shows it too
    in_words: Callable[[Case, Any], str] | None = None  # a value as people read it, where numbers tell them little


def numbers(generator: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def ragged_mask(lengths: list[int], width: int, *, start: int = 0) -> torch.Tensor:
    """Rows that keep ``length`` entries from ``start`` on."""
    position = torch.arange(width)
    return torch.stack([(position >= start) & (position < start + length) for length in lengths])
