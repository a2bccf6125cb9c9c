"""Shapes checked at run time, and errors in one sentence that name the argument, the axis and the fix.

Every objective is decorated with ``@typed`` and annotated with jaxtyping. The annotation is documentation and check at
once: ``Float[Tensor, "batch time-1"]`` is refused when axis 1 is not one shorter than the ``time`` seen before.
"""

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch
from beartype import beartype
from jaxtyping import Bool, Float, Int, Shaped, TypeCheckError, jaxtyped
from torch import Tensor

from .errors import InputError
from .explain import NUMBERS, empty_axis, explain_mismatch, takes_numbers, value_text
from .inputs import in_python, require_computable

__all__ = [
    "Bool",
    "Float",
    "InputError",
    "Int",
    "Shaped",
    "Tensor",
    "at_least_float32",
    "bounded",
    "clamped",
    "empty_axis",
    "kept",
    "require_at_least",
    "require_distribution",
    "require_finite",
    "require_log_ratio",
    "require_no_nan",
    "require_positive",
    "scaled",
    "tamed",
    "typed",
    "value_text",
]


F = TypeVar("F", bound=Callable)


def typed(function: F) -> F:
    """Check what every call is given, and put the function's name before whatever error it then raises.

    Checked are devices and layouts, the annotated shapes, dtypes and plain types; numpy's numbers are as good as
    Python's. Where one such function calls another, the outer one is named: nobody has to know what it calls.
    """
    checked = jaxtyped(function, typechecker=beartype(conf=NUMBERS))
    signature = inspect.signature(function)
    names = tuple(signature.parameters)
    numbers = {name for name in names if takes_numbers(signature.parameters[name].annotation)}
    plain = numbers | {name for name in names if signature.parameters[name].annotation is bool}

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling():  # dynamo cannot trace these checks: they break its graph, and run as ever
            return torch.compiler.disable(wrapper)(*args, **kwargs)
        try:
            require_computable((*zip(names, args, strict=False), *kwargs.items()), numbers)
            return checked(*args, **kwargs)
        except TypeCheckError:
            arguments = dict(zip(names, args, strict=False)) | kwargs
            python = {name: in_python(arguments[name]) for name in plain & arguments.keys()}
            if any(number is not arguments[name] for name, number in python.items()):
                return wrapper(**arguments | python)
            error = InputError(explain_mismatch(signature, args, kwargs))
        except InputError as refusal:
            error = refusal
        except TypeError:
            require_call(function, signature, args, kwargs)
            raise
        error.function = function.__name__
        raise error from None

    return cast(F, wrapper)  # it takes and gives what the function does


def require_call(function: Callable, signature: inspect.Signature, args: tuple, kwargs: dict) -> None:
    """Python's own refusal of missing, unknown and superfluous arguments, with the name of the function."""
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"{function.__name__}: {error}") from None


def kept(mask: Tensor, name: str = "mask") -> Tensor:
    """The mask as booleans. Raises ``InputError`` unless every entry is 0 or 1 (True or False)."""
    if mask.dtype == torch.bool:
        return mask
    if ((mask != 0) & (mask != 1)).any():
        raise InputError(f"{name} holds values other than 0 and 1: pass a mask of kept positions, not weights")
    return mask.bool()


def bounded(log_ratio: Tensor) -> Tensor:
    """A log-ratio that exp cannot overflow: capped at three quarters of the dtype's range, 66 nats in float32.

    Where exp gives inf, a backward pass that multiplies it by a clip's or a mask's 0 gives NaN. Beyond the cap there is
    no gradient, and no policy that is still a policy.
    """
    return log_ratio.clamp(max=0.75 * math.log(torch.finfo(log_ratio.dtype).max))


def at_least_float32(x: Tensor) -> Tensor:
    """Half precision taken to float32; float32 and float64 stay. For whatever adds up many numbers."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def scaled(logits: Tensor, temperature: float) -> Tensor:
    """Logits / temperature, in at least float32."""
    require_distribution(logits.shape[-1], temperature)
    logits = at_least_float32(logits)
    return logits if temperature == 1.0 else logits / temperature


def tamed(difference: Tensor) -> Tensor:
    """The difference within its dtype's range: where it is NaN or infinite, as on padding, no gradient goes back.

    A mask multiplies that gradient by 0, but the backward pass of a square or a product multiplies the 0 by what
    stands there, and 0 * NaN is NaN. The value NaN stays NaN, so that it is still found where a mask keeps it.
    """
    return clamped(difference, -math.inf, math.inf)


def clamped(x: Tensor, low: float, high: float) -> Tensor:
    """``x.clamp(low, high)``, also for bounds that its dtype cannot hold: those are its largest numbers instead."""
    limit = torch.finfo(x.dtype).max
    return x.clamp(max(low, -limit), min(high, limit))


def require_positive(value: float, name: str) -> None:
    """Refuse 0, negative numbers, infinity and NaN."""
    if not 0 < value < math.inf:
        raise InputError(f"{name} is {value}, expected a finite number above 0")


def require_distribution(vocab: int, temperature: float) -> None:
    """Refuse an empty vocabulary, and a temperature that is not above 0."""
    if vocab == 0:
        raise InputError(empty_axis("vocab"))
    if not temperature > 0:
        raise InputError(f"temperature is {temperature}, expected > 0: greedy decoding has no log-probs to train on")


def require_at_least(value: float, name: str, least: float, most: float = math.inf) -> None:
    """Refuse what lies outside [least, most], infinity and NaN."""
    if not (least <= value <= most and math.isfinite(value)):
        limits = f"at least {least:g}" if most == math.inf else f"between {least:g} and {most:g}"
        raise InputError(f"{name} is {value}, expected a finite number that is {limits}")


def require_no_nan(x: Tensor, name: str, *, mask: Tensor | None = None) -> None:
    """Raise ``InputError`` at the first NaN of ``x`` (where ``mask`` keeps it). Infinities pass."""
    refuse(x.isnan(), x, name, mask)


def require_finite(x: Tensor, name: str, *, mask: Tensor | None = None) -> None:
    """Raise ``InputError`` at the first NaN or infinity of ``x`` (where ``mask`` keeps it)."""
    refuse(~x.isfinite(), x, name, mask)


def require_log_ratio(first: Tensor, second: Tensor, names: tuple[str, str], *, mask: Tensor) -> None:
    """Raise ``InputError`` where one of two log-probs is NaN, or both are infinite: then they have no difference."""
    require_no_nan(first, names[0], mask=mask)
    require_no_nan(second, names[1], mask=mask)
    require_no_nan(first - second, f"{names[0]} - {names[1]} (inf - inf)", mask=mask)


def refuse(bad: Tensor, x: Tensor, name: str, mask: Tensor | None) -> None:
    bad = bad if mask is None else bad & mask
    if bad.any():
        at = tuple(bad.nonzero()[0].tolist())
        found = "NaN" if x[at].isnan() else f"{x[at].item():g}"
        where = f" at position {at}" if at else ""
        raise InputError(f"{name} is {found}{where}: find what produced it; averaging would only spread it")
