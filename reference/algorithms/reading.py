"""Reading: what the model being trained says about the completions of a batch, each once, and without padding where it can.

A policy that is sure of itself writes the same completion again. A row that stands there twice is read once, and what it
says is used twice.

Completions differ in length, and a rectangle of them holds padding even when it is cut from sorted rows. The
Llama family reads one long row instead, the tokens of all completions behind each other; only attention puts them back
into a rectangle. Whoever computes something per token does it on the long row, and ``spread`` puts it into its place.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers import Cache, DynamicCache, PreTrainedModel

from reference.algorithms.data import Experience
from reference.algorithms.scoring import forward
from reference.objectives import position_ids
from reference.world.llama import Attend, blocks_of, hidden_states, may_see
from reference.world.reader import reads_as_llama
from reference.world.rollout import Rollout


class Reading(NamedTuple):
    """Logits with the tokens that they score, as ``token_logprobs`` and ``entropy`` want them: (1, N + 1) or (rows, pred + 1)."""

    logits: Tensor  # (1, N + 1, vocab), the last of which scores nothing; or (different rows, pred + 1, vocab)
    tokens: Tensor  # (1, N + 1) or (different rows, pred + 1)
    hidden: Tensor | None  # (rows, pred + 1, width) what the head has read; on request
    real: Tensor | None  # (different rows, pred) where the N predictions belong; None: they are there already
    row: Tensor  # (rows,) which of the different rows each one is

    def spread(self, per_token: Tensor) -> Tensor:
        """From one number per token that was read to (rows, pred), 0 on padding."""
        if self.real is not None:
            per_token = per_token.new_zeros(self.real.shape).masked_scatter(self.real, per_token)
        return per_token.index_select(0, self.row)

    def grid(self) -> Tensor:
        """The logits (rows, pred + 1, vocab) of the completions, 0 on padding; the last of a row scores nothing."""
        logits = self.logits
        if self.real is not None:
            logits = pad(
                to_grid(logits[0, :-1], self.real.flatten().nonzero().squeeze(1), self.real.shape), (0, 0, 0, 1)
            )
        return logits.index_select(0, self.row)


def read_completions(
    model: PreTrainedModel,
    batch: Rollout | Experience,
    *,
    hidden: bool = False,
    prompts: Callable[[Rollout | Experience], Cache] | None = None,
) -> Reading:
    """Read a batch. ``prompts``: gives the keys and values of all prompt tokens but the last of a batch; the model then
    reads on from there."""
    first, row = different_rows(torch.cat([batch.tokens, batch.attention_mask], dim=1))
    if len(first) < len(row):
        batch = batch.rows(first)
    reading = read_each(model, batch, hidden=hidden, prompts=None if prompts is None else prompts(batch))
    return reading._replace(row=row, hidden=None if reading.hidden is None else reading.hidden.index_select(0, row))


def different_rows(rows: Tensor) -> tuple[Tensor, Tensor]:
    """The index of the first row of each kind, in their order, and for each row which of these it equals."""
    _, kind = rows.unique(dim=0, return_inverse=True)
    number = torch.arange(len(rows), device=rows.device)
    first = torch.full_like(number, len(rows)).scatter_reduce(0, kind, number, "amin")[: int(kind.max()) + 1]
    order = first.argsort()
    return first[order], order.argsort()[kind]


def read_each(model: PreTrainedModel, batch: Rollout | Experience, *, hidden: bool, prompts: Cache | None) -> Reading:
    """``read_completions`` of rows that differ."""
    row = torch.arange(len(batch.tokens), device=batch.tokens.device)
    start = batch.prompt_width - 1
    targets = batch.tokens[:, start:]
    if not reads_as_llama(model):
        out = forward(model, batch, completions_only=True, hidden=hidden, prompts=prompts)
        return Reading(out.logits, targets, out.hidden_states[-1] if hidden else None, None, row)

    first = 0 if prompts is None else start  # of the columns that go through the model
    mask = batch.attention_mask
    inputs = mask[:, first:-1] & mask[:, first + 1 :]  # real, and with a real token behind to predict
    states = read_rows(model, batch.tokens[:, first:-1], inputs, mask[:, :-1], prompts)
    real = inputs[:, start - first :]
    if prompts is None:  # the tokens of the prompt have nothing to predict that anybody trains on
        of_completions = inputs.clone()
        of_completions[:, :start] = False
        states = states[of_completions[inputs]]
    logits = model.lm_head(pad(states, (0, 0, 0, 1)))
    tokens = pad(targets[:, 1:][real], (1, 0))
    grid = None
    if hidden:
        grid = pad(to_grid(states, real.flatten().nonzero().squeeze(1), real.shape), (0, 0, 0, 1))
    return Reading(logits[None], tokens[None], grid, real, row)


def read_rows(model: PreTrainedModel, tokens: Tensor, inputs: Tensor, mask: Tensor, prompts: Cache | None) -> Tensor:
    """Hidden states (N, width) of the tokens (rows, time) that ``inputs`` marks, in the order of rows.

    ``mask`` (rows, past + time): what is real, the columns of ``prompts`` before ``tokens`` included.
    """
    where = inputs.flatten().nonzero().squeeze(1)
    positions = position_ids(mask)[:, -tokens.shape[1] :].flatten()[where]
    attend = attention_in_rows(model, where, inputs.shape, mask, prompts)
    return hidden_states(model, blocks_of(model), tokens.flatten()[where], positions, attend)


def attention_in_rows(
    model: PreTrainedModel, where: Tensor, shape: torch.Size, mask: Tensor, prompts: Cache | None
) -> Attend:
    """Attention of every token to those before it in its row. ``where`` in the flat (rows, time) rectangle each token is."""
    seen = may_see(mask, shape[1])
    penalty = torch.zeros(seen.shape, dtype=model.dtype, device=mask.device).masked_fill_(~seen, -torch.inf)
    grouped = model.config.num_attention_heads != model.config.num_key_value_heads

    def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (to_grid(x.flatten(-2), where, shape).unflatten(-1, x.shape[-2:]).transpose(1, 2) for x in (q, k, v))
        if prompts is not None:
            keys, values = prompts.layers[layer].keys, prompts.layers[layer].values
            assert keys is not None and values is not None  # None only before anything was read
            k, v = torch.cat([keys, k], dim=2), torch.cat([values, v], dim=2)
        mixed = scaled_dot_product_attention(q, k, v, attn_mask=penalty, enable_gqa=grouped)
        return mixed.transpose(1, 2).flatten(2).flatten(0, 1).index_select(0, where)

    return attend


def read_prompts(model: PreTrainedModel, tokens: Tensor, mask: Tensor) -> list[Tensor]:
    """Keys and values of left-padded prompts (prompts, width), layer by layer: tensors (how many, prompts, heads, width, size).

    Where all layers have the same shape it is one tensor. Its backward pass then begins at one place, and goes the same
    way whichever thread has read the prompts; from several places, the way would depend on the threads' counters.
    """
    if not reads_as_llama(model):
        cache = DynamicCache(config=model.config)
        model(
            tokens, attention_mask=mask, position_ids=position_ids(mask), past_key_values=cache, use_cache=True,
            logits_to_keep=1,
        )  # fmt: skip
        read = [x for layer in cache.layers for x in (layer.keys, layer.values)]
        same = len({(x.shape, x.dtype, x.device) for x in read}) == 1
        return [torch.stack(read)] if same else [x.unsqueeze(0) for x in read]

    found: list[Tensor] = []
    everywhere = torch.arange(mask.numel(), device=mask.device)
    mix = attention_in_rows(model, everywhere, mask.shape, mask, None)

    def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        found.extend(x.unflatten(0, mask.shape).transpose(1, 2) for x in (k, v))
        return mix(layer, q, k, v)

    hidden_states(model, blocks_of(model), tokens.flatten(), position_ids(mask).flatten(), attend)
    return [torch.stack(found)]


def to_grid(x: Tensor, where: Tensor, shape: torch.Size) -> Tensor:
    """From (N, width) to (rows, time, width): row i at place ``where[i]`` of the flat rectangle, 0 elsewhere."""
    return x.new_zeros(shape.numel(), x.shape[-1]).index_copy_(0, where, x).unflatten(0, shape)
