"""What the exporters of all frameworks share: the parts of an exported config, and a recipe as columns that are wanted."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from reference.algorithms.columns import Recipe, options_of
from reference.algorithms.unread_options import unread
from reference.frameworks.defaults import Framework
from reference.frameworks.explain import AVERAGED, effective

LEFT_OUT: Any = object()  # an option that an exporter does not write
# What an option is about that is in no table: what the user fills in, or how much of it there is.
Extras = dict[str, tuple[str, Any]]  # option -> its words, its value
# Columns that no option of a framework decides: data, reward and tools are code of the user's, and the rest is speed.
OF_THE_USER = (
    "task", "reward", "ensemble", "demonstrations", "leak", "pairs", "raters", "length_coef", "call_price", "invalid_price",
    "valid_bonus", "max_calls", "mask_results", "steps", "prompts_per_step", "micro_batch_size", "bf16", "pool",
)  # fmt: skip
OF_THE_PAIRS = ("group_size", "temperature", "max_new_tokens")  # of pairs and demonstrations that are there already
# What a framework does that has no option for a column.
WITHOUT_AN_OPTION = {
    "dual_clip": None, "gamma": 1.0, "entropy_coef": 0.0, "sft_coef": 0.0, "overlong": "score", "max_rounds": 1,
    "kl_target": None, "ref_sync_every": 0, "top_k": None, "top_p": 1.0, "inner_epochs": 1, "critic": None, "vf_coef": 1.0,
    "online": False, "teacher": None, "teacher_share": 1.0, "on_policy": 1.0,
}  # fmt: skip


@dataclass(frozen=True)
class Placeholder:
    """What the user fills in: the variable of the script, and the options that it goes to."""

    variable: str
    what: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Exported:
    """A recipe in the words of a framework. ``options``: as explain reads them; ``extras``: those without a table.

    ``said``: words for options that mean something else here than the table says of their value.
    """

    recipe: Recipe
    framework: Framework
    entry: str
    options: dict[str, Any]
    extras: Extras
    placeholders: tuple[Placeholder, ...]
    said: dict[str, str]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Exporter:
    """One framework.

    ``entry``: its trainer or program for a recipe, None where it has none. ``own``: options that no table can be turned
    round for, with their values. ``extras``, ``placeholders``: see ``Exported``. ``text``: the file, by the end of its name.
    ``said``: see ``Exported``.
    """

    entry: Callable[[Recipe], str | None]
    own: Callable[[Recipe], dict[str, Any]]
    extras: Callable[[Recipe], Extras]
    placeholders: Callable[[Recipe], tuple[Placeholder, ...]]
    text: Callable[[Exported, str, str | None], str]
    endings: tuple[str, ...]
    said: Callable[[Recipe], dict[str, str]] = lambda recipe: {}


def wanted(recipe: Recipe) -> dict[str, Any]:
    """The columns that decide what the recipe computes, and what they mean beyond the table."""
    skipped = {*OF_THE_USER, *unread(recipe)} | ({*OF_THE_PAIRS} if recipe.kind != "rl" else set())
    found = {
        column.name: effective(recipe, column.name) for column in options_of(recipe.kind) if column.name not in skipped
    }
    if recipe.kind == "rl":
        found["kl_place"] = "measure" if recipe.kl_place == "measure" else effective(recipe, "kl_place")
        if recipe.critic is None:
            found.pop("vf_coef", None)
    if recipe.kind == "preference":
        found["average_logprobs"] = recipe.loss in AVERAGED
    return found


def hinted(recipe: Recipe) -> dict[str, Any]:
    """Columns that choose between options that are otherwise alike, and that no recipe has."""
    return {
        "ratio": "sequence" if recipe.loss == "gspo" else "token", "old_ratio_on_kl": recipe.kl == "k3_unbiased",
        "prompts_per_step": recipe.prompts_per_step, "processes": True, "correction": "none", "tool_loss": False, "prompt_loss": False,
    }  # fmt: skip


def whole(rows: int, parts: int) -> int:
    """Rows in each of the parts; where they do not divide, what is left is one more part, and explain says so."""
    return max(1, rows // parts)


def per_device(rows: int, most: int) -> int:
    """The most rows up to ``most`` that divide an optimizer step into equal micro-batches."""
    return max(size for size in range(1, min(rows, most) + 1) if rows % size == 0)


def or_bound(value: float | None, bound: float = math.inf) -> float:
    """A number, or the bound that is never reached."""
    return bound if value is None else value
