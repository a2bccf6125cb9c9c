"""Which cells of a lesson grading need not run.

A right function can use what a cell before it imports, and the functions that such a cell defines. So these cells run, with
what they read in turn. Other cells show something, or train a model for the learner to look at: no check reads it.
"""

import ast
import re

from reference.classroom.cell_names import binds_or_imports, needed, reads

TRAINS = re.compile(r"\b(live|with_bar)\(")  # a loop that is long enough to have a progress bar
PICTURES = "reference.lessons"  # what is imported from here shows the lesson's results


def left_out(cells: list[str], graded: set[int]) -> set[int]:
    """Indices of the cells without use for those in ``graded``."""
    last = max(graded, default=0)
    trained = training(cells) - graded
    helpers = {index for index, source in enumerate(cells[:last]) if helps(source)} - trained
    return set(range(len(cells))) - (needed(cells, graded | helpers) - trained)


def training(cells: list[str]) -> set[int]:
    """The cells that train, and those that read what a training cell has made."""
    found: set[int] = set()
    missing: set[str] = set()
    for index, source in enumerate(cells):
        made = binds_or_imports(source)
        if TRAINS.search(source) or reads(source) & missing:
            found.add(index)
            missing |= made
        else:
            missing -= made
    return found


def helps(source: str) -> bool:
    """Whether a cell imports or defines what a solution can call."""
    return any(
        isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Import))
        or (isinstance(node, ast.ImportFrom) and not (node.module or "").startswith(PICTURES))
        for node in ast.walk(ast.parse(source))
    )
