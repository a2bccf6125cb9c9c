"""How much memory a computation needs at its peak, as torch's profiler sees it."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch.profiler import ProfilerActivity, profile


def peak_megabytes(compute: Callable[[], object]) -> float:
    """Peak of what ``compute`` allocates on the CPU above what was there before, in MB."""
    with quiet(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        compute()
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    level = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        level += event.nbytes()
        peak = max(peak, level)
    return peak / 1e6


@contextmanager
def quiet() -> Iterator[None]:
    """Without standard error: the profiler's C++ side announces itself there, below Python's reach."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
