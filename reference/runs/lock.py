"""One process per run folder: two would interleave their lines in one log and delete each other's checkpoints."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from reference.objectives.shapes import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

LOCK = ".lock"


@contextmanager
def folder_lock(folder: Path, *, remedy: str = "choose another folder with --out") -> Iterator[None]:
    """Keep every other process out of the run folder until the block ends, or this process, in whatever way.

    The lock is the system's (flock) and not the file: a file that is left behind by ``kill -9`` locks nothing. It stays
    in the folder, because a process that had opened it just before it was deleted would hold a lock on nothing. Raises
    ``InputError`` where another process has the lock, and says so where the platform has none. ``remedy``: what to do
    where nothing can be written to the folder.
    """
    try:
        file = (folder / LOCK).open("a+")
    except OSError as error:
        raise InputError(f"cannot write to {folder} ({error.strerror}): {remedy}") from None
    with file:
        acquire(file, folder)
        yield


def acquire(file: IO[str], folder: Path) -> None:
    """Lock the open file and write this process's number into it, for the message that another one gets."""
    try:
        if fcntl is None:
            raise OSError(0, "this platform has none")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read(20).strip() or "unknown"
        raise InputError(
            f"another process (number {holder}) is at work in {folder}: wait until it has ended, or choose another folder"
        ) from None
    except OSError as error:  # some network file systems have no locks either
        print(f"note     {folder} is not locked ({error.strerror}): let no second process write to it", file=sys.stderr)
        return
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
