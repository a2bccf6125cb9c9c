"""Processes that keep a machine busy, and that nothing leaves behind."""

import os
import signal
import subprocess
import sys
import time

import pytest

from reference.runs.busy import busy_processes

pytestmark = pytest.mark.slow

HOLDER = "import time; from reference.runs.busy import busy_processes\nwith busy_processes(2) as pids: print(*pids, flush=True); time.sleep(600)"


def state(pid: int) -> str:
    """As ps tells it; nothing or Z where the process has ended."""
    return subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()


def has_ended(pid: int) -> bool:
    return state(pid)[:1] in ("", "Z")


def seconds_used(pid: int) -> float:
    """CPU time of the process: [[days-]hours:]minutes:seconds."""
    told = subprocess.run(["ps", "-o", "time=", "-p", str(pid)], capture_output=True, text=True, check=True).stdout
    parts = [float(part) for part in told.strip().replace("-", ":").split(":")]
    return sum(part * unit for part, unit in zip(reversed(parts), (1, 60, 3600, 86400), strict=False))


def test_they_compute_while_the_block_runs_and_are_gone_after_it():
    with busy_processes(2) as pids:
        assert len(set(pids)) == 2 and not any(map(has_ended, pids))
        deadline = time.time() + 900
        while min(map(seconds_used, pids)) < 1:  # one that sleeps would never get there
            assert time.time() < deadline
            time.sleep(0.1)
    assert all(map(has_ended, pids))


def test_an_error_ends_them():
    with pytest.raises(ValueError, match="broken"), busy_processes(1) as pids:
        raise ValueError("broken")
    assert all(map(has_ended, pids))


def test_they_end_when_their_parent_is_killed():
    parent = subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True)
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2 and not any(map(has_ended, pids))
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    deadline = time.time() + 900
    while not all(map(has_ended, pids)):
        assert time.time() < deadline
        time.sleep(0.05)


def test_none_are_none():
    with busy_processes(0) as pids:
        assert pids == []
