"""Sums over what the mask keeps, as they should be."""

import torch
from torch import Tensor


def kept_sum(x: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, x, 0.0).sum()


def row_sums(x: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, x, 0.0).sum(dim=1)
