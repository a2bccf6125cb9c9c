"""The command as a process of its own, without its imports: it is forked from a process that has done them.

They are nine tenths of the CPU time of a short run. Where the start of the command is tested, ``start`` of ``small_runs``
makes a fresh interpreter.
"""

import multiprocessing
import os
import runpy
import signal
import sys
import tempfile

# One server for all tests of this process. It imports what a run imports and computes nothing, so it has no second thread
# and no random numbers drawn: what is forked from it goes on as a fresh interpreter would after the same imports.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["reference.runs.launch_trl", "transformers.models.llama.modeling_llama", "tokenizers"])


def run_command(arguments: list[str], held: str, output: str) -> None:
    """In the new process: the command as a shell starts it in the foreground. All that it prints goes into one file."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the test runner does with it
    printed = os.open(output, os.O_WRONLY | os.O_APPEND)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    sys.argv = ["reference", *arguments]
    exec(held, {})
    runpy.run_module("reference", run_name="__main__", alter_sys=True)


class Forked:
    """What the tests use of a ``subprocess.Popen``."""

    def __init__(self, *arguments: str, held: str = "") -> None:
        handle, name = tempfile.mkstemp()
        self.stdout = os.fdopen(handle)
        self.process = FORKS.Process(target=run_command, args=(list(arguments), held, name), daemon=True)
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
        """Waits for the end; what it has printed, on stdout and stderr together."""
        self.process.join(timeout)
        assert self.returncode is not None, "it did not end"
        return self.stdout.read(), None
