"""Which value of an option counts: what stands in a config, or what the framework does when nothing is said."""

from collections.abc import Mapping, Sequence
from typing import Any

from reference.objectives.shapes import InputError


def settle_options(given: Sequence[tuple[str, Any]], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The value of every option of a framework, for one config.

        settle_options([("n", 8), ("n", 16)], {"n": 1, "beta": 0.0})    {"n": 16, "beta": 0.0}

    Args:
        given: the (name, value) pairs of a config, from its first line to its last. A value may be None, 0 or False.
        defaults: of each option that the framework has.

    Returns:
        All names of ``defaults``, each with the last value that was given, or with the default where none was.

    Raises ``InputError`` for a name that is not in ``defaults``: Hydra, argparse and dataclasses refuse it too.
    """
    for name, _ in given:
        if name not in defaults:
            raise InputError(f"settle_options: the framework has no option {name!r}, only {', '.join(defaults)}")
    return {**defaults, **dict(given)}
