"""The columns of the recipe table as options: ``train RECIPE`` and ``export RECIPE`` have the same."""

import argparse
from collections.abc import Callable
from typing import Any, get_args

from reference.algorithms.recipes import Kind, Recipe, options_of
from reference.cli.options import OneOrSeveral
from reference.cli.values import finite, one_of, one_of_or_folder, optional, positive, source

POSITIVE = {"steps", "minibatches", "inner_epochs", "max_rounds", "prompts_per_step", "group_size", "max_new_tokens",
        "micro_batch_size", "lr", "critic_lr", "max_grad_norm", "temperature", "top_k", "top_p", "beta", "pool"}  # fmt: skip
ALWAYS = ("advantage", "aggregation")  # none in recipes of other kinds, never in those that have the option


def add_recipe_options(parser: argparse.ArgumentParser, recipe: Recipe) -> None:
    """Every column that a recipe of this kind has, with the recipe's own entry as default."""
    add = parser.add_argument_group("the recipe").add_argument
    for column in options_of(recipe.kind):
        add_option(add, column, recipe.kind, getattr(recipe, column.name))


def add_option(add: Callable, column: Any, kind: Kind, default: Any) -> None:
    """One column of the recipe table as an option of a recipe of this kind."""
    flag, words = "--" + column.name.replace("_", "-"), words_of(column, kind)
    if column.type is bool:
        add(flag, action=argparse.BooleanOptionalAction, default=default, help=words)
        return
    kinds = set(get_args(column.type)) or {column.type}
    none = type(None) in kinds and column.name not in ALWAYS
    number = float if float in kinds else int if int in kinds else None
    if number is not None:
        metavar = number.__name__.upper() + ("|none" if none else "")
        parse = positive(number) if column.name in POSITIVE else finite(number)
    elif column.name == "teacher":  # a model, as --model
        metavar, parse = "NAME_OR_PATH|none", source
    else:
        choices = choices_of(column, kind) + (("none",) if none else ())
        metavar, parse = "{" + ",".join(choices) + "}", one_of(choices)
        if folder := column.metadata["folder"]:
            add(flag, action=OneOrSeveral, nargs="+", type=one_of_or_folder(choices, folder), default=default,
                metavar=f"{metavar}|FOLDER", help=words)  # fmt: skip
            return
        if len(metavar) > 72:  # argparse would not break it
            metavar, words = "NAME", f"{words}: one of {', '.join(choices)}"
    add(flag, type=optional(parse) if none else parse, default=default, metavar=metavar, help=words)


def words_of(column: Any, kind: Kind) -> str:
    """What a column of the table means, for a recipe of this kind."""
    words = column.metadata["help"]
    return words[kind] if isinstance(words, dict) else words


def choices_of(column: Any, kind: Kind) -> tuple[str, ...]:
    """The names that may stand in a slot of the table, for a recipe of this kind."""
    choices = column.metadata["choices"]
    return choices.get(kind, ()) if isinstance(choices, dict) else choices
