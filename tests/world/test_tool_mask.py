"""``tool_mask`` against the assistant mask of the chat template, on solutions with calls and failed calls."""

import random

import pytest
import torch

from reference.objectives import prediction_mask, tool_mask
from reference.world.tool_tasks import draw_tool_problem, draw_trajectory


def conversations(count: int) -> list[list[dict]]:
    """Solutions of every kind of problem; a third of the calls is written wrongly at first."""
    rng = random.Random(0)
    return [draw_trajectory(draw_tool_problem(rng), rng, failures=1 / 3) for _ in range(count)]


def rendered(tokenizer, chats: list[list[dict]], side: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Tokens, attention mask and assistant mask of a padded batch, as transformers makes them."""
    encoded = tokenizer.apply_chat_template(
        chats,
        return_dict=True,
        return_assistant_tokens_mask=True,
        padding=True,
        tokenizer_kwargs={"padding_side": side},
    )
    return tuple(torch.tensor(encoded[name]) for name in ("input_ids", "attention_mask", "assistant_masks"))


def found(tokenizer, tokens: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
    header, end = tokenizer.convert_tokens_to_ids(["<|assistant|>", "<|end|>"])
    return tool_mask(tokens, attention, assistant_token_id=header, eos_token_id=end)


@pytest.mark.parametrize("side", ["left", "right"])
def test_it_is_the_assistant_mask_of_the_chat_template(tokenizer, side):
    chats = conversations(60)
    assert {sum(m["role"] == "tool" for m in chat) for chat in chats} >= {0, 1, 2, 3}
    tokens, attention, assistant = rendered(tokenizer, chats, side)
    assert (attention[:, 0 if side == "left" else -1] == 0).any()
    assert torch.equal(found(tokenizer, tokens, attention), prediction_mask(assistant))


def test_each_row_trains_the_turns_of_the_assistant_and_nothing_else(tokenizer):
    """Read as text, what is kept is the calls, the words and the ends of the assistant's turns, one after the other."""
    chats = conversations(20)
    tokens, attention, _ = rendered(tokenizer, chats, "right")
    mask = found(tokenizer, tokens, attention)
    for row, keep, chat in zip(tokens, mask, chats, strict=True):
        text = tokenizer.decode(row[1:][keep].tolist())
        assert text.count("<|end|>") == sum(m["role"] == "assistant" for m in chat)
        assert text.count("<|call|>") == sum(len(m.get("tool_calls", [])) for m in chat)
        assert not any(mark in text for mark in ("<|user|>", "<|tool|>", "<|assistant|>", "<|pad|>", "What is"))


def test_a_turn_that_was_cut_off_is_kept_to_its_end(tokenizer):
    tokens, attention, assistant = rendered(tokenizer, conversations(20), "right")
    for cut in range(1, tokens.shape[1]):
        beginning = slice(0, cut)
        mask = found(tokenizer, tokens[:, beginning], attention[:, beginning])
        assert torch.equal(mask, prediction_mask(assistant[:, beginning]))
