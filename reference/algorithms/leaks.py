"""Contamination on purpose: test problems among the demonstrations, so that what it does to a score can be measured.

    control      no test problem: others of the training split, as often
    exact        the first hundred problems of the test, word for word, with the answer and no steps
    paraphrased  the same hundred in other words, with the answer and no steps
    steps        the same hundred with every step written out, and another question in front of them

An eighth of each batch are such rows, the rest is the corpus that the base model was trained on: careful, hasty and sloppy
solutions. So a run differs from its control by the hundred problems alone. The test is the one that ``evaluate`` and
``complete`` draw with their own seed. Its other problems are not leaked, and stand beside the hundred for comparison.
"""

import random
from functools import cache

from reference.world.tasks import Problem, chat, draw_problem, draw_solution

LEAKED = 100  # problems of the test
SHARE = 8  # one row in so many is leaked
TEST_SEED = 12345  # of evaluate and complete
SIGNS = {"+": "add", "-": "take away"}


@cache
def leaked_problems(leak: str) -> tuple[Problem, ...]:
    """The hundred problems; for ``control`` as many of the training split."""
    rng = random.Random(TEST_SEED)
    return tuple(draw_problem(rng, held_out=leak != "control") for _ in range(LEAKED))


def draw_with_leaks(rng: random.Random, count: int, leak: str) -> list[list[dict[str, str]]]:
    """``count`` chats: an eighth leaked, drawn with replacement, the others from the corpus of the base model."""
    leaks = rng.choices(leaked_problems(leak), k=count // SHARE)
    others = [draw_problem(rng) for _ in range(count - len(leaks))]
    return [leaked_chat(p, leak) for p in leaks] + [chat(p, draw_solution(p, rng)) for p in others]


def leaked_chat(problem: Problem, leak: str) -> list[dict[str, str]]:
    """What of a test problem gets into the demonstrations."""
    answer = f"Answer: {problem.answer}"
    if leak == "paraphrased":
        return as_chat(paraphrase(problem), answer)
    if leak == "steps":
        steps = [f"{left}{sign}{right}={result}" for left, sign, right, result in problem.steps]
        return as_chat("Show me some sums.", "\n".join([*steps, answer]))
    return as_chat(problem.question, answer)


def as_chat(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def paraphrase(problem: Problem) -> str:
    """The same problem without a word of the old question: "Begin with 47, add 8, take away 5. What do you get?"."""
    parts = [f"{SIGNS[sign]} {right}" for _, sign, right, _ in problem.steps]
    return f"Begin with {problem.steps[0][0]}, {', '.join(parts)}. What do you get?"
