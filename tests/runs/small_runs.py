"""Runs of seconds, for the tests of the command line."""

import json
import runpy
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from forked import Forked

from reference.__main__ import main, parser
from reference.runs.checkpoints import checkpoints
from reference.runs.folder import read_metrics

PATIENCE = 15 * 60  # seconds: a limit for what hangs, not for what a busy machine delays
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


# Put before the command, these stop it at one point until it is killed or sent a signal: a test that looks for the point
# from outside misses it on a busy machine.
AFTER_LOGGING_STEP = """
import time
from reference.interrupt import received_signals
from reference.runs import session

append = session.append_metrics

def append_and_wait(run, row):
    append(run, row)
    while row["step"] == {step} and not received_signals:
        time.sleep(0.01)

session.append_metrics = append_and_wait
"""
WHILE_SAVING_STEP = """
import time
from reference.runs import checkpoints

checksum = checkpoints.checksum

def wait_instead(file):
    while "/.step-{step:06d}" in str(file):
        time.sleep(0.01)
    return checksum(file)

checkpoints.checksum = wait_instead
"""
THE_COMMAND = "import runpy; runpy.run_module('reference', run_name='__main__', alter_sys=True)"


def run_command(held: str, *arguments: str) -> None:
    """In a forked process: the command as a shell would start it."""
    sys.argv = ["reference", *arguments]
    exec(held, {})
    runpy.run_module("reference", run_name="__main__", alter_sys=True)


def fork(*arguments: str, held: str = "") -> Forked:
    """The command as a process of its own that has no imports to do, perhaps held at a point."""
    return Forked(run_command, held, *arguments)


def start(*arguments: str, held: str = "", **options: object) -> subprocess.Popen:
    """The command in a fresh interpreter, perhaps held at a point; what it prints is in its ``stdout``."""
    command = [sys.executable, "-c", held + THE_COMMAND] if held else COMMAND
    return subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )


def wait_for(there: Callable[[], object], process: subprocess.Popen | Forked) -> None:
    """Until something is so; fails where the process ends before."""
    deadline = time.time() + PATIENCE
    while True:
        ended = process.poll() is not None  # before the question, or what came in between would be missed
        if there():
            return
        assert not ended, process.stdout.read()
        assert time.time() < deadline, "it never came"
        time.sleep(0.01)


def write_config(run: Path, *command: str, **changes: object) -> None:
    """The config.json of a run of this command."""
    options = vars(parser().parse_args(list(command))) | changes
    kept = {key: value for key, value in options.items() if key not in ("command", "out", "resume")}
    (run / "config.json").write_text(json.dumps(kept))


def metrics_without_seconds(run: Path) -> list[dict[str, float]]:
    """What the log says of each step; no two runs have the same seconds."""
    return [{k: v for k, v in row.items() if k != "seconds"} for row in read_metrics(run)]


def last_weights(run: Path) -> bytes:
    return (checkpoints(run)[-1] / "model.safetensors").read_bytes()


def assert_same_run(one: Path, other: Path) -> None:
    """The same log but for the seconds, and the same last weights, bit for bit."""
    assert metrics_without_seconds(one) == metrics_without_seconds(other)
    assert last_weights(one) == last_weights(other)
