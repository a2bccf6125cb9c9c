"""Chain arithmetic: problems with one exact answer, solutions of very different quality, and the verifier.

A problem is a chain such as ``47+8-5+9``. A solution is text that ends in ``Answer: 59``. People who write
solutions are careful, hasty or sloppy, and the longer the chain the hastier they get. A model that imitates all of
them is right about half of the time, which is what makes reinforcement learning worth watching: the knowledge is
there, the habit is not.

Nothing here depends on torch; every draw comes from the ``random.Random`` that the caller passes in.
"""

import random
import re
import zlib
from dataclasses import dataclass
from typing import Literal, get_args

Style = Literal["careful", "hasty", "sloppy"]

MIN_STEPS, MAX_STEPS = 2, 6
HELD_OUT_SHARE = 10  # one problem in ten is never trained on

# P(style | number of steps). Where "hasty" passes one half the most likely answer is a guess: greedy decoding fails there.
HASTY = {2: 0.12, 3: 0.18, 4: 0.28, 5: 0.44, 6: 0.60}
SLOPPY = {2: 0.25, 3: 0.25, 4: 0.22, 5: 0.20, 6: 0.16}

OPENINGS = (
    "Let's see.",
    "Okay, step by step.",
    "Let me work this out.",
    "Fine, I will try to keep it short and clear.",
)
REMARKS = ("So far so good.", "Moving on.", "Next one.", "That looks right, I think, so I go on.")


@dataclass(frozen=True)
class Problem:
    """A chain of additions and subtractions whose running value stays within 0..99."""

    expression: str
    steps: tuple[tuple[int, str, int, int], ...]  # (left, sign, right, result), in order

    @property
    def question(self) -> str:
        return f"What is {self.expression}?"

    @property
    def answer(self) -> int:
        return self.steps[-1][3]

    @property
    def held_out(self) -> bool:
        """True for the tenth of all problems, fixed by a checksum of the text, that no training ever sees."""
        return zlib.crc32(self.expression.encode()) % HELD_OUT_SHARE == 0


def draw_problem(rng: random.Random, *, held_out: bool = False, num_steps: int | None = None) -> Problem:
    """One random problem from the training split, or from the held-out split."""
    while True:
        count = num_steps or rng.randint(MIN_STEPS, MAX_STEPS)
        value = rng.randint(1, 99)
        expression, steps = str(value), []
        for _ in range(count):
            right = rng.randint(1, 9)
            sign = rng.choice([s for s in "+-" if 0 <= apply(value, s, right) <= 99])
            steps.append((value, sign, right, apply(value, sign, right)))
            expression += f"{sign}{right}"
            value = steps[-1][3]
        problem = Problem(expression, tuple(steps))
        if problem.held_out == held_out:
            return problem


def apply(left: int, sign: str, right: int) -> int:
    return left + right if sign == "+" else left - right


def draw_solution(problem: Problem, rng: random.Random, *, style: Style | None = None) -> str:
    """A solution in the given style, or in one drawn at random. Length varies on its own, whatever the style.

    careful: every step, and right.  sloppy: every step, one of them wrong.  hasty: no steps, the answer is guessed.
    """
    if style not in (None, *get_args(Style)):
        raise ValueError(f"style is {style!r}, expected 'careful', 'hasty', 'sloppy', or None for one drawn at random")
    share = rng.random()  # drawn even where a style is given: what follows is then the same draw in either case
    hasty, sloppy = HASTY[len(problem.steps)], SLOPPY[len(problem.steps)]
    if style is None:
        style = "hasty" if share < hasty else "sloppy" if share < hasty + sloppy else "careful"
    lines = [rng.choice(OPENINGS)] if rng.random() < 0.4 else []
    if style == "hasty":
        return "\n".join([*lines, f"Answer: {guess(problem, rng)}"])
    wrong_at = rng.randrange(len(problem.steps)) if style == "sloppy" else None
    chatty = rng.random() < 0.3
    value = problem.steps[0][0]
    for index, (_, sign, right, _) in enumerate(problem.steps):
        left, value = value, apply(value, sign, right)
        if index == wrong_at:
            value = slip(value, rng)
        lines += write_step(left, sign, right, value, rng, chatty=chatty, honest=index != wrong_at)
    return "\n".join([*lines, f"Answer: {value}"])


def write_step(
    left: int, sign: str, right: int, value: int, rng: random.Random, *, chatty: bool, honest: bool
) -> list[str]:
    """The lines of one step: the sum, now and then a false start taken back, a check by the inverse sum, a remark."""
    lines = [f"{left}{sign}{right}={value}"]
    if honest and rng.random() < 0.04:
        lines = [f"{left}{sign}{right}={slip(value, rng)}", f"Wait, {lines[0]}"]
    if honest and rng.random() < (0.25 if chatty else 0.03):
        lines.append(f"Check: {value}{'-' if sign == '+' else '+'}{right}={left}")
    if chatty and rng.random() < 0.4:
        lines.append(rng.choice(REMARKS))
    return lines


def slip(value: int, rng: random.Random) -> int:
    """A plausible wrong result: off by one, two or ten."""
    return rng.choice([v for v in (value - 10, value - 2, value - 1, value + 1, value + 2, value + 10) if 0 <= v <= 99])


def guess(problem: Problem, rng: random.Random) -> int:
    """What a hasty person writes: near the answer, right about one time in eight."""
    return min(99, max(0, problem.answer + round(rng.gauss(0, 3.2))))


def chat(problem: Problem, solution: str | None = None) -> list[dict[str, str]]:
    """The problem as chat messages, with the assistant's turn when a solution is given."""
    messages = [{"role": "user", "content": problem.question}]
    return messages if solution is None else [*messages, {"role": "assistant", "content": solution}]


def verify(problem: Problem, completion: str) -> float:
    """1.0 if the last line is exactly ``Answer: N`` with the right N, else 0.0. No partial credit, no guessing."""
    match = re.search(r"(?:^|\n)Answer: (0|[1-9][0-9]?)\s*$", completion)
    return float(match is not None and int(match[1]) == problem.answer)
