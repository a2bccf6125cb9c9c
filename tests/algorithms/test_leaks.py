"""Contamination on purpose: which test problems are in a batch, and in which form."""

import random
from dataclasses import replace

import pytest

from reference.algorithms.leaks import LEAKED, draw_with_leaks, leaked_chat, leaked_problems, paraphrase
from reference.algorithms.recipes import RECIPES
from reference.algorithms.supervised import draw_demonstrations
from reference.evaluation.protocols import completion_lines
from reference.world.tasks import Problem

PROBLEM = Problem("47+8-5", ((47, "+", 8, 55), (55, "-", 5, 50)))


def words(leak):
    return [message["content"] for message in leaked_chat(PROBLEM, leak)]


def test_what_leaks_of_a_problem():
    assert words("exact") == words("control") == ["What is 47+8-5?", "Answer: 50"]
    assert words("paraphrased") == ["Begin with 47, add 8, take away 5. What do you get?", "Answer: 50"]
    assert words("steps") == ["Show me some sums.", "47+8=55\n55-5=50\nAnswer: 50"]
    assert "What is" not in paraphrase(PROBLEM)


def test_the_control_leaks_no_test_problem():
    assert not any(problem.held_out for problem in leaked_problems("control"))
    assert all(problem.held_out for problem in leaked_problems("exact"))
    assert leaked_problems("exact") == leaked_problems("paraphrased") and len(leaked_problems("steps")) == LEAKED


def test_an_eighth_of_a_batch_is_leaked_and_the_rest_is_of_the_training_split():
    test = {problem.question for problem in leaked_problems("exact")}
    chats = draw_with_leaks(random.Random(0), 32, "exact")
    asked = [chat[0]["content"] for chat in chats]
    assert len(chats) == 32 and sum(question in test for question in asked) == 4
    held_out = [q for q in asked if Problem(q.removeprefix("What is ").removesuffix("?"), ()).held_out]
    assert len(held_out) == 4
    assert len({chat[1]["content"].count("\n") > 0 for chat in chats}) == 2  # with steps and without


@pytest.mark.slow
def test_the_leaked_problems_are_the_first_of_the_test(base):
    lines = list(completion_lines(*base, name="b", problems=LEAKED, samples=1, max_new_tokens=1))
    assert [line["question"] for line in lines] == [problem.question for problem in leaked_problems("exact")]


def test_demonstrations_with_a_leak_hold_it(base):
    _, tokenizer = base
    recipe = replace(RECIPES["sft"], leak="steps", prompts_per_step=8)
    tokens, mask = draw_demonstrations(tokenizer, random.Random(1), recipe)
    texts = tokenizer.batch_decode(tokens)
    assert sum("Show me some sums." in text for text in texts) == 1
    assert mask.shape == (8, tokens.shape[1] - 1) and mask.any(dim=1).all()
