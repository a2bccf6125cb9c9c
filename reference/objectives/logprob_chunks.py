"""Log-probs a piece at a time, forward and backward: what ``logprobs`` computes where memory is short.

autograd keeps what the backward pass will need, and of log-probs that is a number per position and word. The two
functions here keep their inputs and a few numbers per position, make a piece of the rest, use it, throw it away, and make
it again in the backward pass. So their gradients are written by hand.
"""

from collections.abc import Iterator
from typing import Any

import torch

from .shapes import InputError, Tensor, at_least_float32, scaled

TILE = 2**22  # logits that LogprobsInTiles makes at a time: 16.8 MB in float32


class LogprobsInChunks(torch.autograd.Function):
    """log_softmax and gather and their gradient by hand, d logp / d logit = (onehot - p) / temperature, piece by piece."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, scored: Tensor, temperature: float, chunk_size: int) -> Tensor:
        ctx.save_for_backward(logits, scored)
        ctx.temperature, ctx.chunk_size = temperature, chunk_size
        picked = torch.empty(scored.shape, dtype=at_least_float32(logits[:0]).dtype, device=logits.device)
        batch, pred = scored.shape
        for here in pieces(batch, pred, chunk_size):
            logprobs = scaled(logits[here], temperature).log_softmax(dim=-1)
            picked[here] = logprobs.gather(dim=-1, index=scored[here].unsqueeze(-1)).squeeze(-1)
        return picked

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        logits, scored = ctx.saved_tensors
        result = torch.zeros_like(logits)  # the last position predicts nothing and gets no gradient
        batch, pred = scored.shape
        for here in pieces(batch, pred, ctx.chunk_size):
            g = gradient[here].unsqueeze(-1)
            p = scaled(logits[here], ctx.temperature).softmax(dim=-1)
            result[here] = (-g * p).scatter_add_(-1, scored[here].unsqueeze(-1), g) / ctx.temperature
        return result, None, None, None


def pieces(batch: int, pred: int, chunk_size: int) -> Iterator[tuple[slice, slice]]:
    """(rows, positions) that together cover a (batch, pred) grid, at most ``chunk_size`` positions each."""
    rows, positions = max(1, chunk_size // max(1, pred)), min(max(1, pred), chunk_size)
    for row in range(0, batch, rows):
        for position in range(0, pred, positions):
            yield slice(row, row + rows), slice(position, min(position + positions, pred))


class LogprobsInTiles(torch.autograd.Function):
    """log_softmax and gather of ``hidden @ lm_head.T``, and both gradients by hand, a tile of the logits at a time.

    A tile is the logits of some positions and some words, at most ``TILE`` of them. The sum of a softmax is added up tile
    by tile, relative to the largest logit so far, as in the online softmax (1805.02867):
        logp = logit - top - log(total),   total = sum_v exp(logit_v - top)
    Gradients are added up in at least float32, in place, and one that nobody asked for is not made.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, lm_head: Tensor, scored: Tensor, temperature: float, chunk_size: int
    ) -> Tensor:
        tokens = scored.reshape(-1, 1)  # all rows end to end
        dtype = torch.promote_types(hidden.dtype, torch.float32)
        logit = torch.zeros(tokens.shape, dtype=dtype, device=hidden.device)
        top, total = torch.full_like(logit, torch.finfo(dtype).min), torch.zeros_like(logit)
        for words in vocabulary_slices(lm_head, min(chunk_size, len(tokens))):
            for here in slices(len(tokens), chunk_size):
                states, place = hidden[index_of(here, scored)], place_in(words, tokens[here])
                seen = logit[here], top[here], total[here]
                seen = with_tile(logits_of(states, lm_head[words], temperature), *place, *seen)
                logit[here], top[here], total[here] = seen
        ctx.save_for_backward(hidden, lm_head, scored, top, total)
        ctx.temperature, ctx.chunk_size = temperature, chunk_size
        return (logit - top - total.log()).view(scored.shape)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        if torch.is_grad_enabled():
            raise InputError("no second derivative (create_graph=True): pass hidden @ lm_head.T to token_logprobs")
        hidden, lm_head, scored, top, total = ctx.saved_tensors
        tokens, g = scored.reshape(-1, 1), gradient.reshape(-1, 1) / ctx.temperature
        hidden_wanted, head_wanted = ctx.needs_input_grad[:2]
        to_hidden = torch.zeros_like(hidden, dtype=top.dtype) if hidden_wanted else None
        to_head = torch.empty_like(lm_head) if head_wanted else None
        for words in vocabulary_slices(lm_head, min(ctx.chunk_size, len(tokens))):
            rows = lm_head[words]
            to_rows = torch.zeros_like(rows, dtype=top.dtype) if head_wanted else None
            for here in slices(len(tokens), ctx.chunk_size):
                index = index_of(here, scored)
                states, place = hidden[index], place_in(words, tokens[here])
                slope = slope_of(logits_of(states, rows, ctx.temperature), *place, top[here], total[here], g[here])
                if to_hidden is not None:
                    to_hidden[index] += slope @ rows.to(slope.dtype)
                if to_rows is not None:
                    to_rows.addmm_(slope.T, states.to(slope.dtype))
                del slope  # before the next tile is made
            if to_head is not None and to_rows is not None:
                to_head[words] = to_rows
        return None if to_hidden is None else to_hidden.to(hidden.dtype), to_head, None, None, None


def logits_of(states: Tensor, rows: Tensor, temperature: float) -> Tensor:
    """A tile, (states, words) in at least float32; a new tensor, which may be overwritten."""
    return at_least_float32(states @ rows.T).div_(temperature)


def with_tile(
    tile: Tensor, place: Tensor, there: Tensor, logit: Tensor, top: Tensor, total: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The token's logit, the largest logit and the sum of exp(logit - largest), with one more tile of words seen."""
    logit = tile.gather(-1, place).where(there, logit)
    higher = torch.maximum(top, tile.amax(dim=-1, keepdim=True))
    total = total * (top - higher).exp() + tile.sub_(higher).exp_().sum(dim=-1, keepdim=True)
    return logit, higher, total


def slope_of(tile: Tensor, place: Tensor, there: Tensor, top: Tensor, total: Tensor, g: Tensor) -> Tensor:
    """d loss / d logit = g * (onehot - p), written over the tile. g is d loss / d logp / temperature."""
    p = tile.sub_(top).exp_().div_(total)
    return p.mul_(-g).scatter_add_(-1, place, g.where(there, 0.0))


def place_in(words: slice, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Which of these words each token is, (states, 1), and whether it is one of them; 0 where it is not."""
    there = (words.start <= tokens) & (tokens < words.stop)
    return (tokens - words.start).where(there, 0), there


def index_of(here: slice, scored: Tensor) -> tuple[Tensor, Tensor]:
    """(row, position) of the predictions that stand ``here`` when the rows are laid end to end."""
    flat = torch.arange(here.start, here.stop, device=scored.device)
    return flat // scored.shape[1], flat % scored.shape[1]


def vocabulary_slices(lm_head: Tensor, positions: int) -> Iterator[slice]:
    """Slices of the vocabulary of which neither the rows of the head nor the logits at so many positions exceed ``TILE``."""
    vocab, width = lm_head.shape
    return slices(vocab, max(1, TILE // max(width, positions)))


def slices(length: int, width: int) -> Iterator[slice]:
    """Slices that cover ``length``, each of ``width`` but the last."""
    return (slice(start, min(start + width, length)) for start in range(0, length, width))
