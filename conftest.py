"""How tests and notebooks run side by side (``-n 2``): one thread each, a file whole in one process, the longest first."""

import os
from pathlib import Path

# Here, and so in every process that a test or a notebook starts, before any of them loads torch. Two thread pools that
# wait for each other on a busy machine make the tests ten times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["REFERENCE_PROGRESS"] = "off"  # what a kernel of a test solves is not what its user has solved
os.environ["PYTHONSTARTUP"] = str(Path(__file__).parent / "tests" / "kernel_startup.py")  # of the kernels

import pytest

MINUTES = 15  # how long a cell's next output may take: a limit for what hangs, not for what a busy machine delays

# The files of most CPU time, about in its order. A long file that begins last leaves the other processes without work, so
# a new one of half a minute gets a line here. A file that is not here is slow or quick by its marks.
LONGEST = (
    "tests/browser/test_lab.py",
    "tests/browser/test_accessible.py",
    "tests/browser/test_website.py",
    "tests/browser/test_keyboard.py",
    "tests/classroom/test_nbgrader.py",
    "tests/algorithms/test_rl.py",
    "tests/runs/test_runs.py",
    "tests/algorithms/test_preference.py",
    "tests/notebooks/test_lessons.py",
    "tests/runs/test_limits.py",
    "tests/engines/test_trl_engine.py",
    "tests/runs/test_signals.py",
    "tests/algorithms/test_peft.py",
    "tests/algorithms/test_fault_training.py",
    "tests/audit/test_faults_found.py",
    "tests/test_wheel.py",
    "tests/runs/test_extend.py",
    "tests/engines/test_trl_model.py",
    "tests/objectives/test_noticed.py",
    "tests/world/test_architectures.py",
)


def is_notebook(nodeid: str) -> bool:
    return nodeid.partition("::")[0].endswith(".ipynb")


def takes_long(item: pytest.Item) -> bool:
    return is_notebook(item.nodeid) or any(item.get_closest_marker(name) for name in ("slow", "browser"))


def turn(item: pytest.Item) -> int:
    """The place of an item's file among those above; then what takes long, then what takes less than a second."""
    file = item.nodeid.partition("::")[0]
    return LONGEST.index(file) if file in LONGEST else len(LONGEST) + (not takes_long(item))


def unit(nodeid: str) -> str:
    """What goes to one process whole: a file, whose tests share what takes long to make, or the oracles with their table."""
    file = nodeid.partition("::")[0]
    return "tests/oracles" if file.startswith("tests/oracles/") else file


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if is_notebook(item.nodeid):
            item.output_timeout = 60 * MINUTES  # nbval's own is 5 seconds, and has no option
            if "text/html" not in item.parent.skip_compare:  # live, a picture has this too; text/plain says the same
                item.parent.skip_compare += ("text/html",)
    if hasattr(config, "workerinput"):  # one of several processes: long files first, so that all end together
        items.sort(key=turn)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    from xdist.scheduler import LoadScopeScheduling

    class ByUnit(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return unit(nodeid)

    config.option.loadscopereorder = False  # in the order of the tests, and not the file with the most tests first
    return ByUnit(config, log)
