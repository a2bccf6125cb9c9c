"""The chat that the first lessons look at, scored once by the base model."""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.objectives import prediction_mask, token_logprobs
from reference.world.model import load

CHAT = (
    {"role": "user", "content": "What is 47+8-5?"},
    {"role": "assistant", "content": "47+8=55\n55-5=50\nAnswer: 50"},
)


@dataclass(frozen=True)
class Example:
    """One chat with everything a lesson asks about it. Single row: batch is 1."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    tokens: Tensor  # (1, time)
    assistant_mask: Tensor  # (1, time), on the token axis
    mask: Tensor  # (1, time - 1), on the prediction axis
    logits: Tensor  # (1, time, vocab)
    logprobs: Tensor  # (1, time - 1)

    @property
    def words(self) -> list[str]:
        return readable(self.tokenizer, self.tokens[0].tolist())


@cache
def example() -> Example:
    """The example chat under the shipped base model."""
    model, tokenizer = load()
    encoded = tokenizer.apply_chat_template(
        list(CHAT), return_assistant_tokens_mask=True, return_dict=True, return_tensors="pt"
    )
    tokens, assistant = encoded["input_ids"], encoded["assistant_masks"].bool()
    with torch.no_grad():
        logits = model(tokens).logits
    return Example(
        model, tokenizer, tokens, assistant, prediction_mask(assistant), logits, token_logprobs(logits, tokens)
    )


def readable(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> list[str]:
    """Tokens as a reader can tell them apart: a space is ·, a line break ⏎."""
    return [token.replace("Ġ", "·").replace("Ċ", "⏎") for token in tokenizer.convert_ids_to_tokens(ids)]
