"""Which cells of the table a config is told about, where a block of options may be absent."""

from reference.configs.option import Option
from reference.frameworks.defaults import Cell, Framework
from reference.frameworks.settings import settings_of

NAMES = {"norm": None, "norm.eps": 1e-5, "norm.level": "batch", "normal": 3, "clip": 0.2}
CELLS = tuple(Cell("clip", "", name, default, "a.py:1", "{value}") for name, default in NAMES.items())
FRAMEWORK = Framework("f", "F", "1", cells=CELLS, names=frozenset(NAMES))


def told(*options: str) -> dict[str, object]:
    given = {name: Option(7, "7", 1, "config") for name in options}
    return {setting.cell.option: setting.value for setting in settings_of(FRAMEWORK, "", given)}


def test_the_parts_of_an_absent_block_are_not_told():
    assert told() == {"norm": None, "normal": 3, "clip": 0.2}


def test_a_block_with_a_part_that_is_set_is_not_absent():
    assert told("norm.eps") == {"norm.eps": 7, "norm.level": "batch", "normal": 3, "clip": 0.2}


def test_a_block_that_is_set_itself_is_told_with_its_parts():
    assert told("norm") == {"norm": 7, "norm.eps": 1e-5, "norm.level": "batch", "normal": 3, "clip": 0.2}
