"""A trajectory as spans: who wrote each, and whether the mask keeps it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from reference.objectives import tool_mask
from reference.world.tokenizer import EOS
from reference.world.tool_tasks import Message
from reference.world.trajectories import CALL, answered_again

HEADERS = {"<|user|>": "user", "<|assistant|>": "assistant", "<|tool|>": "tool"}


@dataclass(frozen=True)
class Span:
    """Tokens that stand side by side, have one author, and are all trained or all left out."""

    writer: str  # header, user, plan, call, tool, answer or end
    text: str
    trained: bool
    tokens: int


def spans_of(
    tokenizer: PreTrainedTokenizerBase, chat: Sequence[Message], mask_of: Callable[..., Tensor] = tool_mask
) -> list[Span]:
    """The chat as its template prints it, with ``mask_of`` on its tokens. The first token of a row is never trained."""
    ids = tokenizer.apply_chat_template(list(chat), return_dict=True)["input_ids"]
    tokens, (header, eos) = torch.tensor([ids]), tokenizer.convert_tokens_to_ids(["<|assistant|>", EOS])
    kept = mask_of(tokens, torch.ones_like(tokens), assistant_token_id=header, eos_token_id=eos)
    trained = [False, *kept[0].tolist()]
    writers = writers_of(tokenizer.convert_ids_to_tokens(ids))
    spans = []
    for _, group in groupby(range(len(ids)), key=lambda t: (turn_of(writers, t), writers[t], trained[t])):
        places = list(group)
        text = tokenizer.decode([ids[t] for t in places]).replace("\n", "⏎")
        spans.append(Span(writers[places[0]], text, trained[places[0]], len(places)))
    return spans


def writers_of(words: Sequence[str]) -> list[str]:
    """For each token who wrote it. Words of the assistant are a plan in a turn that calls a tool, else the answer."""
    writers: list[str] = []
    role = part = ""
    for place, word in enumerate(words):
        if word in HEADERS:
            role = HEADERS[word]
            turn = words[place : words.index(EOS, place)] if EOS in words[place:] else words[place:]
            part = role if role != "assistant" else "plan" if CALL in turn else "answer"
        elif word == CALL and role == "assistant":
            part = "call"
        writers.append("header" if word in HEADERS else "end" if word == EOS else part)
    return writers


def turn_of(writers: Sequence[str], place: int) -> int:
    return writers[: place + 1].count("header")


def call(expression: str, plan: str = "") -> Message:
    """A turn of the assistant that calls the calculator."""
    function = {"name": "calculator", "arguments": {"expression": expression}}
    return {"role": "assistant", "content": plan, "tool_calls": [{"type": "function", "function": function}]}


def asked(question: str, *turns: Message, answer: str) -> list[Message]:
    """A chat in which each turn of ``turns`` is followed by what the tool really answers."""
    result = {"role": "tool", "content": ""}
    turns_and_results = [message for turn in turns for message in (turn, result)]
    end = {"role": "assistant", "content": answer}
    return answered_again([{"role": "user", "content": question}, *turns_and_results, end])


@cache
def chats() -> dict[str, list[Message]]:
    """Four chats, by what happens in them."""
    return {
        "one call": asked("What is 47*86?", call("47*86", "That is too large for me.\n"), answer="Answer: 4042"),
        "no call": asked("What is 47+8-5?", answer="47+8=55\n55-5=50\nAnswer: 50"),
        "two calls": asked(
            "What is 31 times the last two digits of 47*86?",
            call("47*86", "First the product.\n"),
            call("31*42", "The last two digits are 42.\n"),
            answer="Answer: 1302",
        ),
        "a failed call, repaired": asked(
            "What is 4042 divided by 86?",
            call("4042/86"),
            call("47*86", "It cannot divide. I try 47.\n"),
            answer="That is 4042.\nAnswer: 47",
        ),
    }
