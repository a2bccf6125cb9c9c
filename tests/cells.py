"""Which cells of a notebook depend on which: by the names that they bind and read."""

import ast

from reference.classroom.cell_names import binds, needed, reads

__all__ = ["binds", "imports", "needed", "readers", "reads"]


def imports(source: str) -> str:
    """What is left of a cell that need not run."""
    return "\n".join(ast.unparse(n) for n in ast.parse(source).body if isinstance(n, ast.Import | ast.ImportFrom))


def readers(cells: list[str], made: dict[str, int]) -> set[int]:
    """The cells that make these names (name -> index), and those that read one or what such a cell made of one."""
    found, theirs = set(made.values()), set(made)
    for index, source in enumerate(cells):
        if index not in found and reads(source) & theirs:
            found.add(index)
            theirs |= binds(source)
    return found
