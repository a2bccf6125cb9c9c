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
from .exercises import EXERCISES, Case

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
    to_do = [isinstance(g, NotImplementedError) for g in got]
    if all(to_do):
        return Verdict("not attempted", f'○ {name}: not attempted yet. hint("{name}") helps you start.')
    right = [same(g, w, case) for g, w, case in zip(got, wanted, cases, strict=True)]
    if all(right):
        what = "values and gradients" if cases[0].differentiable else "exactly"
        return Verdict("passed", f"✓ {name}: right on all {len(cases)} cases, {what}.{exercise.remark(function)}")
    if all(r or t for r, t in zip(right, to_do, strict=True)):
        left = cases[to_do.index(True)].options
        told = ", ".join(f"{key}={value!r}" for key, value in left.items())
        return Verdict("wrong", f"○ {name}: right so far; still to do is {told}.")
    if bug := recognise(name, cases, got, right):
        seen = f"\n  Seen in: {bug.wild}." if bug.wild else ""
        return Verdict("mistake", f"✗ {name}: {bug.mistake}.\n  In a run: {bug.symptom}.{seen}", bug)
    first = right.index(False)
    head = f"wrong on {right.count(False)} of {len(cases)} cases. The simplest: "
    return Verdict("wrong", f"✗ {name}: {head}{explain(cases[first], got[first], wanted[first])}")


def recognise(name: str, cases: list[Case], got: list["Outcome | Exception"], right: list[bool]) -> Bug | None:
    """The first catalogued mistake that gives the learner's results, value for value and gradient for gradient.

    Edge cases, such as an empty row, need not agree: two people can make one mistake and treat those differently. But
    if only an edge case is wrong, it is what the mistake is about.
    """
    plain_ones = [i for i, case in enumerate(cases) if not case.edge]
    compared = plain_ones if not all(right[i] for i in plain_ones) else range(len(cases))
    for bug in BUGS:
        if bug.breaks == name and all(same(got[i], outcome(bug.wrong, cases[i]), cases[i]) for i in compared):
            return bug
    return None


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
        plain(value)  # what cannot be read as numbers raises here, where it is caught
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
    """Equal values, where they count, and equal gradients. Whatever cannot be compared is not equal."""
    if isinstance(got, Exception) or isinstance(wanted, Exception):
        return False
    if not isinstance(wanted.value, Tensor):
        return plain(got.value) == plain(wanted.value)
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


def plain(value: Any) -> Any:
    """Lists and tuples of numbers, however they are wrapped: tensors, arrays, tuples."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def explain(case: Case, got: Outcome | Exception, wanted: Outcome) -> str:
    """What a failing case looks like, target and yours one below the other."""
    inputs = {name: value for name, value in {**case.arguments, **case.options}.items() if name != "tokenizer"}
    shapes = (f"{n} {tuple(v.shape)}" if isinstance(v, Tensor) else f"{n}={v!r}" for n, v in inputs.items())
    head = ", ".join(shapes) + "\n"
    if isinstance(got, Exception):
        reason = (str(got).strip() or "no message").splitlines()[0]
        return f"{head}  it raised {type(got).__name__}{where_raised(got)}: {reason}"
    if got.value is None:
        return f"{head}  it returned None: is there a return statement?"
    if got.cut:
        return f"{head}  the result carries no gradient: something detached it (.item(), .data, torch.tensor(...), no_grad)"
    if isinstance(wanted.value, Tensor):
        if not isinstance(got.value, Tensor):
            return f"{head}  it returned a {type(got.value).__name__}, expected a tensor of shape {tuple(wanted.value.shape)}"
        if got.value.shape != wanted.value.shape:
            return f"{head}  shape: target {tuple(wanted.value.shape)}, yours {tuple(got.value.shape)}"
    label, target, yours = "value", wanted.value, got.value
    if isinstance(target, Tensor) and same(Outcome(yours), Outcome(target), case):
        label, target, yours = (
            "the value is right, its gradient is not; gradient",
            wanted.gradients[0],
            got.gradients[0],
        )
    small = {n: v for n, v in inputs.items() if isinstance(v, Tensor) and v.numel() <= 24}
    shown = "".join(f"  {name} {compact(value)}\n" for name, value in small.items())
    where = case.count_where if label == "value" else None
    legend = "" if where is None or where.all() else "  (· stands for any position from 0 to T - 1)"
    return f"{head}{shown}  {label}{legend}\n    target {compact(target, where)}\n    yours  {compact(yours, where)}"


def compact(value: Any, where: Tensor | None = None) -> str:
    """Numbers as short as they can be read; · where any valid number will do; lengths where a list is cut."""
    if isinstance(value, Tensor):
        value = value.long() if value.dtype == torch.bool else value
        counted = where.tolist() if where is not None else None
        return compact_list(value.tolist(), counted)
    return compact_list(plain(value), None)


def compact_list(value: Any, counted: Any) -> str:
    if isinstance(value, list):
        parts = [compact_list(v, None if counted is None else counted[i]) for i, v in enumerate(value[:12])]
        more = f", … {len(value)} in all" if len(value) > 12 else ""
        return f"[{', '.join(parts)}{more}]"
    if counted is False and isinstance(value, int) and value >= 0:
        return "·"
    return f"{value:.3g}" if isinstance(value, float) else repr(value)


def where_raised(error: Exception) -> str:
    """ " in line N" of the learner's function: the frame below ours."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" in line {frames[1].lineno} of your cell" if len(frames) > 1 else ""
