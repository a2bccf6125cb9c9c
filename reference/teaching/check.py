"""``check``: is this function right, and if not, which mistake is it?

    check.token_logprobs(my_token_logprobs)

runs the learner's function and the reference on the same inputs and compares values and gradients. The verdict is one
of four, in a line or two: passed; not attempted yet; a mistake of the catalogue, named; or the smallest failing case.
There is never a traceback, and never the answer.
"""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from .bugs import BUGS, Bug
from .exercises import EXERCISES, Case, Exercise

RTOL, ATOL = 1e-4, 1e-6  # a float32 solution of a float64 case passes; no catalogued mistake comes anywhere near
SEED = 0


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

    def __dir__(self) -> list[str]:
        return list(EXERCISES)

    def __getattr__(self, name: str) -> Callable[[Callable], Verdict]:
        if name not in EXERCISES:
            raise AttributeError(f"there is no exercise {name!r}; the exercises are {', '.join(EXERCISES)}")

        def run(function: Callable, *, seed: int = SEED) -> Verdict:
            verdict = judge(name, function, seed)
            print(verdict.message)
            return verdict

        return run


check = Check()


def judge(name: str, function: Callable, seed: int = SEED) -> Verdict:
    """The verdict on ``function`` as a solution of the exercise ``name``."""
    exercise = EXERCISES[name]
    if not callable(function):
        return Verdict("wrong", f"✗ {name}: pass the function itself, check.{name}({name}), not its result")
    cases = exercise.cases(seed)
    wanted = [outcome(exercise.reference, case) for case in cases]
    got = [outcome(function, case) for case in cases]
    if any(isinstance(g, NotImplementedError) for g in got):
        return Verdict("not attempted", f'○ {name}: not attempted yet. hint("{name}") helps you start.')
    failing = [i for i, case in enumerate(cases) if not same(got[i], wanted[i], case)]
    if not failing:
        what = "values and gradients" if cases[0].differentiable else "exactly"
        return Verdict("passed", f"✓ {name}: right on all {len(cases)} cases, {what}.")
    for bug in BUGS:
        if bug.breaks == name and all(
            same(g, outcome(bug.wrong, case), case) for g, case in zip(got, cases, strict=True)
        ):
            seen = f"\n  Seen in: {bug.wild}." if bug.wild else ""
            text = f"✗ {name}: {bug.mistake}.\n  In a run: {bug.symptom}.{seen}"
            return Verdict("mistake", text, bug)
    first = failing[0]
    return Verdict(
        "wrong", f"✗ {name}: {explain(exercise, cases[first], got[first], wanted[first], len(failing), len(cases))}"
    )


@dataclass(frozen=True)
class Outcome:
    """What a call returned, and the gradients with respect to the differentiable arguments."""

    value: Any
    gradients: tuple[Tensor, ...] = ()
    cut: bool = False  # the value should depend on the arguments but carries no graph


def outcome(function: Callable, case: Case) -> Outcome | Exception:
    """Call ``function`` on copies of the case's inputs; whatever it raises is an outcome too."""
    inputs = {name: copy(value, name in case.differentiable) for name, value in case.arguments.items()}
    try:
        value = function(*inputs.values(), **case.options)
        if not case.differentiable or not isinstance(value, Tensor):
            return Outcome(value)
        if not value.requires_grad:
            return Outcome(value, cut=True)
        weights = torch.linspace(1, 2, value.numel(), dtype=value.dtype).view(value.shape)
        wrt = [inputs[name] for name in case.differentiable]
        gradients = torch.autograd.grad((value * weights).sum(), wrt, allow_unused=True)
        return Outcome(
            value.detach(), tuple(torch.zeros_like(x) if g is None else g for g, x in zip(gradients, wrt, strict=True))
        )
    except Exception as error:  # the learner's code may fail in any way at all
        return error


def copy(value: Any, differentiable: bool) -> Any:
    if not isinstance(value, Tensor):
        return value
    return value.clone().requires_grad_() if differentiable else value.clone()


def same(got: Outcome | Exception, wanted: Outcome | Exception, case: Case) -> bool:
    """Equal values, where they count, and equal gradients."""
    if isinstance(got, Exception) or isinstance(wanted, Exception):
        return False
    if isinstance(wanted.value, Tensor):
        if not isinstance(got.value, Tensor) or got.value.shape != wanted.value.shape or got.cut != wanted.cut:
            return False
        close = torch.isclose(got.value.double(), wanted.value.double(), rtol=RTOL, atol=ATOL, equal_nan=True)
        if case.count_where is not None:
            valid = (got.value >= 0) & (got.value < got.value.shape[-1])
            close = torch.where(case.count_where, close, valid | close)
        pairs = zip(got.gradients, wanted.gradients, strict=True)
        return bool(close.all()) and all(
            torch.allclose(a.double(), b.double(), RTOL, ATOL, equal_nan=True) for a, b in pairs
        )
    return plain(got.value) == plain(wanted.value)


def plain(value: Any) -> Any:
    """Lists and tuples of numbers, however they are wrapped."""
    if isinstance(value, Tensor):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def explain(exercise: Exercise, case: Case, got: Outcome | Exception, wanted: Outcome, failing: int, total: int) -> str:
    """What the simplest failing case looks like, target and yours side by side."""
    inputs = ", ".join(
        f"{name} {tuple(v.shape)}" if isinstance(v, Tensor) else f"{name}={v!r}"
        for name, v in {**case.arguments, **case.options}.items()
        if name != "tokenizer"
    )
    head = f"wrong on {failing} of {total} cases. The simplest: {inputs}\n"
    if isinstance(got, Exception):
        reason = (str(got).strip() or "no message").splitlines()[0]
        return f"{head}  it raised {type(got).__name__}{where_raised(got)}: {reason}"
    if got.value is None:
        return f"{head}  it returned None: is there a return statement?"
    if got.cut:
        return f"{head}  the result carries no gradient: something detached it (.item(), .data, torch.tensor(...), no_grad)"
    if isinstance(wanted.value, Tensor) and not isinstance(got.value, Tensor):
        return (
            f"{head}  it returned a {type(got.value).__name__}, expected a tensor of shape {tuple(wanted.value.shape)}"
        )
    if isinstance(wanted.value, Tensor) and got.value.shape != wanted.value.shape:
        return f"{head}  shape: target {tuple(wanted.value.shape)}, yours {tuple(got.value.shape)}"
    label, target, yours = "value", wanted.value, got.value
    if isinstance(wanted.value, Tensor) and same(Outcome(yours), Outcome(target), case):
        label, target, yours = (
            "the value is right, its gradient is not; gradient",
            wanted.gradients[0],
            got.gradients[0],
        )
    readable = {n: v for n, v in case.arguments.items() if isinstance(v, Tensor) and not v.is_floating_point()}
    shown = "".join(f"  {name} {compact(value)}\n" for name, value in readable.items())
    return f"{head}{shown}  {label}\n    target {compact(target)}\n    yours  {compact(yours)}"


def compact(value: Any) -> str:
    """Numbers as short as they can be read, first rows only."""
    if isinstance(value, Tensor):
        value = value.long() if value.dtype == torch.bool else value
        value = value.tolist()
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        shown = ", ".join(compact(v) for v in value[:8])
        return f"[{shown}{', …' if len(value) > 8 else ''}]"
    return repr(value)


def where_raised(error: Exception) -> str:
    """ " in line N" of the learner's function: the frame below ours."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" in line {frames[1].lineno} of your cell" if len(frames) > 1 else ""
