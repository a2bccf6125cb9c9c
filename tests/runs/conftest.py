"""One finished run for all tests of run folders, and copies of it to damage."""

import shutil
from pathlib import Path

import pytest
from small_runs import TINY

from reference.__main__ import main


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
