"""A config of another framework in the words of this course: which algorithm it is, and what it leaves unsaid."""

import math
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from reference.algorithms.recipes import ROWS, Recipe
from reference.configs.option import UNEVALUATED, ConfigRead
from reference.frameworks.defaults import Framework, framework_named
from reference.frameworks.entries import entry_of
from reference.frameworks.questions import answers_of
from reference.frameworks.settings import Setting, key_of, not_understood, own_options, renamed, settings_of
from reference.frameworks.settle import settle
from reference.frameworks.slots import SLOTS
from reference.frameworks.surprises import surprises_of
from reference.frameworks.surprises_own import Surprise

# What tells recipes apart, and so decides which one is nearest, with its weight: the names of algorithms follow the advantage
# and the loss, and the rest is what people vary.
SHAPE = {
    "rl": {"advantage": 4, "loss": 4, "critic": 2, "aggregation": 1, "kl_place": 1, "clip_high": 1},
    "preference": {"loss": 1},
}
NUMBERS = {
    "rl": ("kl", "kl_coef", "clip_low", "dual_clip", "entropy_coef", "overlong", "group_size", "inner_epochs",
           "minibatches", "temperature", "max_grad_norm"),
    "preference": ("beta", "label_smoothing", "sft_coef", "average_logprobs", "max_grad_norm"),
}  # fmt: skip
# Values that are none of ours, and the one of ours that is nearest: half of what it weighs counts.
NEARLY = {("advantage", "group_of_others"): "group", ("advantage", "group_whitened"): "group"}
OF_A_FORK = re.compile(r"(n_agent|n_samples|rollout_n)$")
AVERAGED = ("simpo", "orpo")  # losses on means of log-probs
KINDS = {
    "sft": r"(?i)sft|supervised|full_finetune", "reward-model": r"Reward|RW|(^|_)rm", "preference": r"(?i)dpo|kto|cpo|simpo|orpo",
}  # fmt: skip


@dataclass(frozen=True)
class Explanation:
    """What was read (``settings``), what it amounts to (``columns``, in the words of a recipe), and what to know about it.

    ``answers``: to the five questions, a sentence each. ``nearest``: the recipe that it is most like; ``differs``: column -> what the recipe has, and what the config has.
    ``strange``: options that this version does not have, with the nearest name; ``unrelated``: those that say nothing here.
    """

    name: str
    framework: Framework
    entry: str
    settings: list[Setting]
    columns: dict[str, Any]
    answers: dict[str, str]
    nearest: str | None
    differs: dict[str, tuple[Any, Any]]
    surprises: list[Surprise]
    strange: dict[str, str]
    unrelated: list[str]
    notes: list[str] = field(default_factory=list)


def explain(config: ConfigRead, *, name: str = "the config", version: str | None = None) -> Explanation:
    """``version``: of the framework, a recorded one; none: the newest. Raises ``InputError`` where it is not recorded."""
    framework = framework_named(key_of(config.framework), version)
    entry = entry_of(framework, config)
    options, older = renamed(config, own_options(framework, entry))
    settings = settings_of(framework, entry, options)
    columns = columns_of(framework, entry, settings)
    kind = kind_of(entry)
    slots = {setting.cell.slot for setting in settings}
    nearest, differs = nearest_recipe(columns, kind, slots)
    strange, unrelated = not_understood(framework, entry, options)
    if columns.get("group_size") == 1 and any(OF_A_FORK.search(option) for option in strange):
        del columns["group_size"]  # the fork has an option of its own for it
    surprises = surprises_of(framework.name, entry, value_of(settings), columns)
    return Explanation(
        name=name, framework=framework, entry=entry, settings=settings, columns=columns,
        answers=answers_of(columns, kind, slots), nearest=nearest, differs=differs, surprises=surprises, strange=strange,
        unrelated=unrelated, notes=[*config.notes, *older],
    )  # fmt: skip


def columns_of(framework: Framework, entry: str, settings: list[Setting]) -> dict[str, Any]:
    """What the settings amount to together."""
    columns: dict[str, Any] = {}
    for setting in settings:
        columns |= setting.columns
    return settle(framework.name, value_of(settings), columns, entry)


def value_of(settings: list[Setting]) -> Callable[[str], Any]:
    """A function that gives the value of an option by its name; None for one that is not in the table."""
    values = {setting.cell.option: setting.value for setting in settings if setting.cell.option}
    return values.get


def kind_of(entry: str) -> str:
    """What a trainer does, by its name."""
    return next((kind for kind, pattern in KINDS.items() if re.search(pattern, entry)), "rl")


def nearest_recipe(
    columns: dict[str, Any], kind: str, slots: Collection[str] = SLOTS
) -> tuple[str | None, dict[str, tuple[Any, Any]]]:
    """The recipe with most of the shape in common, and every column that is different. The first of equals; None where
    the advantage or the loss is known only when it runs. ``slots``: those that the table has a line about.
    """
    if kind not in SHAPE:
        return kind, {}
    if UNEVALUATED in (columns.get("advantage"), columns.get("loss")):
        return None, {}
    rows = [row for row in ROWS if row.kind == kind and row.task == "chains"]
    best = max(rows, key=lambda row: likeness(row, columns, kind))
    differs = {
        column: (effective(best, column), columns[column])
        for column in (*SHAPE[kind], *NUMBERS[kind])
        if column in columns
        and columns[column] is not UNEVALUATED
        and not alike(columns[column], effective(best, column))
    }
    if columns.get("sums_over_tokens"):  # a norm of other gradients: nothing to compare
        differs.pop("max_grad_norm", None)
    for column, slot in (
        ("advantage", "advantage"),
        ("loss", "ratio" if kind == "rl" else "preference"),
        ("aggregation",) * 2,
    ):
        if column in SHAPE[kind] and column not in columns and slot in slots:
            differs[column] = (effective(best, column), "one without a name here")
    return best.name, differs


def likeness(row: Recipe, columns: dict[str, Any], kind: str) -> tuple[int, int]:
    """The weight of the shape that agrees, then how many numbers do."""
    agrees = [column for column in columns if known_to(row, column) and alike(columns[column], effective(row, column))]
    nearly = [
        column for column in columns if NEARLY.get((column, str(columns[column])), "") == getattr(row, column, None)
    ]
    if "loss" not in columns and getattr(row, "loss", None) == "ppo_clip":  # what is none of ours is a variant of PPO's
        nearly.append("loss")
    shape = sum(SHAPE[kind].get(column, 0) for column in agrees) + sum(SHAPE[kind][column] // 2 for column in nearly)
    return shape, sum(column in NUMBERS[kind] for column in agrees)


def effective(row: Recipe, column: str) -> Any:
    """What a row has in a column; no KL at all where its coefficient is 0."""
    if column in ("kl", "kl_place") and not row.kl_coef:
        return None
    if column == "average_logprobs":
        return row.loss in AVERAGED
    if column == "gamma":
        return 1.0 if row.gamma is None else row.gamma
    return getattr(row, column)


def known_to(row: Recipe, column: str) -> bool:
    return hasattr(row, column) or column == "average_logprobs"


def alike(a: Any, b: Any) -> bool:
    """Equal, or numbers that differ by no more than rounding."""
    if isinstance(a, float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=1e-9)
    return bool(a == b)
