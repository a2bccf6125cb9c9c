"""The completions of one prompt as a row, as it should be."""

from torch import Tensor


def rows_of(rewards: Tensor, group_size: int) -> Tensor:
    return rewards.view(-1, group_size)
