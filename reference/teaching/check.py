"""``check``: is this function right, and if not, which mistake is it?

    check.token_logprobs(my_token_logprobs)

runs the learner's function and the reference on the same inputs and compares values and gradients. The verdict is one
of four, in a line or two: passed; not attempted yet; a mistake of the catalogue, named; or the smallest failing case.
What was not begun is left out of it and named at the end. There is never a traceback, and never the answer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from .bug import Bug
from .compare import Outcome, outcome, same
from .exercise import Case, Exercise
from .failing_case import explain

SEED = 0
IN_PLACE = "is changed in place: whoever called you goes on with other numbers. Work on a copy, or without _ and +=."


@dataclass(frozen=True)
class Verdict:
    """What ``check`` found. It has been printed already, so that a notebook shows it once."""

    status: Literal["passed", "not attempted", "mistake", "wrong"]
    message: str
    bug: Bug | None = None

    @property
    def passed(self) -> bool:
        return self.status == "passed"

    def _ipython_display_(self) -> None:
        pass


class Check:
    """``check.NAME(function)`` for every exercise; ``dir(check)`` lists them."""

    def __init__(self, exercises: dict[str, Exercise], bugs: list[Bug]) -> None:
        self._exercises, self._bugs = exercises, bugs

    def __dir__(self) -> list[str]:
        return list(self._exercises)

    def __getattr__(self, name: str) -> Callable[[Callable], Verdict]:
        if name not in self._exercises:
            raise AttributeError(f"there is no exercise {name!r}; the exercises are {', '.join(self._exercises)}")

        def run(function: Callable, *, seed: int = SEED) -> Verdict:
            verdict = judge(self._exercises[name], self._bugs, function, seed)
            print(verdict.message)
            return verdict

        return run


@dataclass(frozen=True)
class Trial:
    """One case, what the learner's function made of it, and what the reference did."""

    case: Case
    got: Outcome | Exception
    wanted: Outcome

    @property
    def right(self) -> bool:
        return same(self.got, self.wanted, self.case)


def judge(exercise: Exercise, bugs: list[Bug], function: Callable, seed: int = SEED) -> Verdict:
    """The verdict on ``function`` as a solution of the exercise; ``bugs`` is the catalogue of known mistakes."""
    name = exercise.name
    if not callable(function):
        return Verdict("wrong", f"✗ {name}: pass the function itself, check.{name}({name}), not its result")
    cases = exercise.cases(seed)
    got = [outcome(function, case) for case in cases]
    begun = [not untouched(g, got) for g in got]
    if not any(begun):
        return Verdict("not attempted", f'○ {name}: not attempted yet. hint("{name}") helps you start.')
    trials = [
        Trial(case, g, outcome(exercise.reference, case)) for case, g, b in zip(cases, got, begun, strict=True) if b
    ]
    wrong = [trial for trial in trials if not trial.right]
    if not wrong and (changed := next((t.got.changed for t in trials if t.got.changed), "")):
        return Verdict("wrong", f"✗ {name}: the result is right, but {changed} {IN_PLACE}")
    if not wrong and all(begun):
        what = "values and gradients" if cases[0].differentiable else "exactly"
        return Verdict("passed", f"✓ {name}: right on all {len(cases)} cases, {what}.{remark(exercise, function)}")
    left = still_to_do(cases, begun)
    if not wrong:
        return Verdict("wrong", f"○ {name}: right so far; still to do is {left}.")
    after = "" if all(begun) else f"\n  Still to do is {left}."
    if bug := recognise(bugs, name, trials):
        seen = f"\n  Seen in: {bug.wild}." if bug.wild else ""
        return Verdict("mistake", f"✗ {name}: {bug.mistake}.\n  In a run: {bug.symptom}.{seen}{after}", bug)
    head = f"wrong on {len(wrong)} of {len(trials)} cases. The simplest: "
    case = explain(wrong[0].case, wrong[0].got, wrong[0].wanted, exercise.in_words)
    return Verdict("wrong", f"✗ {name}: {head}{case}{after}")


def remark(exercise: Exercise, function: Callable) -> str:
    """What a passing solution may still want to know. Nothing if it fails there: it has passed all the same."""
    try:
        return exercise.remark(function)
    except Exception:  # inputs of another kind than those of the cases; whatever happens with them
        return ""


def untouched(got: Outcome | Exception, all_of_them: list[Outcome | Exception]) -> bool:
    """Not written yet: it says so, or it returns nothing where other inputs do give a result."""
    if isinstance(got, NotImplementedError):
        return "not implemented for" not in str(got)  # torch raises it too: "bitwise_and" not implemented for 'Double'
    others = any(isinstance(o, Outcome) and o.value is not None for o in all_of_them)
    return others and isinstance(got, Outcome) and got.value is None


def still_to_do(cases: list[Case], begun: list[bool]) -> str:
    """The options that only the untouched cases have, such as the name of a strategy."""
    options = [
        [f"{k}=(a tensor)" if isinstance(v, Tensor) else f"{k}={v!r}" for k, v in case.options.items()]
        for case in cases
    ]
    seen = {text for texts, b in zip(options, begun, strict=True) if b for text in texts}
    left = dict.fromkeys(text for texts in options for text in texts if text not in seen)  # each once, in order
    return ", ".join(left) or f"{begun.count(False)} of {len(cases)} cases"


def recognise(bugs: list[Bug], name: str, trials: list[Trial]) -> Bug | None:
    """The first catalogued mistake that gives the learner's results, value for value and gradient for gradient.

    Edge cases, such as an empty row, need not agree: two people can make one mistake and treat those differently. But
    if only an edge case is wrong, it is what the mistake is about.
    """
    plain_ones = [trial for trial in trials if not trial.case.edge]
    compared = trials if all(trial.right for trial in plain_ones) else plain_ones
    for bug in bugs:
        if bug.breaks == name and all(same(t.got, outcome(bug.wrong, t.case), t.case) for t in compared):
            return bug
    return None
