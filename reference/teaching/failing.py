"""What a failing case looks like on the page: its inputs, and target and yours one below the other."""

import traceback
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .compare import Outcome, plain, same
from .exercises import Case

InWords = Callable[[Case, Any], str]


def explain(case: Case, got: Outcome | Exception, wanted: Outcome, in_words: InWords | None = None) -> str:
    """A case that failed, in a few lines. ``in_words`` writes a value for people where numbers would not tell them."""
    inputs = {name: value for name, value in {**case.arguments, **case.options}.items() if name != "tokenizer"}
    shapes = (f"{n} {tuple(v.shape)}" if isinstance(v, Tensor) else f"{n}={v!r}" for n, v in inputs.items())
    head = ", ".join(shapes) + "\n"
    if reason := not_a_result(got, wanted):
        return f"{head}  {reason}"
    label, target, yours = "value", wanted.value, got.value
    if isinstance(target, Tensor) and same(Outcome(yours), Outcome(target), case):
        label = "the value is right, its gradient is not; gradient"
        target, yours = wanted.gradients[0], got.gradients[0]
    small = {n: v for n, v in inputs.items() if isinstance(v, Tensor) and v.numel() <= 24}
    shown = "".join(f"  {name} {compact(value)}\n" for name, value in small.items())
    where = case.count_where if label == "value" else None
    legend = "" if where is None or where.all() else "  (· stands for any position from 0 to T - 1)"
    told = [written(case, value, where, in_words) for value in (target, yours)]
    return f"{head}{shown}  {label}{legend}\n    target {told[0]}\n    yours  {told[1]}"


def not_a_result(got: Outcome | Exception, wanted: Outcome) -> str:
    """Why there is nothing to compare: an error, nothing, no gradient, another type or shape. Empty if there is."""
    if isinstance(got, Exception):
        said = (str(got).strip() or "no message").splitlines()[0]
        return f"it raised {type(got).__name__}{where_raised(got)}: {said}"
    value, target = got.value, wanted.value
    if value is None:
        return "it returned None: is there a return statement?"
    if got.cut:
        return "the result carries no gradient: something detached it (.item(), .data, torch.tensor(...), no_grad)"
    kind = type(value).__name__
    if isinstance(target, Tensor) and not isinstance(value, Tensor):
        return f"it returned a {kind}, expected a tensor of shape {tuple(target.shape)}"
    if isinstance(target, Tensor) and value.shape != target.shape:
        return f"shape: target {tuple(target.shape)}, yours {tuple(value.shape)}"
    if isinstance(target, tuple) and not (isinstance(value, (tuple, list)) and len(value) == len(target)):
        return f"it returned a {kind}, expected a tuple ({', '.join(type(part).__name__ for part in target)})"
    return ""


def written(case: Case, value: Any, where: Tensor | None, in_words: InWords | None) -> str:
    """In words where the exercise knows some and the value has the form that they are for, else in numbers."""
    try:
        return in_words(case, value) if in_words else compact(value, where)
    except Exception:  # a learner's value may be anything
        return compact(value, where)


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
