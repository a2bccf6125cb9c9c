"""How a model reads while it samples: on from its key-value cache or, where that cannot be trusted, everything again.

Sampling repeats what was read of a prompt for each completion, and leaves out rows that are finished. Attention keeps a
key and a value per row and token, so both are easy. Recurrent and hybrid models (Mamba, Jamba, Falcon-H1, Qwen3-Next, ...)
keep a state that transformers can neither repeat nor cut, or in a cache of their own; GPT-1 keeps nothing. The Llama family
has a faster way to the same logits (``llama.py``). Which of the three a model can do is found by trying.
"""

import weakref
from typing import Protocol

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from reference.objectives import position_ids
from reference.objectives.shapes import InputError
from reference.world.cache import growing_cache
from reference.world.eval_mode import eval_mode
from reference.world.llama import is_llama
from reference.world.llama_reader import LlamaReader

# What configurations call the longest row that a model can read. transformers maps some of them to the first, not all.
CONTEXT = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "max_sequence_length", "seq_length",
           "context_length", "max_target_positions")  # fmt: skip


class Reader(Protocol):
    """Reads rows of tokens from left to right. ``attention`` is True on tokens, False on the padding before them."""

    def next_logits(self, tokens: Tensor, attention: Tensor) -> Tensor:
        """Logits (rows, vocab) of the token after the last column. Both arguments (rows, time), whole."""

    def select(self, rows: Tensor) -> None:
        """Go on with these rows, in this order. One that is named twice becomes two, one that is not is left out."""


class CachedReader:
    """Every token goes through the model once; its keys and values are kept."""

    def __init__(self, model: PreTrainedModel):
        self.model, self.cache, self.seen = model, growing_cache(model.config), 0

    def next_logits(self, tokens: Tensor, attention: Tensor) -> Tensor:
        out = self.model(
            input_ids=tokens[:, self.seen :], attention_mask=attention,
            position_ids=position_ids(attention)[:, self.seen :], past_key_values=self.cache, use_cache=True,
            logits_to_keep=1,
        )  # fmt: skip
        self.seen = tokens.shape[1]
        return out.logits[:, -1].float()

    def select(self, rows: Tensor) -> None:
        self.cache.batch_select_indices(rows)


class PlainReader:
    """Every token goes through the model again for each that follows. Slower with every token, and right for any model."""

    def __init__(self, model: PreTrainedModel):
        self.model = model

    def next_logits(self, tokens: Tensor, attention: Tensor) -> Tensor:
        out = self.model(
            input_ids=tokens, attention_mask=attention, position_ids=position_ids(attention), use_cache=False,
            logits_to_keep=1,
        )  # fmt: skip
        return out.logits[:, -1].float()

    def select(self, rows: Tensor) -> None:
        pass


def new_reader(model: PreTrainedModel) -> Reader:
    if reads_as_llama(model):
        return LlamaReader(model)
    return CachedReader(model) if can_cache(model) else PlainReader(model)


FOUND: weakref.WeakKeyDictionary[PreTrainedModel, dict[type, bool]] = weakref.WeakKeyDictionary()


def can_cache(model: PreTrainedModel) -> bool:
    """Whether the model reads on from its cache, with rows repeated and left out, as if it had read everything again."""
    return reads_rightly(model, CachedReader)


def reads_as_llama(model: PreTrainedModel) -> bool:
    """Whether the plain functions of ``llama.py`` give this model's logits; tried once, and nothing was changed since."""
    return is_llama(model) and reads_rightly(model, LlamaReader)


def reads_rightly(model: PreTrainedModel, reader: type[CachedReader | LlamaReader]) -> bool:
    known = FOUND.setdefault(model, {})
    if reader not in known:
        known[reader] = try_reader(model, reader)
    return known[reader]


@torch.no_grad()
def try_reader(model: PreTrainedModel, reader: type[CachedReader | LlamaReader]) -> bool:
    """Two prompts, the shorter one padded, twice each; then one of the four rows is left out, then all but one."""
    tokens = torch.tensor([[0, 1, 2, 3, 0, 1, 2], [2, 3, 1, 0, 2, 1, 3]], device=model.device)
    attention = torch.tensor([[0, 0, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1]], device=model.device).bool()
    with eval_mode(model):
        plain, reader_with_cache = PlainReader(model), reader(model)
        try:
            reader_with_cache.next_logits(tokens[:, :4], attention[:, :4])
            for end, kept in ((5, [0, 0, 1, 1]), (6, [1, 2, 3]), (7, [2])):
                rows = torch.tensor(kept, device=model.device)
                reader_with_cache.select(rows)
                tokens, attention = tokens[rows], attention[rows]
                seen, again = (
                    reader.next_logits(tokens[:, :end], attention[:, :end]).log_softmax(-1)
                    for reader in (reader_with_cache, plain)
                )
                # NaN weights are as broken either way: whoever samples from them is told.
                if not torch.allclose(seen, again, rtol=0, atol=tolerance(model), equal_nan=True):
                    return False
        except Exception:  # each architecture that cannot do this fails in its own way
            return False
    return True


def tolerance(model: PreTrainedModel) -> float:
    """Nats by which rounding alone may move a log-prob: a matrix product of another size rounds differently."""
    return 1e-2 if model.dtype in (torch.float32, torch.float64) else 0.5


def holds_plain_keys(model: PreTrainedModel) -> bool:
    """Whether all that the model remembers of a token is a key and a value in each layer, however far back it is.

    A cache without layers says nothing: transformers 5.0 makes one for Gemma 3n where no layers share their keys.
    """
    layers = DynamicCache(config=model.config).layers
    return can_cache(model) and len(layers) > 0 and all(type(layer) is DynamicLayer for layer in layers)


def context_length(model: PreTrainedModel) -> int | None:
    """The most tokens that a row may have, prompt and completion; None where nothing is said (-1 and 0 say nothing)."""
    config = model.config.get_text_config(decoder=True)
    limits = [getattr(config, name, None) for name in CONTEXT]
    return min((value for value in limits if isinstance(value, int) and value > 0), default=None)


def require_context(model: PreTrainedModel, positions: int) -> None:
    """Refuse prompts plus budget that do not fit the positions the model knows."""
    context = context_length(model)
    if context is not None and positions > context:
        raise InputError(
            f"prompt and completion need {positions} positions, the model has {context}: lower max_new_tokens"
        )
