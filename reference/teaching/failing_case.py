"""What a failing case looks like on the page: its inputs, and target and yours one below the other."""

import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .compare import ATOL, Outcome, integers, plain, same
from .exercise import Case

InWords = Callable[[Case, Any], str]
DIGITS = (3, 6, 9)  # as few as show a difference
READABLE = 12  # entries that one takes in at a glance
OURS = (str(Path(__file__).parents[1]), sysconfig.get_paths()["stdlib"])
IN_PLACE = "work on a copy, or write it without _, += and x[...] ="


def size(case: Case) -> int:
    """How many numbers one has to look at."""
    return sum(x.numel() for x in (case.arguments | case.options).values() if isinstance(x, Tensor))


def explain(case: Case, got: Outcome | BaseException, wanted: Outcome, in_words: InWords | None = None) -> str:
    """A case that failed, in a few lines. ``in_words`` writes a value for people where numbers would not tell them."""
    inputs = {name: value for name, value in {**case.arguments, **case.options}.items() if name != "tokenizer"}
    shapes = (f"{n} {tuple(v.shape)}" if isinstance(v, Tensor) else f"{n}={v!r}" for n, v in inputs.items())
    head = ", ".join(shapes) + "\n"
    if isinstance(got, BaseException) or (reason := not_a_result(got, wanted)):
        return f"{head}  {raised(got) if isinstance(got, BaseException) else reason}"
    label, target, yours = "value", wanted.value, got.value
    if isinstance(target, Tensor) and same(Outcome(yours), Outcome(target), case):
        name, target, yours = first_wrong_gradient(case, got, wanted)
        label = f"the value is right, its gradient is not; gradient with respect to {name}"
    where = case.count_where if label == "value" else None
    legend = "" if where is None or where.all() else "  (· stands for any position from 0 to T - 1)"
    if where is None and isinstance(target, Tensor):
        place, target, yours = first_different_rows(target, yours)
        label += place
    small = {n: v for n, v in inputs.items() if isinstance(v, Tensor) and v.numel() <= 2 * READABLE}
    small_inputs = "".join(f"  {name} {compact(value, digits=telling(value))}\n" for name, value in small.items())
    for digits in DIGITS:
        texts = [outcome_text(case, value, where, in_words, digits) for value in (target, yours)]
        if texts[0] != texts[1]:
            break
    return f"{head}{small_inputs}  {label}{legend}\n    target {texts[0]}\n    yours  {texts[1]}"


def first_wrong_gradient(case: Case, got: Outcome, wanted: Outcome) -> tuple[str, Tensor, Tensor]:
    """The first argument whose gradient is not the reference's, and the two gradients."""
    three = list(zip(case.differentiable, wanted.gradients, got.gradients, strict=True))
    return next(((n, t, y) for n, t, y in three if not same(Outcome(y), Outcome(t), case)), three[0])


def first_different_rows(target: Tensor, yours: Tensor) -> tuple[str, Tensor, Tensor]:
    """Of a large result the first part in which the two differ, and where it stands: "" or "[0, 2]"."""
    index: list[int] = []
    while target.numel() > READABLE and target.dim() > 1:
        equal = torch.isclose(target.double(), yours.double(), rtol=1e-4, atol=ATOL, equal_nan=True)
        first = int((~equal.flatten(1).all(dim=1)).long().argmax())
        index, target, yours = [*index, first], target[first], yours[first]
    return f"{index}" if index else "", target, yours


def not_a_result(got: Outcome, wanted: Outcome) -> str:
    """Why there is nothing to compare: nothing, no gradient, another type or shape. Empty if there is."""
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


def raised(error: BaseException) -> str:
    """What was raised, where, and its message. Torch's word on changes in place is put into ours."""
    text = message_of(error)
    if isinstance(error, RuntimeError) and ("inplace operation" in text or "in-place operation" in text):
        return f"something is changed in place, and its gradient needs the old numbers: {IN_PLACE}"
    return f"it raised {type(error).__name__}{where_raised(error)}: {text}"


def outcome_text(case: Case, value: Any, where: Tensor | None, in_words: InWords | None, digits: int) -> str:
    """In words where the exercise knows some and the value has the form that they are for, else in numbers."""
    try:
        return in_words(case, value) if in_words else compact(value, where, digits)
    except Exception:  # a learner's value may be anything
        return compact(value, where, digits)


def telling(x: Tensor) -> int:
    """Digits with which most numbers that differ look different: 1 and 1.000001 need more than others."""
    values = x.detach().flatten().unique().tolist()
    return next((d for d in DIGITS if 2 * len({as_text(v, d) for v in values}) > len(values)), DIGITS[0])


def compact(value: Any, where: Tensor | None = None, digits: int = DIGITS[0]) -> str:
    """Numbers as short as they can be read; · where any valid number will do; lengths where a list is cut."""
    if isinstance(value, Tensor):
        value = value.long() if value.dtype == torch.bool else value
        mask = where.tolist() if where is not None else None
        return compact_list(value.tolist(), mask, digits)
    return compact_list(plain(value), None, digits)


def compact_list(value: Any, mask: Any, digits: int) -> str:
    if isinstance(value, list):
        shown = value[: 2 * READABLE]
        free = [mask is not None and mask[i] is False and 0 <= v < len(value) for i, v in enumerate(shown)]
        parts = [
            "·" if free[i] else compact_list(v, mask[i] if isinstance(mask, list) else None, digits)
            for i, v in enumerate(shown)
        ]
        more = f", … {len(value)} in all" if len(value) > len(shown) else ""
        return f"[{', '.join(parts)}{more}]"
    return as_text(value, digits)


def as_text(value: Any, digits: int) -> str:
    """A number with so many digits. What counts as 0 in a comparison is written as 0, without a sign."""
    if not isinstance(value, float):
        return repr(value)
    return f"{0.0 if abs(value) < ATOL else value:.{digits}g}"


def message_of(error: BaseException) -> str:
    """Its first line, or as much of it as fits."""
    try:
        return (str(error).strip() or "no message").splitlines()[0][:200]
    except Exception:  # an exception of the learner's own
        return "no message"


def where_raised(error: BaseException) -> str:
    """ " in line N" of the learner's function: the first frame that is not ours and not a library's. Often none."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = (f for f in frames if "site-packages" not in f.filename and not f.filename.startswith(OURS))
    return next((f" in line {frame.lineno} of your cell" for frame in theirs), "")
