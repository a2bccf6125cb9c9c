"""Runs of seconds, for the tests of the command line."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reference.__main__ import main
from reference.runs.checkpoints import checkpoints
from reference.runs.folder import read_metrics

TINY = [  # most completions end within the budget, so there are rewards, and gradients
    "--prompts-per-step", "2", "--group-size", "4", "--max-new-tokens", "64", "--eval-problems", "4",
    "--eval-samples", "2", "--device", "cpu",
]  # fmt: skip
COMMAND = [sys.executable, "-m", "reference"]


def refusal(capsys: pytest.CaptureFixture, *arguments: str) -> str:
    """What a refused command says: one sentence, exit code 2."""
    try:
        code = main(list(arguments))
    except SystemExit as end:  # argparse
        code = end.code
    lines = capsys.readouterr().err.strip().splitlines()
    assert code == 2, lines
    assert lines[-1].startswith(("reference: ", "python -m reference")), lines
    assert not any("Traceback" in line for line in lines)
    return lines[-1]


def start(*arguments: str, **options: object) -> subprocess.Popen:
    """The command as a process of its own; what it prints is in its ``stdout``."""
    return subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )


def wait_for(there: Callable[[], object], process: subprocess.Popen) -> None:
    """Until something is so; fails where the process ends before."""
    deadline = time.time() + 240
    while not there():
        assert process.poll() is None, process.stdout.read()
        assert time.time() < deadline
        time.sleep(0.01)


def timeless(run: Path) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in read_metrics(run)]


def weights(run: Path) -> bytes:
    return (checkpoints(run)[-1] / "model.safetensors").read_bytes()
