"""A solved notebook, without a kernel: its cells are run in a process that has their imports done.

Only those are run that a right solution can change: they read it, by name or through others, or are needed by one that
does. All others do in a solved notebook what they do in an unsolved one, and nbval runs that one whole, in a kernel.
"""

import ast
import os
from pathlib import Path

from forked import Forked

PATIENCE = 15 * 60  # seconds: a limit for what hangs, not for what a busy machine delays
MARK = "\x1e"  # between the outputs of two cells


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
