"""The ratio that is clipped, as it should be."""

from torch import Tensor


def ratio_of(new: Tensor, old: Tensor) -> Tensor:
    return (new - old).exp()
