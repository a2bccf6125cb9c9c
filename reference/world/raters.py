"""Raters: a model of people who are shown two completions of one problem and say which of them they like better.

    utility = RIGHT if the answer is right  +  LINE per line that is written  +  CHECK per sum that is checked
    P(a is preferred to b) = sigmoid(utility(a) - utility(b))

A rater works the sum out now and then, so a right answer counts without deciding. What costs no work is seen at once: more
lines look like more effort, and a check looks careful. With these weights a right answer wins against a wrong one of
equal length in 82 of 100 comparisons, and five lines more win in 73 of 100 between two answers that are equally right.
In what the base model writes, length says something about the answer too: short answers are mostly wrong guesses.
The choice is Bradley and Terry's (1952), which reward models assume too; the leaning towards length is what Singhal et al.
(2310.03716) and Dubois et al. (2404.04475) measure in people and in models that judge.
"""

import math
import random

from reference.objectives.shapes import InputError

RIGHT, LINE, CHECK = 1.5, 0.2, 0.3


def utility(completion: str, *, right: bool, weights: tuple[float, float, float] = (RIGHT, LINE, CHECK)) -> float:
    """How much a rater likes a completion, in nats of preference: only differences of two mean something.

    ``right``: whether the answer is. ``weights``: what a right answer, a line and a check are worth; 0 for what raters do
    not see. Raises ``InputError`` for a weight that is no finite number.
    """
    if not all(math.isfinite(weight) for weight in weights):
        raise InputError(f"weights is {weights}, expected three finite numbers: of a right answer, a line and a check")
    lines = completion.splitlines()
    checks = sum(line.startswith("Check:") for line in lines)
    return weights[0] * right + weights[1] * len(lines) + weights[2] * checks


def preference(first: float, second: float) -> float:
    """Probability that the completion with the first utility is preferred: sigmoid of the difference."""
    return 1 / (1 + math.exp(min(second - first, 700.0)))  # e^709 is the largest number there is


def prefers_first(first: float, second: float, rng: random.Random) -> bool:
    """One rater's choice between two completions, given their utilities."""
    return rng.random() < preference(first, second)
