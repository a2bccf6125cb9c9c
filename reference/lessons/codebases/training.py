"""From the options of a config to a recipe of this course that can be trained here."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reference.algorithms.recipes import RECIPES, Recipe
from reference.configs.option import Option
from reference.configs.read_config import read_config
from reference.frameworks.defaults import framework_named
from reference.frameworks.settings import plain_name
from reference.lessons.codebases.recipes_of import config_path, explained
from reference.lessons.codebases.silent import columns_of


def given_and_defaults(name: str) -> tuple[list[tuple[str, Any]], dict[str, Any]]:
    """What a config gives for the options of the table, from its first line to its last, and the defaults of all of them."""
    framework = framework_named(explained(name).framework.name)
    cells = [cell for cell in framework.cells if cell.option and cell.entry in (explained(name).entry, "")]
    defaults = {plain_name(str(cell.option)): cell.default for cell in cells}
    options = read_config(config_path(name)).options
    return [(key, option.value) for key, option in options.items() if key in defaults], defaults


def columns_with(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The eight columns of a config whose options have these values."""
    config = read_config(config_path(name))
    settled = {key: Option(value, str(value), 0, "") for key, value in options.items()}
    return columns_of(replace(config, options={**config.options, **settled}))


def recipe_with(name: str, options: Mapping[str, Any]) -> Recipe:
    """Our grpo with the advantage, the KL, the clip and the aggregation of a config whose options have these values."""
    own = RECIPES["grpo"]
    columns = columns_with(name, options)
    return replace(own, **{column: value for column, value in columns.items() if value != getattr(own, column)})
