"""Sampling from the Llama family: new tokens go through ``llama.hidden_states``, past keys and values lie in buffers."""

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import PreTrainedModel

from reference.objectives import position_ids
from reference.world.cache import move_rows
from reference.world.llama import Attend, blocks_of, head_size, hidden_states, may_see

ROOM = 64  # columns that a buffer has beyond what it holds


class LlamaReader:
    """Reads on from its own keys and values: a ``Reader``, as ``reader.py`` describes it."""

    def __init__(self, model: PreTrainedModel):
        self.model, self.blocks, self.size = model, blocks_of(model), head_size(model)
        self.heads, self.kv_heads = model.config.num_attention_heads, model.config.num_key_value_heads
        self.seen = 0
        # Keys and values of each layer: (at least the rows, kv_heads, columns, size)
        self.buffers: list[list[Tensor]] = []

    def next_logits(self, tokens: Tensor, attention: Tensor) -> Tensor:
        start, self.seen = self.seen, tokens.shape[1]
        positions = position_ids(attention)[:, start:]
        attend = self.attend_to_prompts(attention) if start == 0 else self.attend_to_past(attention)
        states = hidden_states(self.model, self.blocks, tokens[:, start:], positions, attend)
        return self.model.lm_head(states[:, -1]).float()

    def attend_to_prompts(self, attention: Tensor) -> Attend:
        """All tokens at once, each looking at those before it. Keys and values are kept."""
        mask = may_see(attention, attention.shape[1])

        def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            q, k, v = (x.transpose(1, 2) for x in (q, k, v))
            self.buffers.append([with_room(x) for x in (k, v)])
            mixed = scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=self.heads != self.kv_heads)
            return mixed.transpose(1, 2).flatten(2)

        return attend

    def attend_to_past(self, attention: Tensor) -> Attend:
        """One token per row, looking at all before it: for each row and head two products, all of them in one call each."""
        rows, end = attention.shape
        if self.buffers[0][0].shape[2] < end:
            self.buffers = [[with_room(x[:rows, :, : end - 1]) for x in layer] for layer in self.buffers]
        penalty = attention.new_zeros(attention.shape, dtype=self.model.dtype).masked_fill(~attention, -torch.inf)
        penalty = penalty.repeat_interleave(self.kv_heads, dim=0)[:, None, :]
        scale = self.size**-0.5

        def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            keys, values = (x[:rows].flatten(0, 1) for x in self.buffers[layer])  # (rows * kv_heads, columns, size)
            keys[:, end - 1], values[:, end - 1] = k.reshape(-1, self.size), v.reshape(-1, self.size)
            queries = q.reshape(len(keys), -1, self.size)  # (rows * kv_heads, heads / kv_heads, size)
            scores = torch.baddbmm(penalty, queries, keys[:, :end].transpose(1, 2), alpha=scale)
            return torch.bmm(scores.softmax(dim=-1), values[:, :end]).view(rows, 1, -1)

        return attend

    def select(self, rows: Tensor) -> None:
        self.buffers = [[move_rows(x, rows, self.seen) for x in layer] for layer in self.buffers]


def with_room(x: Tensor) -> Tensor:
    """The same numbers at the beginning of a longer buffer, (rows, kv_heads, columns, size)."""
    buffer = x.new_empty(*x.shape[:2], x.shape[2] + ROOM, x.shape[3])
    buffer[:, :, : x.shape[2]] = x
    return buffer
