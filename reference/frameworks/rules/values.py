"""What the rules of all frameworks share: the types, and small questions about values."""

import math
from collections.abc import Callable
from typing import Any, TypeGuard

Of = Callable[[str], Any]
Columns = dict[str, Any]
Rule = Callable[[Of, Columns, str], Columns]

ABSENT: Any = object()  # a column that a single option has set and that the options together do not have
NO_LIMIT = "no limit"  # of ``max_rounds``: groups are sampled until the batch is full
CRITIC = ("critic", "critic_lr", "value_clip", "gae_lambda", "vf_coef")


def is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def minibatches(rows: Any, rows_per_step: Any) -> Columns:
    """How many optimizer steps a rollout is cut into; nothing where one of the numbers is not known."""
    if not is_number(rows) or not is_number(rows_per_step) or rows_per_step <= 0 or rows <= 0:
        return {"minibatches": ABSENT}
    return {"minibatches": max(1, math.ceil(rows / rows_per_step))}


def as_number(value: Any) -> Any:
    """A number that a YAML file has as a text, such as '1e-6'; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return value
