"""The inputs that the exercises are tried on, and the form in which results are compared."""

from collections.abc import Callable
from typing import Any

import torch

from reference.lessons.codebases.divisors import MODES
from reference.lessons.codebases.mistakes import recipe_of_config as mistakes
from reference.lessons.codebases.mistakes import recipe_of_config_more as more_mistakes
from reference.lessons.codebases.recipes_of import COLUMNS, CONFIGS, recipe_of_config
from reference.teaching.bug import bugs_of
from reference.teaching.exercise import Case

# --- recipe_of_config ---


def recipe_of_config_cases(seed: int) -> list[Case]:
    """Each config once: there are no numbers to draw."""
    return [Case({}, {"name": name}, through=column_by_column) for name in CONFIGS]


def column_by_column(function: Callable[..., Any], *, name: str) -> Any:
    """What it returns, as [column, value] in one order; None for a config that it does not know yet.

    Where no KL is charged, the other two columns of the KL say nothing.
    """
    try:
        result = function(name)
    except KeyError as error:
        if error.args == (name,):
            return None
        raise
    if not isinstance(result, dict):
        return None if result is None else f"a {type(result).__name__}, where a dict is wanted"
    found = {column: result.get(column, "missing") for column in COLUMNS}
    if found["kl_place"] is None:
        found |= {"kl": None, "kl_coef": None}
    return [[column, value] for column, value in found.items()]


def which_are_wrong(case: Case, value: Any) -> str:
    """The columns that are not those of the config, each with a known reason. What is right is not told."""
    if isinstance(value, str):
        return value
    name = str(case.options["name"])
    right = recipe_of_config(name)
    wrong = {column: answer for column, answer in value if answer != right[column]}
    if not wrong:
        return "eight columns, which `explain` prints after you have answered"
    reasons: dict[str, list[str]] = {}
    for column, answer in wrong.items():
        reasons.setdefault(reason_for(name, column, answer), []).append(f"{column} = {answer!r}")
    return "".join(f"\n      {', '.join(columns)}: {reason}" for reason, columns in reasons.items())


def reason_for(name: str, column: str, answer: Any) -> str:
    """The mistake of the catalogue that gives this answer."""
    for bug in [*bugs_of(mistakes), *bugs_of(more_mistakes)]:
        if any(version(name)[column] == answer for version in bug.versions):
            return bug.mistake
    return "not what the config amounts to"


# --- settle_options ---


def settle_options_cases(seed: int) -> list[Case]:
    """From an empty config to one that says much: a name twice, 0, False and None as values, a name that is not there."""
    n, other, beta = torch.randint(2, 99, (3,), generator=torch.Generator().manual_seed(seed)).tolist()
    small: dict[str, Any] = {"n": 1, "beta": 0.04}
    large = small | {"use_kl": True, "epsilon_high": 0.28, "kind": "k3"}
    many = [("kind", "k1"), ("n", n), ("use_kl", False), ("epsilon_high", None), ("kind", "k2"), ("n", other + 100)]
    given: list[tuple[list[tuple[str, Any]], dict[str, Any]]] = [
        ([], small),
        ([("n", n)], small),
        ([("n", n), ("beta", beta), ("n", other + 100)], small),
        ([("beta", 0.0)], small),
        ([("use_kl", False), ("n", n)], large),
        ([("epsilon_high", None)], large),
        (many, large),
        ([("n", n), ("betta", 0.1)], small),
    ]
    return [Case({"given": pairs, "defaults": defaults}, {}, through=settled) for pairs, defaults in given]


def settled(function: Callable[..., Any], given: list[tuple[str, Any]], defaults: dict[str, Any]) -> Any:
    """What it returns, as "name = value" in the order of names; or that it refuses, or changes its inputs."""
    copy = dict(defaults)
    try:
        result = function(list(given), copy)
    except (ValueError, KeyError):
        if all(name in defaults for name, _ in given):
            raise
        return "refuses the name"
    if copy != defaults:
        return "changes the table of defaults, which the next config reads"
    if not isinstance(result, dict):
        return None if result is None else f"a {type(result).__name__}, where a dict is wanted"
    return [f"{name} = {result[name]!r}" for name in sorted(result, key=str)]


# --- divisor ---


def divisor_cases(seed: int) -> list[Case]:
    """Every mode on two completions, on two micro-batches of one, and on three of two with drawn lengths."""
    g = torch.Generator().manual_seed(seed)
    drawn = (2 + torch.randperm(40, generator=g)[:6]).view(3, 2).tolist()
    batches = (([[2, 8]], 0, 0, 8, 10), ([[3], [7]], 0, 0, 9, 12), ([[3], [7]], 1, 0, 9, 12), (drawn, 1, 1, 45, 64))
    return [
        Case({"lengths": lengths}, {"mode": mode, "micro": micro, "row": row, "width": width, "budget": budget})
        for lengths, micro, row, width, budget in batches
        for mode in MODES
    ]
