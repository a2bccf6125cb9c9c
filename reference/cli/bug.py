"""train RECIPE --bug NAME: the option, and what it changes."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from reference.algorithms.recipes import Recipe
from reference.cli.values import one_of, optional
from reference.faults.names import faults_for


def add_bug(add: Callable, recipe: Recipe) -> None:
    """--bug, for a recipe that can have one."""
    if names := faults_for(recipe):
        add("--bug", type=optional(one_of((*names, "none"))), metavar="NAME|none",
            help=f"train with one thing wrong, to look at its symptoms: one of {', '.join(names)}")  # fmt: skip


def set_bug(options: dict[str, Any], typed: set[str]) -> str | None:
    """Set the options of the fault that ``options`` names, if it names one, and return its name. Raises ``InputError``
    where one of them was typed as well."""
    if (name := options.get("bug")) is None:
        return None
    from reference.faults import fault_named
    from reference.objectives.shapes import InputError

    fault = fault_named(name)
    if options["engine"] == "trl":
        raise InputError(f"--bug {name} puts a fault into our own loop: leave out --engine trl")
    if both := sorted(typed & fault.options.keys()):
        raise InputError(f"--bug {name} sets --{both[0].replace('_', '-')} itself: leave one of the two out")
    options |= fault.options
    print(f"bug      {name}: {fault.mistake}", flush=True)
    return name


def with_bug(name: str | None, recipe: Recipe) -> tuple[Recipe, AbstractContextManager[None]]:
    """The recipe as the fault has it, and the block in which it is trained."""
    if name is None:
        return recipe, nullcontext()
    from reference.faults import faulty_recipe, injected

    return faulty_recipe(name, recipe), injected(name)
