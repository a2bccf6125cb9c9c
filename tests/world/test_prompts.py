"""One question in several ways: what the model reads is what the way says."""

import random

import pytest

from reference.world.model import load
from reference.world.prompts import WAYS, encode_ways, prompt_text, shots
from reference.world.rollout import encode_prompts
from reference.world.tasks import draw_problem, verify

QUESTION = "What is 47+8-5?"
CHAT = f"<|user|>{QUESTION}<|end|><|assistant|>"


def test_each_way_is_the_text_that_it_is_called_after(base):
    _, tokenizer = base
    texts = {way: prompt_text(tokenizer, QUESTION, way) for way in WAYS}
    assert texts["chat"] == CHAT
    assert texts["space"] == CHAT + " "
    assert texts["headless"] == f"<|user|>{QUESTION}<|end|>"
    assert texts["bare"] == QUESTION + "\n"
    assert texts["number"] == f"<|user|>{QUESTION} Answer with the number only.<|end|><|assistant|>"
    assert texts["boxed"] == f"<|user|>{QUESTION} Put the final answer in \\boxed{{}}.<|end|><|assistant|>"
    assert texts["few-shot"].endswith(CHAT) and texts["few-shot"].count("<|user|>") == 3


def test_chat_is_what_training_reads(base):
    _, tokenizer = base
    problems = [draw_problem(random.Random(seed)) for seed in range(5)]
    assert encode_ways(tokenizer, [p.question for p in problems]) == encode_prompts(tokenizer, problems)


def test_the_solved_problems_are_right_always_the_same_and_of_the_training_split():
    messages = shots()
    assert messages == shots() and [m["role"] for m in messages] == ["user", "assistant"] * 2
    drawn = random.Random("few-shot")
    problems = [draw_problem(drawn, num_steps=2)]
    assert messages[0]["content"] == problems[0].question and not problems[0].held_out
    for asked, solved in zip(messages[::2], messages[1::2], strict=True):
        expression = asked["content"].removeprefix("What is ").removesuffix("?")
        assert solved["content"].endswith(f"Answer: {eval(expression)}")
    assert verify(problems[0], messages[1]["content"])


@pytest.mark.slow
def test_a_bos_that_the_tokenizer_puts_in_front_of_texts_is_in_front_of_a_bare_question(small_models):
    """A chat template prints it itself."""
    _, tokenizer = load(small_models["llama"])
    plain = encode_ways(tokenizer, [QUESTION], "bare")[0]
    assert plain[0] != tokenizer.eos_token_id
    tokenizer.add_special_tokens({"bos_token": "<|end|>"})
    from tokenizers.processors import TemplateProcessing

    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|end|> $A", special_tokens=[("<|end|>", tokenizer.bos_token_id)]
    )
    assert encode_ways(tokenizer, [QUESTION], "bare")[0] == [tokenizer.bos_token_id, *plain]
