r"""One question asked in different ways: the first variable of an evaluation.

    chat        the question in the model's own chat template, as it was trained
    space       the same with a space behind the header, where the model's own words should begin
    headless    the same without the header that opens the assistant's turn
    bare        no template at all: the question and a line break
    few-shot    the chat template, with two solved problems as earlier turns
    number      the chat template, and a wish behind the question: only the number
    boxed       the same, and the wish is that of many benchmarks: the answer in \boxed{}

No way is the right one. A model has met one of them in training, and a table of scores often does not say which was used.
"""

import random
from collections.abc import Sequence
from typing import Literal, get_args

from transformers import PreTrainedTokenizerBase

from reference.world.chat import chat_text, plain_ids
from reference.world.tasks import chat, draw_problem, draw_solution
from reference.world.tokenizer import leading_ids

Way = Literal["chat", "space", "headless", "bare", "few-shot", "number", "boxed"]
WAYS: tuple[Way, ...] = get_args(Way)
WISHES: dict[str, str] = {
    "number": " Answer with the number only.",
    "boxed": r" Put the final answer in \boxed{}.",
}
SHOTS = (2, 4)  # steps of the solved problems of few-shot


def encode_ways(tokenizer: PreTrainedTokenizerBase, questions: Sequence[str], way: str = "chat") -> list[list[int]]:
    """Each question as token ids, up to the place where the model goes on."""
    begin = leading_ids(tokenizer) if way == "bare" else []  # a template prints its BOS itself
    return [begin + plain_ids(tokenizer, prompt_text(tokenizer, question, way)) for question in questions]


def prompt_text(tokenizer: PreTrainedTokenizerBase, question: str, way: str = "chat") -> str:
    """The text that the model reads before it writes."""
    if way == "bare":
        return question + "\n"
    asked = [{"role": "user", "content": question + WISHES.get(way, "")}]
    text = chat_text(
        tokenizer, [*(shots() if way == "few-shot" else []), *asked], add_generation_prompt=way != "headless"
    )
    return text + (" " if way == "space" else "")


def shots() -> list[dict[str, str]]:
    """The solved problems of ``few-shot``: always the same two, of the training split, careful and right."""
    rng = random.Random("few-shot")
    problems = [draw_problem(rng, num_steps=steps) for steps in SHOTS]
    return [message for problem in problems for message in chat(problem, draw_solution(problem, rng, style="careful"))]
