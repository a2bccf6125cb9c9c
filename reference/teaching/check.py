"""``check``: is this function right, and if not, which mistake is it?

    check.token_logprobs(my_token_logprobs)

runs the learner's function and the reference on the same inputs and compares values and gradients. The verdict is one
of four, in a few lines: passed; not attempted yet; a mistake, named; or the smallest failing case.
What was not begun is left out of it and named at the end. There is never a traceback, and never the answer.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from dis import opmap
from typing import Literal

from torch import Tensor

from .bug import Bug
from .compare import Outcome, outcome
from .exercise import Case, Exercise
from .failing_case import IN_PLACE, explain, size
from .observations import Trial
from .recognise import Found, recognise
from .verdict_file import keep

SEED = 0
CHANGED = "is changed in place, and whoever called you goes on with other numbers"
RAISE = opmap["RAISE_VARARGS"]  # the instruction behind the word raise


@dataclass(frozen=True)
class Verdict:
    """What ``check`` found. It has been printed already, so that a notebook shows it once."""

    status: Literal["passed", "not attempted", "mistake", "wrong"]
    message: str
    bug: Bug | None = None  # of the catalogue
    slip: str = ""  # one that any function can have

    @property
    def passed(self) -> bool:
        return self.status == "passed"

    def _ipython_display_(self) -> None:
        pass


class NotPassed(Exception):
    """Where a learner of a class lets nbgrader validate a notebook: it takes what does not raise for right."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


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
            keep(name, verdict.status, verdict.bug.mistake if verdict.bug else verdict.slip)
            if os.environ.get("NBGRADER_EXECUTION") == "validate" and not verdict.passed:
                raise NotPassed(verdict.message)
            return verdict

        return run


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
    trials = sorted(
        (Trial(case, g, outcome(exercise.reference, case)) for case, g, b in zip(cases, got, begun, strict=True) if b),
        key=lambda trial: size(trial.case),
    )
    wrong = [trial for trial in trials if not trial.right]
    changed = next((t.got.changed for t in trials if isinstance(t.got, Outcome) and t.got.changed), "")
    if not wrong and changed:
        return Verdict("wrong", f"✗ {name}: the result is right, but {changed} {CHANGED}: {IN_PLACE}.")
    if not wrong and all(begun):
        what = "values and gradients" if cases[0].differentiable else "exactly"
        return Verdict("passed", f"✓ {name}: right on all {len(cases)} cases, {what}.{remark(exercise, function)}")
    left = still_to_do(cases, begun)
    if not wrong:
        return Verdict("wrong", f"○ {name}: right so far; still to do is {left}.")
    after = f"\n  Besides, {changed} is changed in place: {IN_PLACE}." if changed else ""
    after += "" if all(begun) else f"\n  Still to do is {left}."
    found = recognise(exercise, bugs, trials)
    return in_words(exercise, trials, wrong, found, after)


def in_words(exercise: Exercise, trials: list[Trial], wrong: list[Trial], found: Found | None, after: str) -> Verdict:
    """What is wrong, in a few lines: the mistake if it was found, and the simplest case where it says something new."""
    name, count = exercise.name, f"wrong on {len(wrong)} of {len(trials)} cases"
    case = explain(wrong[0].case, wrong[0].got, wrong[0].wanted, exercise.in_words)
    if found is None:
        return Verdict("wrong", f"✗ {name}: {count}. The simplest: {case}{after}")
    bug, slip = found.bug, found.slip
    if bug is None:
        return Verdict("mistake", f"✗ {name}: {slip}.\n  It is {count}. The simplest: {case}{after}", slip=slip)
    seen = f"\n  In a run: {bug.symptom}." + (f"\n  Seen in: {bug.wild}." if bug.wild else "")
    if slip:
        message = f"✗ {name}: two mistakes at once. The first: {bug.mistake}.{seen}\n  The second: {slip}.{after}"
        return Verdict("mistake", message, bug, slip)
    if found.simplest_only:
        known = (
            f"On the simplest one yours gives what a known mistake gives: {bug.mistake}.\n  In other cases it does not."
        )
        return Verdict("mistake", f"✗ {name}: {count}. {known} The simplest: {case}{after}", bug)
    return Verdict("mistake", f"✗ {name}: {bug.mistake}.{seen}{only_with(trials, wrong)}{after}", bug)


def only_with(trials: list[Trial], wrong: list[Trial]) -> str:
    """Which option leads to the mistake, if one does and another does not."""
    options = {name for trial in trials for name, x in trial.case.options.items() if isinstance(x, str)}
    for name in sorted(options):
        failing, others = ({t.case.options[name] for t in trials if t.right is right} for right in (False, True))
        if failing and others and not failing & others:
            return f"\n  It is so with {name}={' and '.join(map(repr, sorted(failing)))} only."
    return ""


def remark(exercise: Exercise, function: Callable) -> str:
    """What a passing solution may still want to know. Nothing if it fails there: it has passed all the same."""
    try:
        return exercise.remark(function)
    except Exception:  # inputs of another kind than those of the cases; whatever happens with them
        return ""


def untouched(got: Outcome | BaseException, all_of_them: list[Outcome | BaseException]) -> bool:
    """Not written yet: it says so, or it returns nothing where other inputs do give a result."""
    if isinstance(got, NotImplementedError):
        return by_raise(got)
    others = any(isinstance(o, Outcome) and o.value is not None for o in all_of_them)
    return others and isinstance(got, Outcome) and got.value is None


def by_raise(error: BaseException) -> bool:
    """Whether a line of the learner's raised it, as that of a stub does. Torch raises NotImplementedError as well."""
    trace = error.__traceback__
    while trace.tb_next:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    return code.co_code[trace.tb_lasti] == RAISE and "site-packages" not in code.co_filename


def still_to_do(cases: list[Case], begun: list[bool]) -> str:
    """The options that only the untouched cases have, such as the name of a strategy."""
    options = [
        [f"{k}=(a tensor)" if isinstance(v, Tensor) else f"{k}={v!r}" for k, v in case.options.items()]
        for case in cases
    ]
    seen = {text for texts, b in zip(options, begun, strict=True) if b for text in texts}
    left = dict.fromkeys(text for texts in options for text in texts if text not in seen)  # each once, in order
    return ", ".join(left) or f"{begun.count(False)} of {len(cases)} cases"
