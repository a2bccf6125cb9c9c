"""``grade``: the hidden line of a graded cell. It gives points by cases, or raises where there are none.

    grade("masked_mean", masked_mean, points=5, seed=1)

nbgrader reads a cell so: an error is no points, a number is that many of them, and anything else is all points. A line on
stderr is no points either, and a warning is such a line. A cell that nbgrader has to interrupt can cost the points of all
others. ``begin`` sees to both.
"""

import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from types import FrameType
from typing import Literal, NoReturn

from IPython import get_ipython
from IPython.display import display

from reference.classroom.answer_calls import WATCH, answers_of, watched
from reference.classroom.results import VERDICT
from reference.lessons import BUGS, EXERCISES
from reference.objectives.shapes import InputError
from reference.teaching.check import SEED, Verdict, judge
from reference.teaching.compare import Outcome, outcome, same
from reference.teaching.exercise import Case, Exercise, find

Status = Literal["passed", "not attempted", "mistake", "wrong", "copied"]


class NoPoints(Exception):
    """What a graded cell ends with. A notebook shows the sentence without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class TooSlow(BaseException):
    """Raised in the learner's function when its time is over. ``check`` catches every Exception, so it is none."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def begin(seconds: int) -> None:
    """The first hidden line of a graded cell: its time begins, and what goes to stderr goes to stdout."""
    sys.stderr = sys.stdout
    if not hasattr(signal, "SIGALRM"):  # Windows: nbgrader's own timeout is left
        return

    def over(number: int, frame: FrameType | None) -> NoReturn:
        raise TooSlow(f"It is not done after {seconds} seconds, and gets no points.")

    signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    if (shell := get_ipython()) is not None:
        shell.events.register("post_run_cell", end)


def end(result: object = None) -> None:
    """Behind the cell, however it ended: the time of the next one is its own."""
    signal.setitimer(signal.ITIMER_REAL, 0)


@dataclass(frozen=True)
class Grade:
    """Of one function: its points, and what ``check`` found on the inputs of grading."""

    exercise: str
    points: float
    of: int
    right: int
    cases: int
    status: Status
    mistake: str  # named, as the catalogue or the list of slips names it; "" where none is
    message: str

    def __str__(self) -> str:
        return f"{self.exercise}: {self.points:g} of {self.of} points, right on {self.right} of {self.cases} cases."


def grade(name: str, function: Callable, *, points: int, seed: int) -> float:
    """Show the grade of ``function``, and return its points. Raises ``NoPoints`` where it gets none.

    ``seed`` draws the inputs. Those of ``check`` are drawn by another one, so that results written down give no points.
    """
    found = grade_of(find(EXERCISES, name), function, points=points, seed=seed)
    text = f"{found}{news(found, function)}"
    display({"text/plain": text, VERDICT: asdict(found)}, raw=True)
    if not found.points:
        raise NoPoints(text)
    return found.points


def grade_of(exercise: Exercise, function: Callable, *, points: int, seed: int) -> Grade:
    """The points are shared out by cases. A function that calls the answer gets none."""
    if seed == SEED:
        raise InputError(f"seed={seed} draws what check shows to every learner: take another one")
    called: set[str] = set()
    if callable(function):
        function = watched(function, answers_of(exercise), called)
    verdict = judge(exercise, BUGS, function, seed)
    right, cases = right_cases(exercise, function, seed)
    status: Status = verdict.status
    message = verdict.message
    if called:
        status, message = "copied", f"✗ {exercise.name}: it calls {in_words(called)}."
    share = 0 if called else 1 if verdict.passed else right / cases
    return Grade(exercise.name, round(points * share, 2), points, right, cases, status, mistake_of(verdict), message)


def in_words(called: set[str]) -> str:
    answers = sorted(called - {WATCH})
    return " and ".join([*([f"{', '.join(answers)} of the reference"] if answers else []), *sorted(called & {WATCH})])


def right_cases(exercise: Exercise, function: Callable, seed: int) -> tuple[int, int]:
    """On how many cases it is right and leaves its inputs as they were, and how many there are."""
    cases = exercise.cases(seed)
    return sum(is_right(exercise, function, case) for case in cases), len(cases)


def is_right(exercise: Exercise, function: Callable, case: Case) -> bool:
    got = outcome(function, case)
    return isinstance(got, Outcome) and not got.changed and same(got, outcome(exercise.reference, case), case)


def mistake_of(verdict: Verdict) -> str:
    """What is wrong in one sentence, where ``check`` can name it."""
    return "; ".join(part for part in (verdict.bug.mistake if verdict.bug else "", verdict.slip) if part)


def news(found: Grade, function: Callable) -> str:
    """The verdict, where the one of the line above in the same cell does not say it already."""
    if found.status == "copied":
        return f"\n{found.message}"
    shown = judge(EXERCISES[found.exercise], BUGS, function).status
    return "" if shown == found.status else f"\nOn inputs that check does not show:\n{found.message}"
