"""What a config sets and what it leaves silent: each cell of the table of defaults with its value and its place."""

import difflib
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from reference.configs.option import UNEVALUATED, ConfigRead, Option
from reference.frameworks.aliases import older_name
from reference.frameworks.defaults import Cell, Framework, recorded, spelled
from reference.frameworks.rules.values import as_number, is_number

FREE = re.compile("override|kwargs|extra")


@dataclass(frozen=True)
class Setting:
    """One cell with the value that counts. ``option``: where the config says it, None where it is silent."""

    cell: Cell
    value: Any
    option: Option | None

    @property
    def known(self) -> bool:
        return self.value is not UNEVALUATED

    @property
    def words(self) -> str:
        if not self.known:
            return f"not known before it runs: {self.option.text if self.option else '?'}"
        if self.strange:
            return self.strange
        return self.cell.words(self.value) or ""

    @property
    def strange(self) -> str:
        """What is odd about a value: no number where one belongs, or none of those that are known."""
        if self.option is None or not self.known:
            return ""
        value, default = self.value, self.cell.default
        if (
            is_number(default)
            and value is not None
            and not is_number(value)
            and not is_number(as_number(value))
            and not self.cell.values
        ):
            return f"{spelled(value)} is no number, and {spelled(default)} is the default"
        if self.cell.words(value) is not None:
            return ""
        known = [spelled(one.value) for one in self.cell.values]
        near = difflib.get_close_matches(spelled(value), known, 1)
        return f"{spelled(value)} is a value that is not explained here" + (
            f"; did you mean {near[0]}?" if near else ""
        )

    @property
    def columns(self) -> dict[str, Any]:
        if not self.cell.acts:
            return {}
        if self.known:
            return {} if self.strange else self.cell.columns(self.value)
        decided = {column for known in self.cell.values for column in known.columns} | ({self.cell.column} - {""})
        return dict.fromkeys(decided, UNEVALUATED)


def plain_name(option: str) -> str:
    """As a config's reader has it: without the dashes of a command line."""
    return option.lstrip("-")


def renamed(config: ConfigRead, own: Collection[str] = ()) -> tuple[dict[str, Option], list[str]]:
    """The options under the names of the recorded version, and a note on those that had an older one.

    ``own``: options of the trainer, which mean themselves: an older name of one program can be the name of another's.
    """
    framework, older = key_of(config.framework), []
    names = {plain_name(option) for one in recorded() if one.name == framework for option in one.names}
    found: dict[str, Option] = {}
    for name, option in config.options.items():
        plain = name.lstrip("+")  # Hydra's word for a key that is added
        new = plain if plain in own else older_name(framework, plain, names)
        if new != plain:
            older.append(f"{name} ({new})")
        if new not in found or new == name:
            found[new] = option
    return found, [f"older names, read as the new ones: {', '.join(older)}"] if older else []


def key_of(framework: str) -> str:
    """nemo-rl is nemo_rl in the names of files."""
    return {"llama-factory": "llamafactory"}.get(framework, framework.replace("-", "_"))


def settings_of(framework: Framework, entry: str, options: dict[str, Option]) -> list[Setting]:
    """Every cell of a trainer, in the order of the table: without blocks of which parts are set, and parts of absent blocks."""
    cells = [cell for cell in framework.cells if cell.entry in (entry, "")]
    blocks = {plain_name(cell.option) for cell in cells if cell.option and cell.default is None}
    opened = {block for block in blocks if any(is_part(name, block) for name in options)}
    absent = {block for block in blocks - opened if block not in options}
    found = []
    for cell in cells:
        name = plain_name(cell.option or "")
        option = options.get(name)
        if option or (name not in opened and not any(is_part(name, block) for block in absent)):
            found.append(Setting(cell, option.value if option else cell.default, option))
    return found


def is_part(name: str, block: str) -> bool:
    return name.startswith(f"{block}.")


def own_options(framework: Framework, entry: str) -> set[str]:
    """The names of a trainer's options in the table."""
    return {plain_name(cell.option) for cell in framework.cells if cell.option and cell.entry in (entry, "")}


def not_understood(framework: Framework, entry: str, options: dict[str, Option]) -> tuple[dict[str, str], list[str]]:
    """Options that do not exist in this version, with the nearest name; and those that do and say nothing here."""
    mine = own_options(framework, entry)
    names = {plain_name(name) for name in framework.names}
    strange, unrelated = {}, []
    for name in options:
        if name in mine:
            continue
        if plain_name(name).lstrip("+~") in names or is_free(name.lstrip("+~"), names):
            unrelated.append(name)
        else:
            near = difflib.get_close_matches(name, names, 1, 0.85)
            strange[name] = near[0] if near else ""
    return strange, unrelated


def is_free(name: str, names: set[str]) -> bool:
    """Inside a part that takes any key, such as arguments that are handed on to another program."""
    parents = name.split(".")[:-1]
    free = [".".join(parents[: end + 1]) for end, part in enumerate(parents) if FREE.search(part)]
    return any(parent in names for parent in free)
