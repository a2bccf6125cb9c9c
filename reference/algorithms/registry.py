"""What a name in a slot of a recipe stands for: its entry in the registry of that slot."""

import difflib
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from reference.objectives.shapes import InputError

Entry = TypeVar("Entry")


def entry_of(registry: dict[str, Entry], name: str | None, slot: str) -> Entry:
    """The entry of that name. Raises ``InputError``, with the nearest name, where there is none."""
    require_name(registry, name, slot)
    return registry[name]


def require_name(names: Iterable[str], name: Any, slot: str) -> None:
    """Raise ``InputError``, with the nearest of the names, for what is none of them."""
    names = tuple(names)
    if name in names:
        return
    near = [other for other in names if str(name) in other] or difflib.get_close_matches(str(name), names, 1, 0)
    raise InputError(f"{slot} is {name!r}; did you mean {near[0]!r}? There are: {', '.join(names)}")


def options_in(registry: dict[str, Any]) -> tuple[str, ...]:
    """The options of a recipe that some entry of the registry reads."""
    return tuple(dict.fromkeys(option for entry in registry.values() for option in entry.reads))


def name_of(choice: str | Callable | None) -> str:
    """How a slot's entry is called in tables and refusals: its name, or that of a function of your own."""
    kind = type(choice).__name__ if callable(choice) else str(choice)  # of a model, which has no name, its class
    return choice if isinstance(choice, str) else getattr(choice, "__name__", kind)
