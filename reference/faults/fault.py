"""What is known about a fault."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, with all that is said about it."""

    name: str
    mistake: str  # what the code or the configuration does, in one sentence
    symptom: str  # where it shows, in one sentence; recorded runs say how it came out
    recipe: str  # the recipe of its recorded runs
    lesson: int  # the number of the notebook that teaches it
    options: dict[str, Any] = field(default_factory=dict)  # of the recipe, which it sets
    reward: Callable | None = None  # what stands in the slot of the reward
    replaces: dict[str, Callable[[Callable], Callable]] = field(default_factory=dict)
    # "module.function" -> from the right function to the wrong one; the module is the one that calls it
