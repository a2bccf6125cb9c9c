"""A key-value cache with room to grow.

transformers' ``DynamicCache`` makes a new tensor of everything it holds for every token that is added. For a small model
and a few hundred rows that is most of the work of sampling. Here a layer keeps a buffer that is longer than what it
holds, and writes the next token behind it; of rows that are selected, only those that change their place are copied.
"""

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedConfig
from transformers.cache_utils import DynamicLayer

ROOM = 64  # positions added at a time


def growing_cache(config: PreTrainedConfig) -> DynamicCache:
    """The cache that transformers would make for this model, its plain layers replaced; sliding windows stay theirs."""
    cache = DynamicCache(config=config)
    cache.layers = [GrowingLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


class GrowingLayer(DynamicLayer):
    """``keys`` and ``values`` are views of the first columns of two buffers."""

    keys: Tensor  # both from the first update on; transformers has None before
    values: Tensor
    key_buffer: Tensor | None = None
    value_buffer: Tensor | None = None

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        super().lazy_initialization(key_states, value_states)
        self.keys, self.values = key_states[:, :, :0], value_states[:, :, :0]

    def update(self, key_states: Tensor, value_states: Tensor, *_: object, **__: object) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.keys, self.key_buffer = append(self.keys, self.key_buffer, key_states)
        self.values, self.value_buffer = append(self.values, self.value_buffer, value_states)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        if self.key_buffer is None or self.value_buffer is None:
            return super().batch_select_indices(indices)
        end = self.keys.shape[2]
        self.key_buffer = move_rows(self.key_buffer, indices, end)
        self.value_buffer = move_rows(self.value_buffer, indices, end)
        self.keys, self.values = (x[: len(indices), :, :end] for x in (self.key_buffer, self.value_buffer))


def append(old: Tensor, buffer: Tensor | None, new: Tensor) -> tuple[Tensor, Tensor]:
    """``old`` with ``new`` behind it, (rows, heads, length, width), and the buffer that both now lie in."""
    rows, length, end = len(old), old.shape[2], old.shape[2] + new.shape[2]
    if buffer is None or buffer.data_ptr() != old.data_ptr() or len(buffer) < rows or buffer.shape[2] < end:
        buffer = new.new_empty(*new.shape[:2], end + ROOM, new.shape[3])
        buffer[:, :, :length] = old
    buffer[:rows, :, length:end] = new
    return buffer[:rows, :, :end], buffer


def move_rows(buffer: Tensor, rows: Tensor, length: int) -> Tensor:
    """Row i becomes what row ``rows[i]`` was, in the first ``length`` columns of (rows, heads, columns, width). In place,
    unless there is no room for so many."""
    if len(rows) > len(buffer):
        longer = buffer.new_empty(2 * len(rows), *buffer.shape[1:])
        longer[: len(rows), :, :length] = buffer[rows, :, :length]
        return longer
    moved = (rows != torch.arange(len(rows), device=rows.device)).nonzero().squeeze(1)
    buffer[moved, :, :length] = buffer[rows[moved], :, :length]  # the right side is a copy, made before anything moves
    return buffer
