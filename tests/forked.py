"""A process of its own without its imports: it is forked from one that has done them.

Importing torch, transformers and the rest is nine tenths of the CPU time of a short run. Where the start of a command is
tested itself, ``start`` of ``runs/small_runs.py`` makes a fresh interpreter.
"""

import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable

# One server for all tests of this process. It imports and computes nothing, so it has no second thread and has drawn no
# random number: what is forked from it goes on as a fresh interpreter would after the same imports.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "reference.runs.launch_trl",
        "reference.lessons.tools",
        "transformers.models.llama",
        "IPython.core.interactiveshell",
    ]
)


def call(function: Callable, arguments: tuple, output: str) -> None:
    """In the new process. All that is printed, on stdout and stderr, goes into one file."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the test runner does with it
    printed = os.open(output, os.O_WRONLY | os.O_APPEND)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    function(*arguments)


class Forked:
    """A call of ``function``. What the tests use of a ``subprocess.Popen``, under the same names."""

    def __init__(self, function: Callable, *arguments: object) -> None:
        handle, self.output = tempfile.mkstemp()
        self.stdout = os.fdopen(handle, encoding="utf-8")
        self.process = FORKS.Process(target=call, args=(function, arguments, self.output), daemon=True)
        self.process.start()
        self.pid = self.process.pid

    @property
    def returncode(self) -> int | None:
        return self.process.exitcode

    def poll(self) -> int | None:
        return self.process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.process.kill()

    def communicate(self, timeout: float) -> tuple[str, None]:
        """Waits for the end, then gives what was printed."""
        self.process.join(timeout)
        assert self.returncode is not None, "it did not end"
        os.unlink(self.output)
        return self.stdout.read(), None
