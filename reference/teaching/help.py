"""``hint`` and ``answer``: a nudge at a time, and the reference's own source."""

import inspect

from IPython.display import Markdown, display

from .exercise import Exercise, find

_given: dict[str, int] = {}  # hints given so far in this session, per exercise


def hint(exercises: dict[str, Exercise], name: str) -> None:
    """Print the next hint for an exercise: a question first, the method next, nearly the line last."""
    hints = find(exercises, name).hints
    number = min(_given.get(name, 0) + 1, len(hints))
    _given[name] = number
    more = (
        f'hint("{name}") again for the next'
        if number < len(hints)
        else f'the last one; answer("{name}") shows the solution'
    )
    print(f"hint {number} of {len(hints)}: {hints[number - 1]}\n({more})")


def answer(exercises: dict[str, Exercise], name: str) -> None:
    """Show a solution in its essential lines, and below it the reference with its docstring and checks."""
    exercise = find(exercises, name)
    sources = "\n\n".join(inspect.getsource(inspect.unwrap(f)) for f in (exercise.reference, *exercise.also))
    module = exercise.reference.__module__
    display(
        Markdown(
            f"The essential lines:\n```python{exercise.in_short}```\n"
            f"The reference, with formula, sources and checks (`{module}`):\n```python\n{sources}```"
        )
    )
