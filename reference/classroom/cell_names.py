"""Which names a cell of a notebook binds, and which it reads."""

import ast
from collections.abc import Callable
from symtable import SymbolTable, symtable


def tables(table: SymbolTable) -> list[SymbolTable]:
    return [table, *(inner for child in table.get_children() for inner in tables(child))]


def binds(source: str) -> set[str]:
    """The names of the notebook that a cell gives to something, imports left out."""
    symbols = symtable(source, "cell", "exec").get_symbols()
    return {symbol.get_name() for symbol in symbols if symbol.is_assigned() and not symbol.is_imported()}


def reads(source: str) -> set[str]:
    """The names of the notebook that a cell reads, also inside of its functions, before it has bound them itself."""
    found: set[str] = set()
    bound: set[str] = set()
    for statement in map(ast.unparse, ast.parse(source).body):
        top, *inner = tables(symtable(statement, "cell", "exec"))
        used = {s.get_name() for s in top.get_symbols() if s.is_referenced()}
        used |= {s.get_name() for table in inner for s in table.get_symbols() if s.is_global() and s.is_referenced()}
        found |= used - bound
        bound |= binds_or_imports(statement)
    return found


def binds_or_imports(source: str) -> set[str]:
    """The names of the notebook that a cell gives to something, with those of its imports."""
    symbols = symtable(source, "cell", "exec").get_symbols()
    return {symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported()}


def needed(cells: list[str], wanted: set[int], made: Callable[[str], set[str]] = binds_or_imports) -> set[int]:
    """These cells, and for every name that one of them reads, the last cell before it that makes the name.

    ``made``: the names that a cell makes. Where the imports of all cells are run anyway it is ``binds``.
    """
    names = [made(source) for source in cells]
    found, open_cells = set(wanted), list(wanted)
    while open_cells:
        index = open_cells.pop()
        for name in reads(cells[index]):
            before = [i for i in range(index) if name in names[i]][-1:]
            open_cells += [i for i in before if i not in found]
            found.update(before)
    return found
