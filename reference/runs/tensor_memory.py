"""How many bytes of tensors a computation holds at its peak, as torch's own allocator counts them.

Not the size of the process: that does not grow where freed memory is used again, and it counts a tensor only once
something is written to it. torch counts every tensor when it is made: on a CPU to the byte, on CUDA in blocks of 512.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import NamedTuple

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from reference.objectives.shapes import InputError

CPU = [ProfilerActivity.CPU]
MARK, MEMORY = "tensor_memory mark", "[memory]"  # names of events; torch gives the second to every change


class Span(NamedTuple):
    """What lies between two marks, in bytes."""

    held: int  # at the first mark
    peak: int  # the most above that
    largest: int | None  # the largest tensor of those that the peak adds; None where torch does not say


def require_counter(device: torch.device) -> None:
    if device.type not in ("cpu", "cuda"):
        raise InputError(f"torch counts no peak of memory on {device.type}: measure it with --device cpu or cuda")


@contextmanager
def memory_spans(device: torch.device) -> Iterator[tuple[Callable[[], None], list[Span]]]:
    """``mark``, to be called at least twice inside the block, and the spans between the marks, filled when it ends.

    What was there before the block is not counted.
    """
    require_counter(device)
    marks = cuda_marks(device) if device.type == "cuda" else cpu_marks()
    with marks as (mark, spans):
        yield mark, spans


@contextmanager
def cpu_marks() -> Iterator[tuple[Callable[[], None], list[Span]]]:
    """Every change of memory is an event of the profiler. It is told to leave the operations out, which are many more."""
    spans: list[Span] = []
    profiler = profile(activities=CPU, profile_memory=True)
    with quiet():
        profiler.start()
        profiler.toggle_collection_dynamic(False, CPU)

    def mark() -> None:
        with quiet():
            profiler.toggle_collection_dynamic(True, CPU)
            with record_function(MARK):
                pass
            profiler.toggle_collection_dynamic(False, CPU)

    try:
        yield mark, spans
    finally:
        with quiet():
            profiler.stop()
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() in (MARK, MEMORY)]
    events.sort(key=lambda e: e.start_ns())
    spans += spans_of([None if e.name() == MARK else e.nbytes() for e in events])


@contextmanager
def cuda_marks(device: torch.device) -> Iterator[tuple[Callable[[], None], list[Span]]]:
    """torch.cuda keeps the level, and the peak since it was last set back."""
    spans: list[Span] = []
    marks: list[tuple[int, int]] = []  # at each mark: the level, and the peak since the mark before

    def mark() -> None:
        torch.cuda.synchronize(device)
        marks.append((torch.cuda.memory_allocated(device) - before, torch.cuda.max_memory_allocated(device) - before))
        torch.cuda.reset_peak_memory_stats(device)

    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    yield mark, spans
    spans += [Span(level, peak - level, None) for (level, _), (_, peak) in pairwise(marks)]


def spans_of(changes: list[int | None]) -> list[Span]:
    """The spans between the marks (``None``) in a list of changes: bytes of a new tensor, or of a freed one, below 0."""
    marks = [place for place, change in enumerate(changes) if change is None]
    return [span_of(changes, begin, end) for begin, end in pairwise(marks)]


def span_of(changes: list[int | None], begin: int, end: int) -> Span:
    held = level = peak = sum(change for change in changes[:begin] if change)
    highest = begin
    for place in range(begin + 1, end):
        level += changes[place]
        if level > peak:
            peak, highest = level, place
    new = Counter[int]()  # at the peak: how many more tensors of each size there are than at the first mark
    for change in changes[begin + 1 : highest + 1]:
        new[abs(change)] += 1 if change > 0 else -1
    return Span(held, peak - held, max((size for size, count in new.items() if count > 0), default=0))


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
