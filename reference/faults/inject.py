"""How a training run gets a fault."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pkgutil import resolve_name
from typing import Any
from unittest.mock import patch

from reference.algorithms.recipes import Recipe
from reference.faults.catalogue import FAULTS
from reference.faults.fault import Fault
from reference.faults.names import FITS, HAS
from reference.objectives.shapes import InputError


def fault_named(name: str) -> Fault:
    """The entry of the catalogue. Raises ``InputError`` for a name that is not there."""
    if name not in FAULTS:
        raise InputError(f"there is no fault {name!r}; there are: {', '.join(FAULTS)}")
    return FAULTS[name]


def require_fits(fault: Fault, recipe: Recipe) -> None:
    """Refuse a fault of something that the recipe does not do."""
    words, has = HAS[FITS[fault.name]]
    if not has(recipe):
        raise InputError(f"{fault.name} is a fault of {words}, and {recipe.name} cannot have it: try {fault.recipe}")


def faulty_recipe(name: str, recipe: Recipe) -> Recipe:
    """The recipe as the fault has it: its options set, and its reward in the slot. Raises ``InputError`` for a recipe that
    cannot have it."""
    fault = fault_named(name)
    require_fits(fault, recipe)
    changes: dict[str, Any] = fault.options if fault.reward is None else {**fault.options, "reward": fault.reward}
    return replace(recipe, **changes)


@contextmanager
def injected(name: str | None) -> Iterator[None]:
    """Everything inside runs with the fault's wrong functions in the place of the right ones; ``None``: with no fault.

    Options and reward are the recipe's: see ``faulty_recipe``.
    """
    with ExitStack() as stack:
        for target, wrong in (fault_named(name).replaces if name else {}).items():
            stack.enter_context(patch(target, wrong(resolve_name(target))))
        yield
