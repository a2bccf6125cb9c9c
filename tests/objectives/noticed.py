"""A plugin for pytest that changes one objective at a time, and looks whether a test of the given files then fails.

``run(OUT.json, FILES)`` is pytest with this plugin, for a process of its own. It first runs every test as it is, to see
which objectives it calls. Then it runs, for every objective and every change of its results, the tests that call it until
one fails. OUT.json: {objective: {change: the test that failed, or ""}}. What is demanded of it stands in test_noticed.py.
"""

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import generated
import pytest
import torch
from _pytest.runner import runtestprotocol
from hypothesis import HealthCheck, Phase, settings

from reference import objectives

PUBLIC = sorted(set(objectives.__all__) - {"InputError"})
PACKAGE = str(Path(objectives.__file__).parent)
FACTOR = 1.01  # a hundredth is more than every tolerance but that of the half precisions
FEW = settings(
    deadline=None, max_examples=10, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
)  # fmt: skip

# ---- the changes ---------------------------------------------------------------------------------------------------------


def larger(result):
    """A hundredth more, in the value and so in the gradient."""
    return result * FACTOR


def steeper(result):
    """The right value, and a hundredth more gradient."""
    result = result.clone()
    result.register_hook(lambda gradient: FACTOR * gradient)
    return result


def first_entry(result):
    """Of a mask, the first entry flipped; of positions, the first one too far."""
    result = result.clone()
    first = result.view(-1)[:1]
    first.copy_(~first if result.dtype == torch.bool else first + 1)
    return result


CHANGES = {"value": larger, "gradient": steeper, "entry": first_entry}


def changes_of(result) -> set[str]:
    """The names of the changes that a result allows."""
    if isinstance(result, torch.Tensor) and not result.is_floating_point():
        return {"entry"}
    return {"value", "gradient"} if getattr(result, "requires_grad", False) else {"value"}


def change(name: str, result):
    return CHANGES[name](result) if name in changes_of(result) else result


# ---- the replacement -----------------------------------------------------------------------------------------------------


def called_by_a_test() -> bool:
    """Whether the call came from outside of the objectives: one may call another, and that one is right."""
    frame = sys._getframe(2)
    while frame.f_code.co_name == "wrapper":  # what ``typed`` puts around the function
        frame = frame.f_back
    return not frame.f_code.co_filename.startswith(PACKAGE)


def replace(name: str, after: Callable) -> Callable[[], None]:
    """Let an objective give tests ``after(result)``. What is returned puts it back.

    It is replaced inside what ``typed`` made of it, so that a test sees the change whatever way it came by the function.
    """
    function = getattr(objectives, name)
    cell = function.__closure__[function.__code__.co_freevars.index("checked")]
    right = cell.cell_contents

    def replacement(*args, **kwargs):
        result = right(*args, **kwargs)
        return after(result) if called_by_a_test() else result

    cell.cell_contents = replacement
    return lambda: setattr(cell, "cell_contents", right)


# ---- the runs ------------------------------------------------------------------------------------------------------------

# nobody reads why a test failed, only that it did
QUICKLY = ["-q", "-p", "no:nbval", "-p", "no:cacheprovider", "--tb=no"]


def run(out: Path, files: list[Path]) -> None:
    """In a forked process: it ends with pytest's exit code."""
    os.chdir(Path(__file__).parents[2])
    sys.exit(int(pytest.main([*QUICKLY, "-p", "noticed", "--noticed", str(out), *map(str, files)])))


def fails(item: pytest.Item) -> bool:
    return any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))


def allowed(item: pytest.Item) -> dict[str, set[str]]:
    """The objectives that a test calls, and the changes that their results allow."""
    found: dict[str, set[str]] = {}

    def watch(name, result):
        found[name] = found.get(name, set()) | changes_of(result)
        return result

    undo = [replace(name, partial(watch, name)) for name in PUBLIC]
    failed = fails(item)
    for back in undo:
        back()
    if failed:
        raise pytest.UsageError(f"{item.nodeid} fails before anything was changed")
    return found


def who_notices(name: str, changed: str, tests: list[pytest.Item]) -> str:
    """The first test that fails, or ""."""
    undo = replace(name, partial(change, changed))
    failed = next((item.nodeid for item in tests if fails(item)), "")
    undo()
    return failed


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--noticed", required=True, help="the file to write")


def pytest_configure() -> None:
    generated.generated = generated.often = FEW  # before a test file imports them


def pytest_runtestloop(session: pytest.Session) -> bool:
    calls = {item: allowed(item) for item in session.items}
    found: dict[str, dict[str, str]] = {name: {} for name in PUBLIC}
    for name in PUBLIC:
        for changed in CHANGES:
            tests = [item for item in calls if changed in calls[item].get(name, ())]
            if tests:
                found[name][changed] = who_notices(name, changed, tests)
    Path(session.config.getoption("--noticed")).write_text(json.dumps(found, indent=1))
    return True
