"""Slips that any function can have: an argument taken for another, an option without effect, a sign, a factor.

A slip turns a right function into a wrong one. So it needs no entry in the catalogue, and it can be put on top of an
entry: two mistakes at once. Its sentence says what the code does, as the ``mistake`` of an entry does.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from .compare import Outcome
from .exercise import Case

Inputs = dict[str, Any]


@dataclass(frozen=True)
class Slip:
    """What the code does, and the change that makes any function do it."""

    says: str
    on: Callable[[Callable], Callable]


def slips_of_inputs(case: Case) -> Iterator[Slip]:
    """What can be mistaken in the arguments and options of such a call."""
    names, inputs = list(case.arguments), case.arguments | case.options
    floats = [n for n, x in inputs.items() if isinstance(x, Tensor) and x.is_floating_point()]
    numbers = [n for n, x in case.options.items() if isinstance(x, float)]

    def slip(says: str, change: Callable[[Inputs], Inputs]) -> Slip:
        return Slip(says, lambda function: with_inputs(function, names, change))

    for name in (n for n in inputs if n.endswith("mask")):
        yield slip(f"{name} is used the wrong way round: what it keeps is left out", set_to(name, opposite))
        yield slip(f"{name} has no effect: every position counts", set_to(name, torch.ones_like))
    for name in numbers:
        yield slip(f"{name} has no effect: yours is what {name} = 1 gives", set_to(name, lambda x: 1.0))
        yield slip(f"{name} divides where it should multiply, or the other way round", set_to(name, lambda x: 1 / x))
        yield slip(f"yours is what {name} = 0 gives", set_to(name, lambda x: 0.0))
    for name in (n for n in case.options if n.startswith("num_")):
        yield slip(f"{name} has no effect", set_to(name, lambda x: None))
    for a, b in [*combinations(numbers, 2), *alike(inputs, floats)]:
        yield slip(f"{a} and {b} have changed places", swap(a, b))
    for name in floats:
        yield slip(f"{name} has no effect: yours is what it would be if {name} were 0", set_to(name, torch.zeros_like))
        yield slip(f"{name} has the wrong sign", set_to(name, torch.neg))
        yield slip(f"no gradient reaches {name}", set_to(name, Tensor.detach))
        yield slip(f"{name} is read one place too late", set_to(name, lambda x: moved(x, -1)))
        yield slip(f"{name} is read one place too early", set_to(name, lambda x: moved(x, 1)))


def slips_of_numbers(case: Case) -> Iterator[Slip]:
    """What else can happen to an option or to a tensor before it is used."""
    names, inputs = list(case.arguments), case.arguments | case.options
    for name in (n for n, x in case.options.items() if isinstance(x, float)):
        for words, change in OTHER_OPTIONS:
            says = f"{name} enters as {words.format(name)}"
            yield Slip(says, lambda f, n=name, c=change: with_inputs(f, names, set_to(n, c)))
    for name in (n for n, x in inputs.items() if isinstance(x, Tensor) and x.is_floating_point()):
        for words, change in OTHER_TENSORS:
            says = f"{name} {words}"
            yield Slip(says, lambda f, n=name, c=change: with_inputs(f, names, set_to(n, c)))


OTHER_OPTIONS: list[tuple[str, Callable[[float], float]]] = [
    ("twice {}", lambda x: 2 * x),
    ("half of {}", lambda x: x / 2),
    ("the square of {}", lambda x: x * x),
    ("1 - {}", lambda x: 1 - x),
    ("1 + {}", lambda x: 1 + x),
    ("-{}", lambda x: -x),
]
OTHER_TENSORS: list[tuple[str, Callable[[Tensor], Tensor]]] = [
    ("loses its signs: it enters as its absolute value", torch.abs),
    ("is squared before it is used", torch.square),
    ("enters through an exp", torch.exp),
    ("is cut off at 0: what is negative enters as 0", lambda x: x.clamp_min(0)),
    ("is cut off at 0: what is positive enters as 0", lambda x: x.clamp_max(0)),
    ("is centred before it is used: its mean is taken off", lambda x: x - x.mean()),
    ("is standardised before it is used: mean 0 and std 1", lambda x: (x - x.mean()) / (x.std() + 1e-8)),
    ("is replaced by its mean over each row", lambda x: x.mean(dim=-1, keepdim=True).expand_as(x)),
    ("is replaced by its sum over each row", lambda x: x.sum(dim=-1, keepdim=True).expand_as(x)),
    ("of the first row is used for every row", lambda x: x[:1].expand_as(x)),
]


def slips_of_words(cases: list[Case]) -> Iterator[Slip]:
    """What can be mistaken where an option is one of several words: one of them always, or two for each other."""
    names = list(cases[0].arguments)
    for option in (n for n, x in cases[0].options.items() if isinstance(x, str)):
        words = list(dict.fromkeys(case.options[option] for case in cases))
        for word in words:
            says = f'where yours is wrong, it gives what {option}="{word}" gives'
            yield Slip(says, lambda f, o=option, w=word: with_inputs(f, names, set_to(o, lambda x: w)))
        for a, b in combinations(words, 2):
            turned = {word: word for word in words} | {a: b, b: a}
            says = f'{option}="{a}" and "{b}" have changed places'
            yield Slip(says, lambda f, o=option, t=turned: with_inputs(f, names, set_to(o, t.get)))


SLIPS_OF_RESULTS = [
    ("the result is 0 wherever it is wrong", torch.zeros_like),
    ("the result has the wrong sign", torch.neg),
    ("the result is averaged already: one number is returned where several are wanted", torch.mean),
    ("the result is added up already: one number is returned where several are wanted", torch.sum),
    ("the result is averaged along its last axis, which should stay", lambda x: x.mean(dim=-1)),
    ("the result is added up along its last axis, which should stay", lambda x: x.sum(dim=-1)),
    ("the numbers are right, and an axis is missing or too many", lambda x: x.unsqueeze(-1)),
    ("the numbers are right, and an axis is missing or too many", lambda x: x.unsqueeze(0)),
    ("the numbers are right, and an axis is missing or too many", lambda x: x.flatten()),
    ("the result is detached: no gradient flows", Tensor.detach),
    ("the result is the exp of the target", torch.exp),
    ("the result is the logarithm of the target", torch.log),
    ("the result is the square of the target", torch.square),
    ("the result is the square root of the target", torch.sqrt),
    ("the result is the inverse of the target, 1 over it", lambda x: 1 / x),
    ("the result is 1 minus the target", lambda x: 1 - x),
    ("the result is the opposite of the target: True and False have changed places", torch.logical_not),
    ("the result has lost its signs: it is the absolute value of the target", torch.abs),
    ("the result is cut off at 0: what should be negative is 0", lambda x: x.clamp_min(0)),
    ("the result is cut off at 0: what should be positive is 0", lambda x: x.clamp_max(0)),
    ("the result is centred: its mean is taken off", lambda x: x - x.mean()),
    ("the result is centred row by row: each row's mean is taken off", lambda x: x - x.mean(dim=-1, keepdim=True)),
    ("the result is standardised: mean 0 and std 1", lambda x: (x - x.mean()) / (x.std() + 1e-8)),
    ("the result is cut off at -1 and 1", lambda x: x.clamp(-1, 1)),
    ("the result goes through a tanh", torch.tanh),
    ("the result goes through a sigmoid", torch.sigmoid),
    ("the result is added up once more, from the left to each position", lambda x: x.cumsum(dim=-1)),
    ("the result is added up once more, from each position to the end", lambda x: x.flip(-1).cumsum(dim=-1).flip(-1)),
    ("the right numbers stand one place too late", lambda x: moved(x, 1)),
    ("the right numbers stand one place too early", lambda x: moved(x, -1)),
    ("the right numbers stand in the opposite order", lambda x: x.flip(-1)),
]


def slips_of_results(got: Outcome, wanted: Outcome, *, fit: bool) -> Iterator[Slip]:
    """What can be mistaken in the last line. ``fit``: a factor and an offset too, those between these two outcomes."""
    for says, change in SLIPS_OF_RESULTS:
        yield Slip(says, lambda function, change=change: after(function, change))
    if fit:
        yield from fitted(got.value, wanted.value)


def fitted(yours: Any, target: Any) -> Iterator[Slip]:
    """A factor or an offset that turns one result into the other, if there may be one."""
    if not (isinstance(yours, Tensor) and isinstance(target, Tensor) and yours.shape == target.shape):
        return
    if not (yours.is_floating_point() and target.is_floating_point() and target.square().sum() > 0):
        return
    factor = float((yours * target).sum() / target.square().sum())
    offset = float((yours - target).double().mean())
    if factor:
        yield Slip(
            f"the result is {factor:.3g} times what it should be, in every case",
            lambda f: after(f, lambda x: factor * x),
        )
    yield Slip(
        f"{abs(offset):.3g} is {'added to' if offset > 0 else 'taken off'} the result, in every case",
        lambda f: after(f, lambda x: x + offset),
    )


def with_inputs(function: Callable, names: list[str], change: Callable[[Inputs], Inputs]) -> Callable:
    """``function``, called with other inputs than it is given."""

    def changed(*arguments: Any, **options: Any) -> Any:
        inputs = change(dict(zip(names, arguments, strict=True)) | options)
        return function(*[inputs[n] for n in names], **{n: inputs[n] for n in options})

    return changed


def after(function: Callable, change: Callable[[Tensor], Tensor]) -> Callable:
    return lambda *arguments, **options: change(function(*arguments, **options))


def set_to(name: str, change: Callable[[Any], Any]) -> Callable[[Inputs], Inputs]:
    return lambda inputs: inputs | ({name: change(inputs[name])} if inputs.get(name) is not None else {})


def swap(a: str, b: str) -> Callable[[Inputs], Inputs]:
    return lambda inputs: inputs | {a: inputs[b], b: inputs[a]}


def alike(inputs: Inputs, names: list[str]) -> list[tuple[str, str]]:
    """The pairs that can be taken for each other, because they have one shape."""
    return [(a, b) for a, b in combinations(names, 2) if inputs[a].shape == inputs[b].shape]


def opposite(mask: Tensor) -> Tensor:
    return ~mask if mask.dtype == torch.bool else 1 - mask


def moved(x: Tensor, places: int) -> Tensor:
    """To the right, or to the left if it is negative; 0 where nothing comes from."""
    edge = 0 if places > 0 else x.shape[-1] - 1
    return torch.where(torch.arange(x.shape[-1]) == edge, 0, x.roll(places, dims=-1))
