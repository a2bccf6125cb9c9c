"""The table of defaults turned round: for each option of a trainer, the value that sets the columns that are wanted.

The table is the one that ``explain`` reads, so that the two cannot disagree: what is found here is explained again before
it is written (``export``).
"""

from typing import Any

from reference.frameworks.defaults import OTHER, Cell, Framework
from reference.frameworks.explain import alike
from reference.frameworks.exporters.parts import LEFT_OUT

DISAGREES = 100  # outweighs whatever else agrees


def inverse(
    framework: Framework, entry: str, wanted: dict[str, Any], unread: set[str], own: dict[str, Any]
) -> dict[str, Any]:
    """Each option of the trainer that acts, with its value; ``own`` counts where it has one.

    An option about nothing but columns that the recipe does not read (``unread``) decides nothing and is left out.
    """
    found = {}
    for option, cells in by_option(framework, entry).items():
        if option in own:
            found[option] = own[option]
        elif any(cell.acts for cell in cells) and not only_about(cells, unread):
            found[option] = best(cells, wanted)
    found |= {option: value for option, value in own.items() if option not in found}
    return {option: value for option, value in found.items() if value is not LEFT_OUT}


def by_option(framework: Framework, entry: str) -> dict[str, list[Cell]]:
    """An option can stand in several cells, one for each slot that it decides."""
    found: dict[str, list[Cell]] = {}
    for cell in framework.cells:
        if cell.option and cell.entry in (entry, ""):
            found.setdefault(cell.option, []).append(cell)
    return found


def sets(cell: Cell) -> set[str]:
    """Every column that some value of a cell sets."""
    return {name for value in cell.values for name in value.columns} | ({cell.column} if cell.column else set())


def only_about(cells: list[Cell], unread: set[str]) -> bool:
    columns = set().union(*map(sets, cells))
    return bool(columns) and columns <= unread


def best(cells: list[Cell], wanted: dict[str, Any]) -> Any:
    """The value whose columns agree most with those that are wanted; the default among equals."""
    candidates = [cells[0].default, *(value.value for cell in cells for value in cell.values if value.value != OTHER)]
    candidates += [wanted[cell.column] for cell in cells if cell.column in wanted]
    return max(candidates, key=lambda value: sum(agreement(cell.columns(value), wanted) for cell in cells))


def agreement(columns: dict[str, Any], wanted: dict[str, Any]) -> int:
    known = [name for name in columns if name in wanted]
    agree = sum(alike(columns[name], wanted[name]) for name in known)
    return agree - DISAGREES * (len(known) - agree)
