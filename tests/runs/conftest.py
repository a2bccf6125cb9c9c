"""One finished run for all tests of run folders, and copies of it to damage. Pictures are drawn, but not painted."""

import shutil
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from small_runs import TINY

from reference.__main__ import main
from reference.runs import session
from reference.runs.curves import figure_curves


def unpainted(metrics: list[dict[str, float]], panels: dict[str, str], *, title: str) -> Figure:
    figure = figure_curves(metrics, panels, title=title)
    figure.savefig = lambda file, **_: Path(file).touch()
    return figure


@pytest.fixture(autouse=True)
def without_paint(monkeypatch) -> None:
    """To paint the pixels of its curves is half the time of a run of one step. ``finished``, the ``whole`` run of
    test_runs.py and all processes do paint, and test_curves.py paints numbers at the ends of what a run can log."""
    monkeypatch.setattr(session, "figure_curves", unpainted)


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """Four steps of GRPO; the checkpoints are of steps 2 and 4."""
    run = tmp_path_factory.mktemp("finished") / "run"
    assert main(["train", "grpo", "--out", str(run), "--steps", "4", "--save-every", "2", *TINY]) == 0
    return run


@pytest.fixture
def mine(finished, tmp_path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(finished, tmp_path / "mine"))
