"""A machine that is not idle: processes that spin, for a benchmark that is to hold there too."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Each looks for its parent about every hundredth of a second, and ends without it: nobody is left to end it after kill -9.
LOOP = "import os, sys\nwhile os.getppid() == int(sys.argv[1]):\n    sum(range(1_000_000))"


@contextmanager
def busy_processes(count: int) -> Iterator[list[int]]:
    """So many processes compute without a pause until the block ends, or this process, in whatever way. Their numbers.

    Each keeps one core busy and leaves memory alone. A session of their own keeps Ctrl-C away from them: it is for this
    process, which ends them.
    """
    spinning: list[subprocess.Popen] = []
    try:
        for _ in range(count):
            spinning.append(
                subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", LOOP, str(os.getpid())],
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True,
                )
            )  # fmt: skip
        yield [process.pid for process in spinning]
    finally:
        for process in spinning:
            process.kill()
        for process in spinning:
            process.wait()
