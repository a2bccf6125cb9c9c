"""What a failing case looks like on the page: its inputs, and target and yours one below the other."""

import traceback
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .compare import Outcome, integers, plain, same
from .exercise import Case

InWords = Callable[[Case, Any], str]
DIGITS = (3, 6, 9)  # as few as show a difference


def explain(case: Case, got: Outcome | Exception, wanted: Outcome, in_words: InWords | None = None) -> str:
    """A case that failed, in a few lines. ``in_words`` writes a value for people where numbers would not tell them."""
    inputs = {name: value for name, value in {**case.arguments, **case.options}.items() if name != "tokenizer"}
    shapes = (f"{n} {tuple(v.shape)}" if isinstance(v, Tensor) else f"{n}={v!r}" for n, v in inputs.items())
    head = ", ".join(shapes) + "\n"
    if reason := not_a_result(got, wanted):
        return f"{head}  {reason}"
    label, target, yours = "value", wanted.value, got.value
    if isinstance(target, Tensor) and same(Outcome(yours), Outcome(target), case):
        name, target, yours = first_wrong_gradient(case, got, wanted)
        label = f"the value is right, its gradient is not; gradient with respect to {name}"
    small = {n: v for n, v in inputs.items() if isinstance(v, Tensor) and v.numel() <= 24}
    small_inputs = "".join(f"  {name} {compact(value)}\n" for name, value in small.items())
    where = case.count_where if label == "value" else None
    legend = "" if where is None or where.all() else "  (· stands for any position from 0 to T - 1)"
    for digits in DIGITS:
        texts = [outcome_text(case, value, where, in_words, digits) for value in (target, yours)]
        if texts[0] != texts[1]:
            break
    return f"{head}{small_inputs}  {label}{legend}\n    target {texts[0]}\n    yours  {texts[1]}"


def first_wrong_gradient(case: Case, got: Outcome, wanted: Outcome) -> tuple[str, Tensor, Tensor]:
    """The first argument whose gradient is not the reference's, and the two gradients."""
    three = list(zip(case.differentiable, wanted.gradients, got.gradients, strict=True))
    return next(((n, t, y) for n, t, y in three if not same(Outcome(y), Outcome(t), case)), three[0])


def not_a_result(got: Outcome | Exception, wanted: Outcome) -> str:
    """Why there is nothing to compare: an error, nothing, no gradient, another type or shape. Empty if there is."""
    if isinstance(got, Exception):
        return f"it raised {type(got).__name__}{where_raised(got)}: {message_of(got)}"
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
    if isinstance(target, Tensor) and integers(target) and not integers(value):
        return f"it returned a tensor of {str(value.dtype).removeprefix('torch.')}, expected integers"
    if isinstance(target, tuple) and not (isinstance(value, (tuple, list)) and len(value) == len(target)):
        return f"it returned a {kind}, expected a tuple ({', '.join(type(part).__name__ for part in target)})"
    return ""


def outcome_text(case: Case, value: Any, where: Tensor | None, in_words: InWords | None, digits: int) -> str:
    """In words where the exercise knows some and the value has the form that they are for, else in numbers."""
    try:
        return in_words(case, value) if in_words else compact(value, where, digits)
    except Exception:  # a learner's value may be anything
        return compact(value, where, digits)


def compact(value: Any, where: Tensor | None = None, digits: int = DIGITS[0]) -> str:
    """Numbers as short as they can be read; · where any valid number will do; lengths where a list is cut."""
    if isinstance(value, Tensor):
        value = value.long() if value.dtype == torch.bool else value
        mask = where.tolist() if where is not None else None
        return compact_list(value.tolist(), mask, digits)
    return compact_list(plain(value), None, digits)


def compact_list(value: Any, mask: Any, digits: int) -> str:
    if isinstance(value, list):
        free = [mask is not None and mask[i] is False and 0 <= v < len(value) for i, v in enumerate(value[:12])]
        parts = [
            "·" if free[i] else compact_list(v, mask[i] if isinstance(mask, list) else None, digits)
            for i, v in enumerate(value[:12])
        ]
        more = f", … {len(value)} in all" if len(value) > 12 else ""
        return f"[{', '.join(parts)}{more}]"
    return f"{value:.{digits}g}" if isinstance(value, float) else repr(value)


def message_of(error: Exception) -> str:
    """Its first line, or as much of it as fits."""
    try:
        return (str(error).strip() or "no message").splitlines()[0][:200]
    except Exception:  # an exception of the learner's own
        return "no message"


def where_raised(error: Exception) -> str:
    """ " in line N" of the learner's function: the frame below ours. Nothing if it was autograd that raised."""
    frames = traceback.extract_tb(error.__traceback__)
    own = len(frames) > 1 and "site-packages" not in frames[1].filename
    return f" in line {frames[1].lineno} of your cell" if own else ""
