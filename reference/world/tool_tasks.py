"""Problems for a model with a calculator: some need it, some need it twice, and for some a call is a waste.

    by head      47+8-5                                     the chains of ``tasks``, which the small model does in steps
    product      47*86, 47*86+9                             one call; the model cannot do it in its head
    two calls    31 times the last two digits of 47*86      the second call needs what the first one gave

A solution is a list of chat messages: the assistant's turns with their calls, and between them what the tool really
answered. Nothing here depends on torch; every draw comes from the ``random.Random`` that the caller passes in.
"""

import json
import random
import re
import zlib
from dataclasses import dataclass
from typing import Any, Literal, get_args

from reference.world import tasks
from reference.world.tool_calls import answer_call

ToolKind = Literal["by head", "product", "two calls"]
TOOL_KINDS: tuple[ToolKind, ...] = get_args(ToolKind)
Message = dict[str, Any]


@dataclass(frozen=True)
class ToolProblem:
    """A question with one exact answer, a whole number that is not negative."""

    kind: ToolKind
    question: str
    answer: int
    calls: tuple[str, ...]  # what a good solution computes with the tool, in order
    chain: tasks.Problem | None = None  # of a problem that is done by head

    @property
    def held_out(self) -> bool:
        """True for a tenth of all problems, which are never trained on; of chains the same ones as without a tool."""
        if self.chain is not None:
            return self.chain.held_out
        return zlib.crc32(self.question.encode()) % tasks.HELD_OUT_SHARE == 0


def draw_tool_problem(rng: random.Random, *, held_out: bool = False, kind: ToolKind | None = None) -> ToolProblem:
    """One random problem from the training split, or from the held-out split; of any kind, each as often."""
    if kind not in (None, *TOOL_KINDS):
        raise ValueError(f"kind is {kind!r}, expected one of {', '.join(map(repr, TOOL_KINDS))}, or None for any")
    kind = kind or rng.choice(TOOL_KINDS)
    if kind == "by head":
        chain = tasks.draw_problem(rng, held_out=held_out)
        return ToolProblem(kind, chain.question, chain.answer, (), chain)
    make = product if kind == "product" else two_calls
    while (problem := make(rng)).held_out != held_out:
        pass
    return problem


def product(rng: random.Random) -> ToolProblem:
    """Two or three digits times two digits; in half of the cases something is added."""
    left, right = rng.randint(12, 999), rng.randint(12, 99)
    added = rng.randint(1, 99) if rng.random() < 0.5 else 0
    expression = f"{left}*{right}" + (f"+{added}" if added else "")
    return ToolProblem("product", f"What is {expression}?", left * right + added, (expression,))


def two_calls(rng: random.Random) -> ToolProblem:
    """The calculator cannot take digits out of a number: the model must read the first result to write the second call."""
    while True:
        left, right, factor = rng.randint(12, 99), rng.randint(12, 99), rng.randint(12, 99)
        last = left * right % 100
        if last >= 12:
            break
    question = f"What is {factor} times the last two digits of {left}*{right}?"
    return ToolProblem("two calls", question, factor * last, (f"{left}*{right}", f"{factor}*{last}"))


def verify_answer(problem: ToolProblem, last_turn: str) -> float:
    """1.0 if the last line of the last turn is exactly ``Answer: N`` with the right N, else 0.0."""
    match = re.search(r"(?:^|\n)Answer: (0|[1-9][0-9]{0,8})\s*$", last_turn)
    return float(match is not None and int(match[1]) == problem.answer)


def draw_trajectory(problem: ToolProblem, rng: random.Random, *, failures: float = 0.0) -> list[Message]:
    """A good solution as chat messages, the question first: every call is run, and every answer is the tool's own.

    ``failures``: the chance that a call is written wrongly at first, and repaired after the error.
    """
    messages: list[Message] = [{"role": "user", "content": problem.question}]
    if problem.chain is not None:
        while "Wait, " in (solution := tasks.draw_solution(problem.chain, rng, style="careful")):
            pass  # a false start, which the small model would learn to write, and hardly ever to take back
        return [*messages, {"role": "assistant", "content": solution}]
    for number, expression in enumerate(problem.calls):
        words = "" if number == 0 else f"The last two digits are {expression.partition('*')[2]}.\n"
        if rng.random() < failures:
            messages += run(words, spoilt(expression, rng))
            words = ""
        messages += run(words, expression)
    return [*messages, {"role": "assistant", "content": f"Answer: {problem.answer}"}]


def run(words: str, expression: str) -> list[Message]:
    """A turn that says something and calls the calculator, and the tool's answer."""
    function = {"name": "calculator", "arguments": {"expression": expression}}
    turn = {"role": "assistant", "content": words, "tool_calls": [{"type": "function", "function": function}]}
    return [turn, {"role": "tool", "content": answer_call(json.dumps(function)).text}]


def spoilt(expression: str, rng: random.Random) -> str:
    """The expression with a slip that the calculator refuses: a space, an ``x`` for the product, a bracket too many."""
    return rng.choice([expression.replace("*", " * "), expression.replace("*", "x"), expression + ")"])
