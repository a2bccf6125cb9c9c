"""Two real processes with DistributedDataParallel, and three ways to divide the loss.

    python -m reference.lessons.aggregation.two_processes

The model has two weights, and the token losses of row i are weight i. So its gradient says how much each row counts.
Process 0 holds a row of 2 tokens, process 1 a row of 8.
"""

import os
import subprocess
import sys
import tempfile

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from reference.objectives import token_mean
from reference.teaching.table import table

WAYS = {"own count": (False, 1), "global count": (True, 1), "global count, times 2": (True, 2)}


def gradients(rank: int, store: str) -> dict[str, list[float]]:
    """What DDP leaves in the gradient of this process, for each way to divide: (short row, long row)."""
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    keep = (torch.arange(8) < torch.tensor([[2], [8]]))[rank : rank + 1]
    rows = torch.eye(2)[rank].expand(1, 8, 2)
    model = DistributedDataParallel(torch.nn.Linear(2, 1, bias=False))
    count = keep.sum()
    dist.all_reduce(count)  # count before you divide: 2 here and 8 there are 10
    found = {}
    for name, (whole, times) in WAYS.items():
        model.zero_grad()
        loss = token_mean(model(rows)[..., 0], keep, num_tokens=int(count) if whole else None)
        (times * loss).backward()
        found[name] = model.module.weight.grad[0].tolist()
    return found


def two_processes() -> dict[str, list[float]]:
    """Start both, and return what the first has found."""
    python = [sys.executable, "-m", __spec__.name]
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with tempfile.TemporaryDirectory() as folder:
        ranks = [subprocess.Popen([*python, str(rank), f"{folder}/store"], **quiet) for rank in range(2)]
        printed = [rank.communicate()[0] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0]
    lines = [line.split("\t") for line in printed[0].splitlines()]
    return {name: [float(number) for number in numbers] for name, *numbers in lines}


if __name__ == "__main__":
    if len(sys.argv) == 3:
        for name, numbers in gradients(int(sys.argv[1]), sys.argv[2]).items():
            print(name, *numbers, sep="\t")
        sys.stdout.flush()
        os._exit(0)  # at once: now and then torch's threads outlive Python
    table(two_processes(), "short row", "long row", digits=2)
