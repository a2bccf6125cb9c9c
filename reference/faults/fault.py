"""What a fault is, and how a training run gets one."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any
from unittest.mock import patch

from reference.algorithms.recipes import Recipe
from reference.faults.names import FITS, HAS
from reference.objectives.shapes import InputError


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


def fault_named(name: str) -> Fault:
    """The entry of the catalogue. Raises ``InputError`` for a name that is not there."""
    from reference.faults.catalogue import FAULTS

    if name not in FAULTS:
        raise InputError(f"there is no fault {name!r}; there are: {', '.join(FAULTS)}")
    return FAULTS[name]


def require_fits(fault: Fault, recipe: Recipe) -> None:
    """Refuse a fault of something that the recipe does not do."""
    words, has = HAS[FITS[fault.name]]
    if not has(recipe):
        raise InputError(f"{fault.name} is a fault of {words}, which {recipe.name} is or has not: try {fault.recipe}")


def faulty_recipe(name: str, recipe: Recipe) -> Recipe:
    """The recipe as the fault has it: its options set, and its reward in the slot. Raises ``InputError`` for a recipe that
    cannot have it."""
    fault = fault_named(name)
    require_fits(fault, recipe)
    reward = {} if fault.reward is None else {"reward": fault.reward}
    return replace(recipe, **fault.options, **reward)


@contextmanager
def injected(name: str | None) -> Iterator[None]:
    """Everything inside runs with the fault's wrong functions in the place of the right ones; ``None``: with no fault.

    Options and reward are the recipe's: see ``faulty_recipe``.
    """
    with ExitStack() as stack:
        for target, wrong in (fault_named(name).replaces if name else {}).items():
            stack.enter_context(patch(target, wrong(found(target))))
        yield


def found(target: str) -> Callable:
    """The function at "package.module.function" or "package.module.Class.method"."""
    parts = target.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            module = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        return reduce(getattr, parts[length:], module)
    raise LookupError(target)
