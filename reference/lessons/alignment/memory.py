"""How much memory a computation needs at its peak, as torch's profiler sees it."""

from collections.abc import Callable

import torch

from reference.runs.tensor_memory import memory_spans


def peak_megabytes(compute: Callable[[], object]) -> float:
    """Peak of what ``compute`` allocates on the CPU above what was there before, in MB."""
    with memory_spans(torch.device("cpu")) as (mark, spans):
        mark()
        compute()
        mark()
    return spans[0].peak / 1e6
