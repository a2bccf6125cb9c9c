"""How tests and notebooks run side by side (``-n 2``): one thread each, a file whole in one process, the slow ones first."""

import os

# Here, and so in every process that a test or a notebook starts, before any of them loads torch. Two thread pools that
# wait for each other on a busy machine make the tests ten times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest

MINUTES = 15  # how long a cell's next output may take: a limit for what hangs, not for what a busy machine delays


def is_notebook(nodeid: str) -> bool:
    return nodeid.partition("::")[0].endswith(".ipynb")


def takes_long(item: pytest.Item) -> bool:
    return is_notebook(item.nodeid) or any(item.get_closest_marker(name) for name in ("slow", "browser"))


def unit(nodeid: str) -> str:
    """What goes to one process whole: a file, whose tests share what takes long to make, or the oracles with their table."""
    file = nodeid.partition("::")[0]
    return "tests/oracles" if file.startswith("tests/oracles/") else file


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if is_notebook(item.nodeid):
            item.output_timeout = 60 * MINUTES  # nbval's own is 5 seconds, and has no option
    if hasattr(config, "workerinput"):  # one of several processes: files of seconds last, so that all end together
        items.sort(key=lambda item: not takes_long(item))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    from xdist.scheduler import LoadScopeScheduling

    class ByUnit(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return unit(nodeid)

    config.option.loadscopereorder = False  # in the order of the tests, and not the file with the most tests first
    return ByUnit(config, log)
