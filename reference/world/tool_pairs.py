"""Preference pairs of whole solutions with a calculator: the rejected one is worse in one way that has a name.

    call or not          the tool is needed and not asked, or it is asked for a chain that is easy by head
    order of calls       the second call comes first, with an operand that no result has given yet
    made-up result       the answer is not what the tool returned, or the result is written without any call
    one call or three    the right answer for three calls where one is enough

Both sides begin with the same question and end with an answer, and every tool message is what the tool really returned.
No text here holds the name of a special token. A rejected turn could forge a result as ``<|tool|>4132<|end|>``, but the
template has no turn like that: it would print these words between the marks of the assistant's turn, and the tokenizer
would make the special tokens of them. The assistant mask would then be True on a header of the tool, which is never the
assistant's word. A made-up result therefore stands in the assistant's own words. Nothing here depends on torch.
"""

import random
from dataclasses import dataclass
from typing import Literal, get_args

from reference.world.tool_tasks import Message, ToolProblem, draw_tool_problem, draw_trajectory, run

PairKind = Literal["call or not", "order of calls", "made-up result", "one call or three"]
PAIR_KINDS: tuple[PairKind, ...] = get_args(PairKind)


@dataclass(frozen=True)
class ToolPair:
    """Two solutions of one problem as chat messages, the question first and an answer last."""

    kind: PairKind
    problem: ToolProblem
    chosen: list[Message]
    rejected: list[Message]


def draw_pair(rng: random.Random, *, held_out: bool = False, kind: PairKind | None = None) -> ToolPair:
    """One random pair about a problem of the training split, or of the held-out split; of any kind, each as often.

    Raises ``ValueError`` for an unknown kind.
    """
    if kind not in (None, *PAIR_KINDS):
        raise ValueError(f"kind is {kind!r}, expected one of {', '.join(map(repr, PAIR_KINDS))}, or None for any")
    kind = kind or rng.choice(PAIR_KINDS)
    if kind == "call or not":
        return (call_is_needed if rng.random() < 0.5 else call_is_a_waste)(rng, held_out)
    if kind == "order of calls":
        return order_of_calls(rng, held_out)
    if kind == "made-up result":
        return made_up_result(rng, held_out)
    return one_call_or_three(rng, held_out)


def call_is_needed(rng: random.Random, held_out: bool) -> ToolPair:
    """The rejected side answers at once, with a number that looks right: the model cannot do these by head."""
    problem = draw_tool_problem(rng, held_out=held_out, kind=rng.choice(("product", "two calls")))
    guess = plausible(problem.answer, rng)
    return ToolPair("call or not", problem, draw_trajectory(problem, rng), [asks(problem), answers(guess)])


def call_is_a_waste(rng: random.Random, held_out: bool) -> ToolPair:
    """The chosen side does a chain step by step, the rejected one has it computed. Both are right.

    A false start in the chosen side ("Wait, ...") is left out, as in demonstrations: nobody prefers it.
    """
    problem = draw_tool_problem(rng, held_out=held_out, kind="by head")
    while "Wait, " in (chosen := draw_trajectory(problem, rng))[-1]["content"]:
        pass
    return ToolPair("call or not", problem, chosen, wasteful(problem))


def order_of_calls(rng: random.Random, held_out: bool) -> ToolPair:
    """The rejected side makes up the last two digits, computes with them, asks for the product when it is too late, and
    answers with what it has."""
    problem = draw_tool_problem(rng, held_out=held_out, kind="two calls")
    first, second = problem.calls
    factor, _, digits = second.partition("*")
    made_up = rng.choice([n for n in range(12, 100) if n != int(digits)])
    rejected = [
        asks(problem),
        *run(f"The last two digits are {made_up}.\n", f"{factor}*{made_up}"),
        *run("", first),
        answers(int(factor) * made_up),
    ]
    return ToolPair("order of calls", problem, draw_trajectory(problem, rng), rejected)


def made_up_result(rng: random.Random, held_out: bool) -> ToolPair:
    """In half of the pairs the rejected side calls and then answers another number than the tool returned. In the other
    half it does not wait for the tool: it writes a result itself where the call should stand, and answers with it."""
    problem = draw_tool_problem(rng, held_out=held_out, kind="product")
    chosen, guess = draw_trajectory(problem, rng), plausible(problem.answer, rng)
    if rng.random() < 0.5:
        rejected = [*chosen[:-1], answers(guess)]
    else:
        rejected = [asks(problem), answers(guess, before=f"{problem.calls[0]}={guess}\n")]
    return ToolPair("made-up result", problem, chosen, rejected)


def one_call_or_three(rng: random.Random, held_out: bool) -> ToolPair:
    """The rejected side does tens and ones apart: 47*80, 47*6, 3760+282 in the place of 47*86. It is right, but dearer."""
    while (problem := draw_tool_problem(rng, held_out=held_out, kind="product")).calls[0].partition("+")[0][-1] == "0":
        pass  # 47*80 has no ones
    return ToolPair("one call or three", problem, draw_trajectory(problem, rng), wasteful(problem))


def wasteful(problem: ToolProblem) -> list[Message]:
    """A right solution with more calls than it needs: one for a chain, and three for a product. For "two calls" there is
    none like that."""
    if problem.chain is not None:
        return [asks(problem), *run("", problem.chain.expression), answers(problem.answer)]
    factors, plus, added = problem.calls[0].partition("+")
    left, _, right = factors.partition("*")
    tens, ones = run("", f"{left}*{right[0]}0"), run("", f"{left}*{right[1]}")
    total = run("", f"{tens[-1]['content']}+{ones[-1]['content']}{plus}{added}")
    return [asks(problem), *tens, *ones, *total, answers(problem.answer)]


def plausible(answer: int, rng: random.Random) -> int:
    """A wrong number with as many digits and the same last digit, as a model guesses a product. ``answer``: at least 100."""
    first = 10 ** (len(str(answer)) - 2)  # without the last digit
    while (guess := rng.randrange(first, 10 * first) * 10 + answer % 10) == answer:
        pass
    return guess


def asks(problem: ToolProblem) -> Message:
    return {"role": "user", "content": problem.question}


def answers(number: int, *, before: str = "") -> Message:
    """The last turn, as the verifier wants it."""
    return {"role": "assistant", "content": f"{before}Answer: {number}"}
