"""The ratio that is clipped, and the worse of the two losses, as they should be."""

import torch
from torch import Tensor


def ratio_of(new: Tensor, old: Tensor) -> Tensor:
    return (new - old).exp()


def worse_of(advantages: Tensor, r: Tensor, clipped: Tensor) -> Tensor:
    return torch.maximum(-advantages * r, -advantages * clipped)
