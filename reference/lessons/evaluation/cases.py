"""What the exercises of the lesson are tried on, and what is compared of each result."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import torch

from reference.teaching.compare import plain
from reference.teaching.exercise import Case

from .completions import COMPLETIONS
from .copies import COPIES, GOODS, NAMES

DIGITS = 9  # of a probability that is compared: products and quotients of large numbers differ by rounding


def draw(g: torch.Generator, low: int, high: int) -> int:
    """A whole number from low to high."""
    return int(torch.randint(low, high + 1, (), generator=g))


def pass_at_k_cases(seed: int) -> list[Case]:
    """Counts and k, from small to large; c = 0, c = n and k = n among them. The edge cases ask for more than was sampled."""
    g = torch.Generator().manual_seed(seed)
    n = draw(g, 8, 12)
    counts = [
        (1, 4, 2), (1, 4, 4), (0, 4, 2), (4, 4, 1), (3, 5, 3), (2, n, 1), (3, n, 5), (n - 1, n, 2),
        (draw(g, 5, 20), 64, 8), (draw(g, 3, 9), 200, 100), (draw(g, 2, 6), 2000, 400),
    ]  # fmt: skip
    beyond = [(2, 4, 5), (0, 2, 5), (0, 8, 16)]
    return [
        Case({"num_correct": c, "num_samples": n, "k": k}, {}, edge=(c, n, k) in beyond, through=probability)
        for c, n, k in counts + beyond
    ]


def probability(function: Callable[..., Any], *arguments: int) -> Any:
    """What it returns, rounded, so that every right way of computing it gives one number; or that it refuses.

    Every ValueError is a refusal of what cannot be estimated.
    """
    try:
        value = function(*arguments)
    except ValueError:
        return "raises ValueError"
    value = plain(value)
    return round(float(value), DIGITS) if isinstance(value, (int, float)) else value


def majority_vote_cases(seed: int) -> list[Case]:
    """Answers of one problem: a clear vote, a narrow one, ties, answers that are missing, numbers of several types.

    The edge cases have no vote at all.
    """
    g = torch.Generator().manual_seed(seed)
    small, middle, large = draw(g, 10, 30), draw(g, 40, 60), draw(g, 70, 90)
    half = Fraction(2 * small + 1, 2)
    elections = [
        [small, small, large],
        [large, small, large, middle, small, large],
        [middle, small, middle, large, 1],
        [large, small],
        [large, middle, small, middle, large, small],
        [middle, large, small, large, middle],
        [None, None, small, None],
        [None, large, None, large, small, None, small, large, None, None],
        [None, small, None, large],
        [small, float(small), large, large, Fraction(small)],
        [half, middle, float(half), middle, float(half)],
    ]
    cases = [Case({"answers": answers}, {}, through=winners_of) for answers in elections]
    return cases + [Case({"answers": answers}, {}, edge=True, through=winners_of) for answers in ([None, None], [])]


def winners_of(function: Callable[..., Any], answers: list) -> Any:
    """What it returns, with fractions as decimal numbers: what counts is which answers these are."""
    value = function(list(answers))
    if isinstance(value, (list, tuple)):
        return [float(answer) if isinstance(answer, Fraction) else answer for answer in value]
    return f"returns {value!r}"  # None too: it is a result, and not the sign of a solution that was not begun


def contaminated_cases(seed: int) -> list[Case]:
    """Copies in part, in another order, across two documents, and texts of fewer words than n."""
    g = torch.Generator().manual_seed(seed)
    a, b = draw(g, 11, 49), draw(g, 51, 99)
    put_in = {"name": NAMES[draw(g, 0, 4)], "goods": GOODS[draw(g, 0, 4)], "a": a, "b": b}
    return [
        Case(
            {"text": text.format(**put_in), "corpus": [document.format(**put_in) for document in corpus]},
            {"n": n, "threshold": threshold},
            through=flag_of,
        )
        for text, corpus, n, threshold in COPIES
    ]


def flag_of(function: Callable[..., Any], text: str, corpus: list[str], **options: Any) -> str:
    """Whether it flags the text, in words."""
    value = plain(function(text, list(corpus), **options))
    return ("flagged" if value else "not flagged") if isinstance(value, bool) else f"returns {value!r}"


def extract_answer_cases(seed: int) -> list[Case]:
    """Completions with a declared answer, two of them or none, and numbers written in several ways.

    The only mark is ``Answer:``, and nothing but numbers stands behind it: there the whole rule and a short one are the same.
    """
    g = torch.Generator().manual_seed(seed)
    left, first, second = draw(g, 51, 89), draw(g, 2, 9), draw(g, 11, 49)
    middle = left + first
    put_in = {
        "left": left, "first": first, "second": second, "middle": middle, "right": middle - second,
        "thousands": draw(g, 2, 9), "digits": draw(g, 100, 999),
    }  # fmt: skip
    return [Case({"text": text.format(**put_in)}, {}, through=number_of) for text in COMPLETIONS]


def number_of(function: Callable[..., Any], text: str) -> str:
    """The number that it returns, in words: exact, so that the float 0.1 is not one tenth."""
    value = function(text)
    if value is None:
        return "no answer"
    exact = isinstance(value, (int, float, Fraction)) and not isinstance(value, bool) and value == value
    return str(Fraction(value)) if exact and abs(value) < 1e12 else f"returns {value!r}"
