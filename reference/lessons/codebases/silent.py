"""Which answers a config leaves to the framework's defaults, and which of its options change no answer.

Both are found by trying: one option after the other gets another value, and the eight columns are read again.
"""

from dataclasses import replace
from typing import Any

from reference.configs.option import ConfigRead, Option
from reference.configs.read_config import read_config
from reference.frameworks.defaults import same, spelled
from reference.frameworks.explain import explain
from reference.frameworks.settings import Setting, plain_name
from reference.lessons.codebases.recipes_of import COLUMNS, config_path, explained

SLOTS = ("advantage", "kl", "clip", "ratio", "aggregation")  # those that the eight columns answer


def columns_of(config: ConfigRead) -> dict[str, Any]:
    """The eight columns of any config."""
    columns = explain(config).columns
    return {column: columns.get(column) for column in COLUMNS}


def with_option(config: ConfigRead, name: str, value: Any) -> ConfigRead:
    """The config with one option more, or with another value for one that it has."""
    return replace(config, options={**config.options, name: Option(value, str(value), 0, "")})


def other_values(setting: Setting) -> list[Any]:
    """Values that the option could have as well: those that are known, or another number."""
    if setting.cell.values:
        return [known.value for known in setting.cell.values if not same(known.value, setting.value)] or [7.0]
    if isinstance(setting.value, bool):
        return [not setting.value]
    return [setting.value + 1 if isinstance(setting.value, int | float) else 7.0]


def changed_by(name: str, setting: Setting) -> set[str]:
    """The columns that another value of the option would change."""
    config, option = read_config(config_path(name)), plain_name(str(setting.cell.option))
    now = columns_of(config)
    tried = [columns_of(with_option(config, option, value)) for value in other_values(setting)]
    return {column for column in COLUMNS for other in tried if other[column] != now[column]}


def asked(name: str) -> list[Setting]:
    """The options about the advantage, the KL, the clip and the aggregation, each once."""
    settings = [s for s in explained(name).settings if s.cell.option and s.cell.slot in SLOTS]
    return list({s.cell.option: s for s in settings}.values())


def silent_columns(name: str) -> list[str]:
    """The columns that would be other if an option had another value of which the config says nothing."""
    silent = [setting for setting in asked(name) if setting.option is None]
    found = {column for setting in silent for column in changed_by(name, setting)}
    return [column for column in COLUMNS if column in found]


def without_effect(name: str) -> dict[str, str]:
    """The given options that could have any value: none of the eight columns would change.

    A switch of the place of the KL is never one: two places at once are refused, or charge twice.
    """
    return {
        str(setting.cell.option): f"{spelled(setting.value)}, line {setting.option.line}"
        for setting in asked(name)
        if setting.option and not switches_the_place(setting) and not changed_by(name, setting)
    }


def switches_the_place(setting: Setting) -> bool:
    return any("kl_place" in known.columns for known in setting.cell.values)
