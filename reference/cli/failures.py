"""What can go wrong through no fault of the program, each in one sentence for the command line."""

import errno

from torch import OutOfMemoryError

from reference.cli.output import OutputLost
from reference.objectives.shapes import InputError

EXPECTED = (InputError, OutOfMemoryError, MemoryError, RuntimeError, OSError)
NO_MEMORY = ("can't allocate memory", "not enough memory", "std::bad_alloc")  # torch on a CPU, by system and place
DISK_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)


def sentence(error: Exception, *, resumable: bool = True) -> str | None:
    """What to tell about it; ``None`` for a fault of the program, whose traceback is wanted.

    ``resumable``: whether the command makes a run that can go on.
    """
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, (OutOfMemoryError, MemoryError)) or any(words in str(error) for words in NO_MEMORY):
        return "out of memory: lower --micro-batch-size, --group-size, --prompts-per-step or --max-new-tokens"
    if not isinstance(error, OSError) or isinstance(error, (BrokenPipeError, OutputLost)) or error.errno is None:
        return None
    if error.errno in DISK_TROUBLE:
        return f"{error}: make room or fix the rights, then " + ("go on with --resume" if resumable else "try again")
    return f"{error.strerror}: {error.filename}" if error.filename else str(error)
