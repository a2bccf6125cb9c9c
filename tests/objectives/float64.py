"""Tensors in float64: numbers that are written down, and random ones."""

import torch
from torch import Tensor


def f64(*rows) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def normal(*shape: int, seed: int) -> Tensor:
    """Standard normal numbers, the same for a seed."""
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
