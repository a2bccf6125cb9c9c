"""The processes that torchrun or accelerate launch have started, as this one sees them."""

import os

import torch

from reference.objectives.shapes import InputError


def number_of_processes() -> int:
    """How many there are; 1 where nobody has started several."""
    size = os.environ.get("WORLD_SIZE") or "1"
    if not size.isdecimal() or int(size) < 1:
        raise InputError(f"WORLD_SIZE is {size!r} in the environment, expected the number of processes: unset it")
    return int(size)


def is_first_process() -> bool:
    """Whether this is the one that keeps the run folder."""
    return os.environ.get("RANK", "0") == "0"


def leave_group() -> None:
    """End what connects the processes of a run. Its threads abort a process that leaves Python while they live."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
