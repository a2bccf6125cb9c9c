"""Ctrl-C, SIGTERM, a terminal that is closed, and readers that go away."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import termios
import time
from contextlib import suppress
from pathlib import Path

import pytest
from small_runs import AFTER_LOGGING_STEP, COMMAND, PATIENCE, THE_COMMAND, TINY, assert_same_run, fork, start, wait_for

from reference.__main__ import main
from reference.interrupt import defer_signals, exit_code, interruptible, note, received_signals, route_signals, stop
from reference.runs.checkpoints import checkpoints
from reference.runs.folder import read_metrics

pytestmark = pytest.mark.slow

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.fixture(autouse=True)
def forgotten():
    received_signals.clear()
    yield
    received_signals.clear()


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_a_signal_ends_a_run_after_its_step_and_it_goes_on_bit_for_bit(finished, tmp_path, number):
    run = tmp_path / "run"
    held = AFTER_LOGGING_STEP.format(step=1)
    process = fork("train", "grpo", "--steps", "4", *TINY, "--save-every", "4", "--out", str(run), held=held)
    wait_for(lambda: (run / "metrics.jsonl").exists() and read_metrics(run), process)
    process.send_signal(number)
    output = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == CODES[number] and "go on with: python -m reference train grpo --resume" in output
    done = len(read_metrics(run))
    assert [path.name for path in checkpoints(run)] == [f"step-{done:06d}"]  # save-every would have saved none
    assert main(["train", "grpo", "--resume", str(run)]) == 0
    assert_same_run(run, finished)


def test_a_terminal_that_is_closed_ends_a_run_after_its_step(tmp_path):
    run, (ours, theirs) = tmp_path / "run", os.openpty()
    held = AFTER_LOGGING_STEP.format(step=1)
    options = ["train", "grpo", "--steps", "4", *TINY, "--save-every", "4", "--out", str(run)]
    process = subprocess.Popen(
        [sys.executable, "-c", held + THE_COMMAND, *options], stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(theirs)
    os.set_blocking(ours, False)

    def read_on() -> object:  # what a terminal does: a full one would hold the run
        with suppress(BlockingIOError):
            os.read(ours, 100_000)
        return (run / "metrics.jsonl").exists() and read_metrics(run)

    wait_for(read_on, process)
    os.close(ours)  # the kernel sends the signal, and from now on every write to the terminal fails
    assert process.wait(PATIENCE) == 129
    done = len(read_metrics(run))
    assert done < 4 and [path.name for path in checkpoints(run)] == [f"step-{done:06d}"]


def test_a_hangup_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup leaves it
    try:
        with route_signals(stop):
            os.kill(os.getpid(), signal.SIGHUP)
            assert not received_signals
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def catches(process: int, *signals: int) -> bool:
    """Whether the process has handlers for these signals, as the kernel sees it."""
    status = Path(f"/proc/{process}/status").read_text()
    mask = int(status.split("SigCgt:\t")[1].split()[0], base=16)
    return all(mask >> (number - 1) & 1 for number in signals)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
@pytest.mark.parametrize("after", [0.0, 0.3, 1.0])
def test_the_first_second_is_not_lost_and_leaves_no_traceback(tmp_path, number, after):
    # started as a shell starts what it puts into the background: with SIGINT ignored
    process = start(
        "train", "grpo", "--steps", "1000", *TINY, "--out", str(tmp_path / "run"),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )  # fmt: skip
    time.sleep(after)
    wait_for(lambda: catches(process.pid, *CODES), process)  # the interpreter needs a moment before any line of ours
    process.send_signal(number)
    output = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == CODES[number]
    assert "Traceback" not in output and "interrupted" in output


def test_a_signal_during_an_import_waits_for_its_end():
    seen = []
    with pytest.raises(KeyboardInterrupt), defer_signals():
        os.kill(os.getpid(), signal.SIGTERM)
        seen.append("the import was finished")
    assert seen == ["the import was finished"] and exit_code() == 143


def test_a_loop_asks_and_the_second_signal_does_not_wait():
    said = []
    with pytest.raises(KeyboardInterrupt), interruptible(said.append) as asked:
        assert not asked()
        os.kill(os.getpid(), signal.SIGINT)
        assert asked() and "finishing this step" in said[0]
        os.kill(os.getpid(), signal.SIGTERM)
        pytest.fail("it went on")
    assert exit_code() == 130  # the first one counts


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_elsewhere_a_signal_stops_at_once_and_the_handlers_are_put_back(number):
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), route_signals(stop):
        os.kill(os.getpid(), number)
        pytest.fail("it went on")
    assert signal.getsignal(number) is before and exit_code() == CODES[number]
    with route_signals(note):
        os.kill(os.getpid(), number) if not received_signals else None


def test_a_run_that_was_asked_to_stop_in_its_last_step_is_measured_later(mine, monkeypatch, capsys):
    from reference.runs import session

    shutil.rmtree(mine / "checkpoints" / "step-000004")
    (mine / "accuracy.json").unlink()
    whole = session.append_metrics

    def and_signal(run, row):
        whole(run, row)
        if row["step"] == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(session, "append_metrics", and_signal)
    assert main(["train", "grpo", "--resume", str(mine)]) == 143
    assert "stopped  after step 4; go on with" in capsys.readouterr().out
    assert main(["train", "grpo", "--resume", str(mine)]) == 0
    assert "after " in capsys.readouterr().out


@pytest.mark.parametrize(
    "command", [["recipes"], ["--help"], ["train", "grpo", "--help"], ["formulas"], ["record"], ["formulas", "gae"]]
)
def test_a_reader_that_goes_away_ends_the_command_quietly(command):
    reading, writing = os.pipe()
    os.close(reading)  # as head does, only sooner: nothing depends on how much fits into the pipe
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}  # where it is set, argparse hides that its help went nowhere
    done = subprocess.run([*COMMAND, *command], env=environment, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert done.returncode == 141 and done.stderr == ""


@pytest.mark.parametrize("command", [["recipes"], ["formulas", "gae"]])  # argparse prints its help as an error then
def test_an_output_that_the_shell_has_closed(command):
    quoted = " ".join(command)
    done = subprocess.run(f"{sys.executable} -m reference {quoted} >&-", shell=True, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", ["recipes", "--help", "formulas gae"])
def test_an_output_that_takes_nothing_more(command):
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    line = f"{sys.executable} -m reference {command} >/dev/full"
    done = subprocess.run(line, shell=True, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    [output] = done.stderr.splitlines()
    assert output == "reference: [Errno 28] No space left on device: what was to be printed is lost"


def test_letters_that_the_terminal_lacks_are_no_failure():
    code = "from reference.__main__ import shell; import reference.__main__ as m; m.main = lambda: print('β ≤ 1') or 0; shell()"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("? ? 1\n", "")
