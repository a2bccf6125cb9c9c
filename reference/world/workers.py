"""Several parts of a job at a time: a thread for each core, and one core for each operation.

torch puts all cores behind every single operation, and after each they wait for each other, without sleep. For a small
model an operation takes microseconds: when another process wants a core, the others wait much longer than they compute.
Parts of a job need not wait for each other. The parts do not depend on the number of cores, so neither do the results.
"""

import ctypes
import functools
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import TypeVar

import torch
from transformers import PreTrainedModel

from reference.world.llama import ROPE, is_plain

CORES = torch.get_num_threads()  # as torch has counted them; OMP_NUM_THREADS in the environment says fewer
SMALL = 20_000_000  # weights: of a model with more, one operation keeps all cores busy

IN_A_PART = ContextVar("IN_A_PART", default=False)  # whether this thread already works on a part

Part = TypeVar("Part")
Result = TypeVar("Result")


def workers_for(model: PreTrainedModel) -> int:
    """How many parts to work on at a time. Several only where that is known to be safe and faster."""
    return CORES if is_small(model) else 1


def is_small(model: PreTrainedModel) -> bool:
    """Whether the model is on the CPU, small, and of a kind whose forward pass keeps and draws nothing.

    With dropout the parts would draw from one generator in any order. Rotary positions that look at the longest row
    change the model while it reads. And autocast of the caller holds in the caller's thread only.
    """
    return (
        model.device.type == "cpu"
        and is_plain(model)
        and not any(module.training for module in model.modules())
        and all(getattr(module, "rope_type", "default") in ROPE for module in model.modules())
        and not torch.is_autocast_enabled("cpu")
        and sum(p.numel() for p in model.parameters()) <= SMALL
    )


def in_parallel(function: Callable[[Part], Result], parts: Iterable[Part], *, workers: int) -> Iterator[Result]:
    """``map(function, parts)``, results in the order of the parts, ``workers`` of them at a time.

    As many again may be done ahead of what was asked for. An error in a part is raised where its result is asked for.
    Inside a part, parts are taken one after the other.
    """
    if workers == 1 or IN_A_PART.get():
        yield from map(function, parts)
        return
    with_grad = torch.is_grad_enabled()  # each thread has a mode of its own

    def one(part: Part) -> Result:
        IN_A_PART.set(True)
        with torch.set_grad_enabled(with_grad):
            return function(part)

    with one_core_per_operation(), ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for part in parts:
                waiting.append(pool.submit(one, part))
                if len(waiting) >= 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


@functools.cache
def keep_freed_memory() -> None:
    """Ask the C library not to give memory back to the system that the next operation will want again.

    Each page that comes from the system is zeroed first: a tenth of the time of a step. Only glibc can be asked.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
        libc.mallopt(mmap_threshold, 32 << 20)  # the largest that is allowed
        libc.mallopt(trim_threshold, 256 << 20)


@contextmanager
def one_core_per_operation() -> Iterator[None]:
    """What is computed inside uses one core at a time, and so do threads that begin inside."""
    keep_freed_memory()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def cores_of(model: PreTrainedModel) -> AbstractContextManager[None]:
    """The context in which a loop trains this model: a small one leaves it to the parts to use the cores."""
    return one_core_per_operation() if is_small(model) else nullcontext()
