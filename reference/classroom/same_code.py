"""Whether a function is the one that ``answer`` shows, letter by letter but for spaces, comments and docstrings.

It counts all the same: points say that an exercise was finished. Learners arrive at the same short function by themselves,
so only longer ones are told.
"""

import ast
import inspect
from collections.abc import Iterator

from reference.lessons import EXERCISES

LENGTH = 6  # lines without the docstring, as ast writes them; a shorter body is the obvious one


def same_code(source: str, name: str) -> Iterator[str]:
    """Of the cell of an exercise: one sentence without a subject, or none."""
    if name not in EXERCISES:
        return
    exercise = EXERCISES[name]
    body = body_of(source, name)
    shown = (exercise.in_short, inspect.getsource(inspect.unwrap(exercise.reference)))
    if body.count("\n") + 1 >= LENGTH and body in [body_of(each, name) for each in shown]:
        yield f'has the code that answer("{name}") shows'


def body_of(source: str, name: str) -> str:
    """The lines of the last function of that name, without its docstring. Nothing where there is none."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return ""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name]
    if not found:
        return ""
    body = found[-1].body[1:] if ast.get_docstring(found[-1]) else found[-1].body
    return "\n".join(map(ast.unparse, body))
