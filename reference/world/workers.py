"""Several parts of a job at a time: a thread for each core, and one core for each operation.

torch puts all cores behind every single operation, and after each they wait for each other, without sleep. For a small
model an operation takes microseconds: when another process wants a core, the others wait much longer than they compute.
Parts of a job need not wait for each other. The parts do not depend on the number of cores, so neither do the results.
"""

import ctypes
import functools
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TypeVar

import torch
from transformers import PreTrainedModel

from reference.world.llama import ROPE, is_plain

CORES = torch.get_num_threads()  # as torch has counted them; OMP_NUM_THREADS in the environment says fewer
FEW_ROWS = 12
SMALL = 20_000_000  # weights: of a model with more, one operation keeps all cores busy

IN_A_PART = ContextVar("IN_A_PART", default=False)  # whether this thread already works on a part

Part = TypeVar("Part")
Result = TypeVar("Result")


def workers_for(model: PreTrainedModel) -> int:
    """How many parts to work on at a time. Several only where that is known to be safe and faster."""
    return spare_cores() if is_small(model) else 1


def spare_cores() -> int:
    """How many cores nobody else computes on at this moment.

    Threads of one loop wait for each other, thousands of times in a step. One that shares its core with another program
    keeps the others waiting, so on two cores, beside one busy program, one thread is several times as fast as two. Linux
    says how many threads run now; elsewhere all cores are taken.
    """
    try:
        running = int(Path("/proc/loadavg").read_text().split()[3].split("/")[0]) - own_running_threads()
    except (OSError, ValueError, IndexError):
        return CORES
    return max(1, min(CORES, (os.cpu_count() or CORES) - running))


def own_running_threads() -> int:
    """Threads of this process that run now, as Linux counts them; one that ends meanwhile does not."""
    running = 0
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):
            running += (task / "stat").read_text().rpartition(") ")[2].startswith("R")
    return running


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

    Each page that comes from the system is zeroed first, and that takes time. Only glibc can be asked.
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


@contextmanager
def cores_for_rows(model: PreTrainedModel) -> Iterator[Callable[[int], None]]:
    """For a loop that cannot be cut into parts: a function that, told how many rows there are, says how many cores each
    operation of a small model may use from now on. Call it often: another program may begin.

    With fewer rows than 12 it is one, as nothing is gained; and with 5 to 11, products on one core and on several differ
    in the last bit. So what is sampled does not depend on the cores.
    """
    if not is_small(model) or IN_A_PART.get():
        yield lambda rows: None
        return
    with one_core_per_operation():
        yield lambda rows: torch.set_num_threads(spare_cores() if rows >= FEW_ROWS else 1)
