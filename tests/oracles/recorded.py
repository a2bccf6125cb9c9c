"""Reading what a framework recorded: for the tests that it equals ours, and for those that say how it differs."""

import importlib
from pathlib import Path

import pytest
from torch import Tensor

from .cases import Case
from .claims import Same
from .frameworks import RECORDED
from .records import load

FIXTURES = {name: load(name) for name in RECORDED}
DIFFERENT: set[tuple[str, str]] = set()  # the records of tests that say how they differ


def record_of(framework: str, record: str) -> tuple[Case, dict[str, Tensor]]:
    """The inputs of a record and what the framework answered."""
    fixture = FIXTURES[framework]
    return fixture["inputs"][record.partition(" | ")[2]], fixture["records"][record]


def same_record(same: Same, mine: dict, theirs: dict) -> None:
    same(mine["value"], theirs["value"])
    assert (mine["gradient"] is None) == (theirs["gradient"] is None)  # counts, metrics and advantages have none
    if theirs["gradient"] is not None:
        same.gradient(mine["gradient"], theirs["gradient"].to(theirs["value"].dtype))


def different_in(framework: str, *records: str) -> pytest.MarkDecorator:
    """Records of one framework as the parameters of a test that says how they differ."""
    return different_in_several([(framework, record) for record in records])


def different_in_several(records: list[tuple[str, str]]) -> pytest.MarkDecorator:
    DIFFERENT.update(records)
    return pytest.mark.parametrize(("framework", "record"), records)


def all_different(framework: str) -> set[str]:
    """The records of a framework that some test is about, in whatever file it stands."""
    for path in Path(__file__).parent.glob("test_different*.py"):
        importlib.import_module(f".{path.stem}", __package__)
    return {record for name, record in DIFFERENT if name == framework}
