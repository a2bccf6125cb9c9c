"""Which cells of a notebook a right solution can change: those that read it, by name or through others, and what they need.

All other cells do in a solved notebook what they do in an unsolved one, and nbval runs that one whole.
"""

import ast
import os
from pathlib import Path
from symtable import SymbolTable, symtable

from forked import Forked

PATIENCE = 15 * 60  # seconds: a limit for what hangs, not for what a busy machine delays
MARK = "\x1e"  # between the outputs of two cells


def tables(table: SymbolTable) -> list[SymbolTable]:
    return [table, *(inner for child in table.get_children() for inner in tables(child))]


def binds(source: str) -> set[str]:
    """The names of the notebook that a cell gives to something, imports left out."""
    symbols = symtable(source, "cell", "exec").get_symbols()
    return {symbol.get_name() for symbol in symbols if symbol.is_assigned() and not symbol.is_imported()}


def reads(source: str) -> set[str]:
    """The names of the notebook that a cell reads, also inside of its functions, before it has bound them itself."""
    found, bound = set(), set()
    for statement in map(ast.unparse, ast.parse(source).body):
        top, *inner = tables(symtable(statement, "cell", "exec"))
        used = {s.get_name() for s in top.get_symbols() if s.is_referenced()}
        used |= {s.get_name() for table in inner for s in table.get_symbols() if s.is_global() and s.is_referenced()}
        found |= used - bound
        bound |= binds(statement)
    return found


def imports(source: str) -> str:
    """What is left of a cell that need not run."""
    return "\n".join(ast.unparse(n) for n in ast.parse(source).body if isinstance(n, ast.Import | ast.ImportFrom))


def readers(cells: list[str], solved: dict[str, int]) -> set[int]:
    """The cells that hold an exercise (its name -> index), and those that read one or what such a cell made of one."""
    found, theirs = set(solved.values()), set(solved)
    for index, source in enumerate(cells):
        if index not in found and reads(source) & theirs:
            found.add(index)
            theirs |= binds(source)
    return found


def needed(cells: list[str], wanted: set[int]) -> set[int]:
    """These cells, and for every name that one of them reads, the last cell before it that binds the name."""
    found, open_cells = set(wanted), list(wanted)
    while open_cells:
        index = open_cells.pop()
        for name in reads(cells[index]):
            before = [i for i in range(index) if name in binds(cells[i])][-1:]
            open_cells += [i for i in before if i not in found]
            found.update(before)
    return found


class FewSteps(ast.NodeTransformer):
    """Every ``steps=12`` becomes ``steps=2``: a loop that takes the solution takes the same lines in each step."""

    def visit_keyword(self, node: ast.keyword) -> ast.keyword:
        if node.arg == "steps" and isinstance(node.value, ast.Constant):
            node.value = ast.Constant(min(node.value.value, 2))
        return node


def with_few_steps(source: str) -> str:
    return ast.unparse(FewSteps().visit(ast.parse(source)))


def outputs_of(cells: list[str], folder: Path) -> list[str]:
    """What each of the cells prints, run one after the other in a process of their own; an error in one fails here."""
    process = Forked(run, cells, folder)
    printed, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, printed
    return printed.split(MARK)[1:]


def run(cells: list[str], folder: Path) -> None:
    """In the new process: IPython runs the cells as in a notebook, and pictures are lines of text."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    os.chdir(folder)
    shell = InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
    for cell in cells:
        print(MARK, end="")
        shell.run_cell(cell).raise_error()
