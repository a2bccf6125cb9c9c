"""The exercises extract_answer, pass_at_k, majority_vote, contaminated."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from reference.evaluation.answers import extract_answer
from reference.evaluation.contamination import contaminated
from reference.evaluation.statistics import majority_vote, pass_at_k
from reference.teaching.exercise import Case, Exercise

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
    value = value.item() if isinstance(value, Tensor) and value.numel() == 1 else value
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
    return float(value) if isinstance(value, Fraction) else value


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
    value = function(text, list(corpus), **options)
    value = value.item() if isinstance(value, Tensor) and value.numel() == 1 else value
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


EXERCISES = {
    "extract_answer": Exercise(
        extract_answer,
        extract_answer_cases,
        (
            "Which numbers of a completion are its answer, and which are steps on the way? How does the completion say so, and "
            "what if it says so twice?",
            "Find the last mark. Without one there is no answer. Then take what stands behind the mark, up to the end of the "
            "line, and read it as one number.",
            'mark = text.rfind("Answer:") is -1 where there is none. read_number gives None for anything that is not one number.',
        ),
        """
from reference.evaluation.answers import read_number

def extract_answer(text):
    mark = text.rfind("Answer:")
    if mark < 0:
        return None
    line = text[mark + len("Answer:") :].partition("\\n")[0]
    return read_number(line)
""",
        in_words=lambda case, value: value,
    ),
    "pass_at_k": Exercise(
        pass_at_k,
        pass_at_k_cases,
        (
            "Draw k of the n samples, without putting one back. When is none of them right? Of how many samples have they all "
            "been drawn then?",
            "There are C(n, k) ways to draw k samples, and C(n - c, k) ways to draw wrong ones only. What is the probability "
            "of the opposite? And what can be said for k above n?",
            "math.comb(n - c, k) / math.comb(n, k) is the probability that none is right. Refuse k > n before, with a "
            "ValueError. Whole numbers of Python never overflow.",
        ),
        """
from math import comb

def pass_at_k(num_correct, num_samples, k):
    if k > num_samples:
        raise ValueError("more than was sampled")
    return 1 - comb(num_samples - num_correct, k) / comb(num_samples, k)
""",
    ),
    "majority_vote": Exercise(
        majority_vote,
        majority_vote_cases,
        (
            "What should happen to a completion from which no answer could be read? And what do you return if two answers have "
            "equally many votes?",
            "Count the answers that are not None. Then keep every answer whose count is the largest one. What is the largest "
            "count if nobody has voted?",
            "collections.Counter keeps the order of first appearance, and max(votes.values(), default=0) works for no votes.",
        ),
        """
from collections import Counter

def majority_vote(answers):
    votes = Counter(answer for answer in answers if answer is not None)
    most = max(votes.values(), default=0)
    return [answer for answer, count in votes.items() if count == most]
""",
    ),
    "contaminated": Exercise(
        contaminated,
        contaminated_cases,
        (
            "Which of two sets is the whole: the n-grams of the text, or those of the corpus? The question is how much of the "
            "text is known, and not how much of the corpus it is.",
            "Make one set of the n-grams of all documents, each document by itself. Then count which n-grams of the text are "
            "in it. What becomes of a text that has fewer than n words?",
            "n = min(n, len(words(text))) for a short text, in the corpus as well. ngrams(text, n) & seen has the shared ones.",
        ),
        """
from reference.evaluation.contamination import ngrams, words

def contaminated(text, corpus, *, n, threshold):
    n = min(n, len(words(text)))
    own, seen = ngrams(text, n), {gram for document in corpus for gram in ngrams(document, n)}
    return len(own & seen) / len(own) >= threshold
""",
        in_words=lambda case, value: value,
    ),
}
