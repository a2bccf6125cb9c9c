"""Carrying what was written in an exercise into a training loop: the learner's function once it is right."""

from collections.abc import Callable

from .bug import Bug
from .check import judge
from .exercise import Exercise

INSTEAD = {
    "not attempted": "not attempted yet, so the reference stands in",
    "mistake": "yours does not pass its check yet, so the reference stands in",
    "wrong": "yours does not pass its check yet, so the reference stands in",
}


def mine(exercise: Exercise, bugs: list[Bug], function: Callable) -> Callable:
    """``function`` if it passes the check of the exercise, else the reference. Prints which."""
    name, status = exercise.name, judge(exercise, bugs, function).status
    if status == "passed":
        print(f"✓ {name}: training with yours.")
        return function
    print(f"○ {name}: {INSTEAD[status]}.")
    return exercise.reference
