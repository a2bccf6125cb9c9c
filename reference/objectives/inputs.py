"""What can be computed with, whatever its shape: tensors that hold numbers on one device, and numbers that fit torch.

Checked at every call of an objective, so nothing here reads a value: on a GPU that would wait for it.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from .errors import InputError

COMPUTED = frozenset(
    {torch.bool, torch.int8, torch.int16, torch.int32, torch.int64}
    | {torch.uint8, torch.uint16, torch.uint32, torch.uint64}
    | {torch.float16, torch.bfloat16, torch.float32, torch.float64}
)
LARGEST = 2**63 - 1  # that torch takes as a whole number


def require_computable(arguments: Iterable[tuple[str, Any]], numbers: set[str]) -> None:
    """Refuse what torch would refuse in words of its own, or compute nonsense with. ``numbers``: no True or False."""
    first = device = None
    for name, value in arguments:
        if isinstance(value, Tensor):
            if first is None:
                first, device = name, value.device
            elif value.device != device:
                raise InputError(f"{name} is on {value.device}, {first} on {device}: move one with .to(...)")
            if value.layout is not torch.strided or value.dtype not in COMPUTED or value.is_nested:
                raise InputError(f"{name} {why_not(value)}")
        elif isinstance(value, int):
            require_number(name, value, name in numbers)
    if device is not None and device.type == "meta":
        raise InputError(
            f"{first} is on the meta device and holds no numbers: make it on cpu, or load the weights first"
        )


def why_not(x: Tensor) -> str:
    """Why nothing can be computed with this tensor, as the end of a sentence."""
    if x.is_nested:
        return "is a nested tensor: pad its rows, with torch.nested.to_padded_tensor, and mask the padding"
    if x.layout is not torch.strided:
        return f"has layout {str(x.layout).removeprefix('torch.')}: make it an ordinary tensor with .to_dense()"
    dtype = str(x.dtype).removeprefix("torch.")
    return f"has dtype {dtype}, which nothing here computes with: cast it, for example with .float() or .bool()"


def require_number(name: str, value: int, is_number: bool) -> None:
    """Refuse True and False where a number is asked for, and whole numbers that torch cannot hold."""
    if is_number and isinstance(value, bool):
        raise InputError(f"{name} is {value} (bool), expected a number")
    if not -LARGEST <= value <= LARGEST:
        raise InputError(f"{name} is a whole number beyond 2**63, which is more than torch can take")


def in_python(value: Any) -> Any:
    """A number of numpy's (or of another library of arrays) as the one of Python's that it stands for."""
    if getattr(value, "shape", None) != () or not hasattr(value, "item") or isinstance(value, Tensor):
        return value
    number = value.item()
    return number if type(number) in (bool, int, float) else value  # a long double's item is a long double
