"""The numbers and words of a recipe and what each may be, in one place for every kind of recipe.

The type of a column and its choices stand in ``recipes``, the limits of the numbers here. A number outside its limits is refused before anything is loaded or sampled. The upper ones are generous: they keep the
gradient, whose squares are added up in float32, from overflowing where no model could have learned anything.
"""

import math
import os
from collections.abc import Callable
from dataclasses import Field
from numbers import Integral, Real
from types import NoneType
from typing import Any, get_args

from reference.algorithms.recipes import Recipe, options_of
from reference.algorithms.registry import require_name
from reference.objectives.shapes import InputError

WEIGHTS = (
    "kl_coef",
    "entropy_coef",
    "sft_coef",
    "length_coef",
    "vf_coef",
    "call_price",
    "invalid_price",
    "valid_bonus",
)  # of terms of the loss or the reward
SIGNS = {  # what a weight below 0 would do, for the refusal: the signs are set in the formulas, once
    "kl_coef": "the KL is charged already, so a weight below 0 would pay for moving away from the reference",
    "entropy_coef": "the entropy is subtracted from the loss already, so a weight below 0 would punish it",
    "sft_coef": "the NLL is added to the loss, so a weight below 0 would make the demonstrations or chosen completions unlikely",
    "length_coef": "the length is charged already, so a weight below 0 would pay for longer completions",
    "vf_coef": "the value error is added to the loss, so a weight below 0 would make it larger",
    "call_price": "a price is charged already, so one below 0 would pay for every call",
    "invalid_price": "a price is charged already, so one below 0 would pay for calls that cannot be run",
    "valid_bonus": "a bonus is paid, so one below 0 would be a price: use call_price",
}
COUNTS = ("pool", "steps", "prompts_per_step", "group_size", "inner_epochs", "minibatches", "max_rounds",
          "max_new_tokens", "max_calls", "micro_batch_size", "top_k")  # fmt: skip
LIMITS = {  # the least, and the most
    **dict.fromkeys(WEIGHTS, (0, 1e6)),
    **dict.fromkeys(COUNTS, (1, 2**31 - 1)),
    "ref_sync_every": (0, 2**31 - 1),
    "lr": (0, 1),  # AdamW moves every weight by about so much in a step
    "critic_lr": (0, 1),
    "max_grad_norm": (0, math.inf),
    "temperature": (1e-3, 1e6),  # logits are divided by it
    "top_p": (1e-6, 1),
    "beta": (1e-6, 1e6),
    "target_margin": (0, 1e6),
    "kl_target": (1e-12, 1e6),
    "label_smoothing": (0, 1),
    "teacher_share": (0, 1),
    "on_policy": (0, 1),
    "value_clip": (0, 1e6),
    "clip_low": (0, 1e6),
    "clip_high": (0, 1e6),
    "dual_clip": (0, 1e6),
}
ABOVE = ("max_grad_norm", "value_clip")  # 0 is not among them


def require_limits(recipe: Recipe) -> None:
    """Raise ``InputError`` for the first entry that is no choice, of a wrong type, outside its limits, infinite or NaN."""
    for column in options_of(recipe.kind):
        value, types = getattr(recipe, column.name), get_args(column.type) or (column.type,)
        if (value is None and NoneType in types) or (callable(value) and Callable in types):
            continue
        if column.metadata["folder"] and isinstance(value, tuple):
            require_several(value, column.name, column.metadata["folder"])
            continue
        if column.metadata["folder"] and os.path.isdir(str(value)):
            continue
        if column.metadata["choices"]:
            require_name(choices_of(column, recipe), value, column.name)
        else:
            require_type(column.name, value, types)
        if column.name in LIMITS:
            require_limit(column.name, value)


def require_several(values: tuple[Any, ...], name: str, kind: str) -> None:
    """Refuse several in a slot that are not different folders of such things, or functions of your own."""
    if len(values) < 2:
        raise InputError(f"{name} is a tuple of {len(values)}, expected at least 2: name one {kind} without a tuple")
    for place, value in enumerate(values):
        if not callable(value) and not os.path.isdir(str(value)):
            raise InputError(
                f"{name} names {len(values)}, and {value!r} is no folder of a {kind}: only several {kind}s are combined, and "
                "anything else stands alone"
            )
        if value in values[:place]:
            raise InputError(f"{name} names {value} twice, which would count it double: name it once")


def choices_of(column: Field, recipe: Recipe) -> tuple[str, ...]:
    """The names that may stand in that column of a recipe of this kind."""
    choices = column.metadata["choices"]
    return choices[recipe.kind] if isinstance(choices, dict) else choices


def require_type(name: str, value: Any, types: tuple[type, ...]) -> None:
    """Raise ``InputError`` for what is no number, or not whole, or not a bool where the column has such."""
    is_bool = isinstance(value, bool)  # which Python counts among the whole numbers
    for type_, is_one, words in (
        (bool, is_bool, "True or False"),
        (int, isinstance(value, Integral) and not is_bool, "a whole number"),
        (float, isinstance(value, Real) and not is_bool, "a number"),
    ):
        if type_ in types and not is_one:
            raise InputError(f"{name} is {value!r}, expected {words}" + (" or None" if NoneType in types else ""))


def require_limit(name: str, value: float) -> None:
    """Raise ``InputError`` for a number that is outside its limits, infinite or NaN."""
    least, most = LIMITS[name]
    positive = least > 0 or name in ABOVE
    if not math.isfinite(value) or value < least or (positive and value <= 0):
        range_ = "above 0" if positive and value <= 0 else f"that is at least {least:g}"
        why = f"; {SIGNS[name]}" if name in SIGNS and value < 0 else ""
        raise InputError(f"{name} is {value}, expected a finite number {range_}{why}")
    if value > most:
        raise InputError(f"{name} is {value}, expected a finite number that is at most {most:g}")
