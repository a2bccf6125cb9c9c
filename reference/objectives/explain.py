"""What was wrong with a call, in one sentence: the argument, what came, what was expected, and how to mend it."""

import inspect
import reprlib
from typing import Any, Literal, get_args, get_origin

from beartype import BeartypeConf
from beartype.door import is_bearable
from torch import Tensor

NUMBERS = BeartypeConf(is_pep484_tower=True)  # an int will do where a float is asked for


def explain_mismatch(signature: inspect.Signature, args: tuple, kwargs: dict) -> str:
    """The first argument that breaks its annotation, in words; or what makes the result break its own."""
    sizes: dict[str, int] = {}
    for name, value in signature.bind(*args, **kwargs).arguments.items():
        expected = signature.parameters[name].annotation
        if value is None and type(None) in get_args(expected):
            continue
        expected = next((arm for arm in get_args(expected) if hasattr(arm, "dim_str")), expected)  # Float[...] | None
        of_tensors = hasattr(expected, "dim_str")
        mismatch = (
            tensor_mismatch(name, value, expected, sizes) if of_tensors else option_mismatch(name, value, expected)
        )
        if mismatch:
            return mismatch
    empty = next((axis for axis, size in sizes.items() if size == 0), None)
    if empty:
        return empty_axis(empty)
    return "the result has not the shape its annotation promises: report this as a bug"


def option_mismatch(name: str, value: Any, expected: Any) -> str:
    """What is wrong with a plain argument, or nothing."""
    if is_bearable(value, expected, conf=NUMBERS):
        return ""
    fix = ": pass its .item()" if isinstance(value, Tensor) and value.ndim == 0 else ""
    return f"{name} is {value_text(value)} ({type(value).__name__}), expected {in_words(expected)}{fix}"


def tensor_mismatch(name: str, value: Any, expected: Any, sizes: dict[str, int]) -> str:
    """What is wrong with a tensor, or nothing. ``sizes``: of the axes of the arguments before it; its own are added."""
    if not isinstance(value, Tensor):
        return not_a_tensor(name, value, expected)
    axes = expected.dim_str.split()
    shape = tuple(value.shape)
    if len(axes) != len(shape):
        wanted = f"{len(axes)} {'axis' if len(axes) == 1 else 'axes'} ({', '.join(axes).replace('#', '')})"
        per_row = "; for one number per row pass x[:, None]" if "#" in expected.dim_str else ""
        return f"{name} has shape {shape}, expected {wanted if axes else 'a single number'}{per_row}"
    if mismatch := size_mismatch(name, axes, shape, sizes):
        return mismatch
    kind = str(value.dtype).removeprefix("torch.")
    if isinstance(expected.dtypes, tuple) and kind not in expected.dtypes:
        wanted = next(word for word in ("float", "int", "bool") if word in expected.dtypes[-1])
        words = "an int dtype; .long() makes one" if wanted == "int" else f"a {wanted} dtype"
        return f"{name} has dtype {kind}, expected {words}"
    return ""


def not_a_tensor(name: str, value: Any, expected: Any) -> str:
    kind = type(value).__name__
    article = "an" if kind[0] in "aeiou" or kind == "ndarray" else "a"
    fix = ": pass its .weight" if hasattr(value, "weight") else ""
    return f"{name} is {article} {kind}, expected a torch tensor of shape ({expected.dim_str.strip()}){fix}"


def size_mismatch(name: str, axes: list[str], shape: tuple[int, ...], sizes: dict[str, int]) -> str:
    """The first axis whose size is not that of the arguments before it, or nothing."""
    for index, (axis, size) in enumerate(zip(axes, shape, strict=True)):
        if axis.startswith("#") and size == 1:
            continue
        axis = axis.removeprefix("#")
        other, minus, less = axis.partition("-")  # "time-1": one shorter than time
        if minus and sizes[other] < int(less):
            return empty_axis(other)
        wanted = sizes[other] - int(less) if minus else int(axis) if axis.isdigit() else sizes.setdefault(axis, size)
        if wanted != size:
            axis = "" if axis.isdigit() else f" ({axis})"
            found = f"axis {index}{axis} is {size}, expected {wanted} to match the arguments before it"
            return f"{name} has shape {shape}: {found}"
    return ""


def empty_axis(axis: str) -> str:
    return f"axis {axis} is empty, so there is nothing to score: its size must be at least 1"


def value_text(value: Any) -> str:
    """A value on one line, cut where it is long; of a tensor, what it takes to see the mistake."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    try:
        return " ".join(reprlib.repr(value).split())
    except ValueError:  # Python writes out no whole number of more than 4300 digits
        return "too long to be shown"


def takes_numbers(annotation: Any) -> bool:
    """Whether a plain annotation is of numbers only: float, int | None, Literal[0, 1]."""
    arms = get_args(annotation) or (annotation,)
    return all(arm in (int, float, type(None)) or type(arm) is int for arm in arms)


def in_words(annotation: Any) -> str:
    """A plain annotation as a reader would say it."""
    if get_origin(annotation) is Literal:
        return " or ".join(map(repr, get_args(annotation)))
    if get_args(annotation) and type(None) in get_args(annotation):
        return " or ".join("None" if arm is type(None) else in_words(arm) for arm in get_args(annotation))
    name = getattr(annotation, "__name__", str(annotation))
    return {"Iterable": "a list", "Collection": "a list", "Callable": "a function"}.get(name, name)
