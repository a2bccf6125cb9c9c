"""The machine that a benchmark ran on, and how fast it can be."""

import importlib.metadata
import os
import platform
import re
import time
from pathlib import Path
from typing import Any

import torch

SIZES = {"cpu": 1024}  # of the matrix product, elsewhere LARGE: a GPU is busy with 1024 for microseconds only
LARGE = 8192


def machine(device: torch.device) -> dict[str, Any]:
    """What the numbers of a benchmark depend on, in names and numbers."""
    return {
        "device": str(device), "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "threads": torch.get_num_threads(), "cores": os.cpu_count(), "processor": processor(),
        "system": platform.platform(),
    }  # fmt: skip


def processor() -> str:
    """Its name where the system tells it, else its kind."""
    told = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    name = re.search(r"^model name\s*: (.+)$", told, re.M)
    return name[1] if name else platform.processor() or platform.machine()


def versions() -> dict[str, str | None]:
    """Of Python and of what a step is made of; None where a package is not installed."""
    return {"python": platform.python_version()} | {name: version(name) for name in ("torch", "transformers", "trl")}


def version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given: before a clock is read."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def matmul_size(device: torch.device) -> int:
    return SIZES.get(device.type, LARGE)


def matmul_peak(device: torch.device, *, size: int = 1024, repeats: int = 20) -> float:
    """The most FLOP/s that a float32 matrix product reaches here."""
    a, b = torch.randn(size, size, device=device), torch.randn(size, size, device=device)
    best = float("inf")
    for _ in range(repeats):
        synchronize(device)
        began = time.perf_counter()
        a @ b
        synchronize(device)
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best
