"""What an exercise is, and what all of them draw their inputs from.

The answer key is the reference itself. Cases go from small to large, so that the first failing one is the simplest to
think about; each seed draws new numbers.
"""

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
    through: Callable | None = None  # through(function, *arguments) is compared, where many values are right


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

    @property
    def name(self) -> str:
        return self.reference.__name__


def find(exercises: dict[str, Exercise], name: str) -> Exercise:
    """The exercise of that name, or an error that lists all."""
    if name not in exercises:
        raise ValueError(f"there is no exercise {name!r}; the exercises are {', '.join(exercises)}")
    return exercises[name]


def numbers(generator: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def ragged_mask(lengths: list[int], width: int, *, start: int = 0) -> torch.Tensor:
    """Rows that keep ``length`` entries from ``start`` on."""
    position = torch.arange(width)
    return torch.stack([(position >= start) & (position < start + length) for length in lengths])
