"""Collects the claims of the tests of this folder that ran and passed, for test_table.py."""

from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from .claims import Claim, Same, declared

HERE = Path(__file__).parent


@dataclass
class Run:
    """Which tests of this run claim something, what those that passed claim, and whether some were left out."""

    claiming: set[str] = field(default_factory=set)
    held: dict[str, list[Claim]] = field(default_factory=dict)
    partial: bool = False


RUN, SAME = pytest.StashKey[Run](), pytest.StashKey[Same]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-table", action="store_true", help="write the table of tests/oracles/README.md")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "oracle(claim): what a test says about one function and one framework")
    config.stash[RUN] = Run()


@pytest.hookimpl(tryfirst=True)  # before -k and its like deselect
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    run = config.stash[RUN]
    items.sort(key=lambda item: item.path == HERE / "test_table.py")  # last: it needs what the others found
    run.claiming = {item.nodeid for item in items if declared(item)}
    run.partial = not {item.path for item in items} >= set(HERE.glob("test_*.py"))


def pytest_deselected(items: list[pytest.Item]) -> None:
    for item in items:
        item.config.stash[RUN].partial |= item.path.parent == HERE


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    yield  # a failure or a skip leaves from here
    claims = declared(item)
    compared = item.stash[SAME].compared if SAME in item.stash else set()
    if forgotten := [claim for claim in claims if not claim.differs and claim not in compared]:
        pytest.fail(f"claimed, but not compared with the fixture `same`: {forgotten}")
    item.config.stash[RUN].held[item.nodeid] = claims


@pytest.fixture
def same(request: pytest.FixtureRequest) -> Same:
    """Compares with the tolerance that the test's claims name."""
    request.node.stash[SAME] = Same(declared(request.node))
    return request.node.stash[SAME]


@pytest.fixture
def oracle_run(request: pytest.FixtureRequest) -> Run:
    return request.config.stash[RUN]
