"""Two functions on the same inputs: what each returned, with gradients, and whether that is the same."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from .exercise import Case

RTOL, ATOL = 1e-4, 1e-6  # a float32 solution of a float64 case passes; no catalogued mistake comes anywhere near
NUMBERS = (bool, int, float, str, type(None))  # what may be compared with ==; another object may say yes to anything


@dataclass(frozen=True)
class Outcome:
    """What a call returned, and the gradients with respect to the differentiable arguments."""

    value: Any
    gradients: tuple[Tensor, ...] = ()
    cut: bool = False  # the value should depend on the arguments but carries no graph
    changed: str = ""  # an input that was changed in place


def outcome(function: Callable, case: Case) -> Outcome | BaseException:
    """Call ``function`` on copies of the case's inputs, options too; whatever it raises is an outcome as well.

    Gradients are on, whatever mode the notebook is in, and that mode is back afterwards, whatever the function does to
    it. The function gets copies of the leaves, since torch lets nobody change a leaf in place.
    """
    everything = case.arguments | case.options
    try:
        with torch.inference_mode(False), torch.enable_grad():
            leaves = {name: leaf(value, name in case.differentiable) for name, value in everything.items()}
            inputs = {name: x.clone() if isinstance(x, Tensor) else x for name, x in leaves.items()}
            options = {name: inputs[name] for name in case.options}
            call = function if case.through is None else partial(case.through, function)
            value = call(*[inputs[name] for name in case.arguments], **options)
        plain(value)  # what cannot be read as numbers raises here, where it is caught
        changed = next((n for n, x in inputs.items() if isinstance(x, Tensor) and not unchanged(x, everything[n])), "")
        if not case.differentiable or not isinstance(value, Tensor):
            return Outcome(value, changed=changed)
        if not value.requires_grad:
            return Outcome(value, cut=True, changed=changed)
        gradients = gradients_of(value, [leaves[name] for name in case.differentiable])
        return Outcome(value.detach(), gradients, changed=changed)
    except (Exception, SystemExit) as error:  # the learner's code may fail in any way, and only Ctrl-C is not its own
        return error


def gradients_of(value: Tensor, leaves: list[Tensor]) -> tuple[Tensor, ...]:
    """Of a weighted sum of the entries, so that no two of them can stand for each other."""
    with torch.inference_mode(False), torch.enable_grad():
        weights = torch.linspace(1, 2, value.numel(), dtype=value.dtype).view(value.shape)
        found = torch.autograd.grad((value * weights).sum(), leaves, allow_unused=True)
    return tuple(torch.zeros_like(x) if g is None else g for g, x in zip(found, leaves, strict=True))


def leaf(value: Any, differentiable: bool) -> Any:
    if not isinstance(value, Tensor):
        return value
    return value.clone().requires_grad_() if differentiable else value.clone()


def unchanged(after: Tensor, before: Tensor) -> bool:
    return after.shape == before.shape and torch.equal(after.detach(), before)


def same(got: Outcome | BaseException, wanted: Outcome | BaseException, case: Case) -> bool:
    """Equal values, where they count, and equal gradients. Whatever cannot be compared is not equal."""
    if isinstance(got, BaseException) or isinstance(wanted, BaseException):
        return False
    if not isinstance(wanted.value, Tensor):
        return comparable(plain(got.value)) and plain(got.value) == plain(wanted.value)
    if not isinstance(got.value, Tensor) or got.value.shape != wanted.value.shape or got.cut != wanted.cut:
        return False
    if integers(wanted.value) and not integers(got.value):
        return False
    close = torch.isclose(got.value.double(), wanted.value.double(), rtol=RTOL, atol=ATOL, equal_nan=True)
    if case.count_where is not None:
        valid = (got.value >= 0) & (got.value < got.value.shape[-1])
        close = torch.where(case.count_where, close, valid | close)
    pairs = zip(got.gradients, wanted.gradients, strict=True)
    return bool(close.all()) and all(
        torch.allclose(a.double(), b.double(), RTOL, ATOL, equal_nan=True) for a, b in pairs
    )


def integers(x: Tensor) -> bool:
    return not (x.is_floating_point() or x.is_complex() or x.dtype == torch.bool)


def plain(value: Any) -> Any:
    """Lists and tuples of numbers, however they are wrapped: tensors, arrays, tuples."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def comparable(value: Any) -> bool:
    """Numbers and texts, and lists of them."""
    return all(map(comparable, value)) if type(value) is list else type(value) in NUMBERS
