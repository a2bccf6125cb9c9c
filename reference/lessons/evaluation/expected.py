"""What each way of counting several samples expects: over every choice of k among the samples of a problem, without drawing.

A problem is a row of votes: how many of its samples gave the right answer, each wrong one, and none at all.
"""

from collections import Counter
from collections.abc import Collection, Hashable, Sequence
from functools import lru_cache
from math import comb
from typing import NamedTuple

import numpy as np

from reference.evaluation.statistics import pass_at_k
from reference.objectives.shapes import InputError


class Votes(NamedTuple):
    """How the samples of one problem answered."""

    right: int
    wrong: tuple[int, ...] = ()  # one number for each wrong answer
    none: int = 0  # samples without an answer

    @property
    def samples(self) -> int:
        return self.right + sum(self.wrong) + self.none


def votes_of(answers: Collection[Hashable | None], truth: Hashable) -> Votes:
    """The votes of a list of answers. None is a sample without an answer, and one that was cut off has none."""
    counts = Counter(answers)
    wrong = tuple(count for answer, count in counts.items() if answer is not None and answer != truth)
    return Votes(counts[truth], tuple(sorted(wrong, reverse=True)), counts[None])


def expected_pass(problems: Sequence[Votes], k: int) -> float:
    """Mean of the unbiased pass@k. It does not depend on how many samples there are, as long as there are k."""
    return sum(pass_at_k(votes.right, votes.samples, k) for votes in problems) / len(problems)


def expected_power(problems: Sequence[Votes], k: int, *, samples: int) -> float:
    """Mean of 1 - (1 - c/n)^k that n = ``samples`` samples give, over every choice of n among those that there are."""
    return sum(power_of_one(votes.right, votes.samples, k, samples) for votes in problems) / len(problems)


def power_of_one(right: int, total: int, k: int, n: int) -> float:
    """The same for one problem: c right ones among n are drawn from ``total``, of which ``right`` are right."""
    if n > total:
        raise InputError(f"samples is {n}, and a problem has {total} of them: choose at most as many")
    ways = [(c, comb(right, c) * comb(total - right, n - c)) for c in range(min(right, n) + 1)]
    return sum(count * (1 - (1 - c / n) ** k) for c, count in ways) / comb(total, n)


def expected_majority(problems: Sequence[Votes], k: int) -> float:
    """Mean score of a vote among k samples, a tie of m answers counting 1/m, over every choice of k among the samples."""
    return sum(majority_by_k(votes)[k] for votes in problems) / len(problems)


@lru_cache(maxsize=4096)
def majority_by_k(votes: Votes) -> tuple[float, ...]:
    """Expected score of a vote among k samples of one problem, for k from 0 to all of them.

    For each number of right answers in the choice: how many choices of the others leave none ahead of them, by size and by
    the number of answers that are level.
    """
    total = votes.samples
    score = np.zeros(total + 1)
    for r in range(1, votes.right + 1):
        level = [np.array([float(comb(votes.none, x)) for x in range(votes.none + 1)])]
        for size in votes.wrong:
            level = one_more(level, size, r)
        for ties, ways in enumerate(level):
            score[r : r + len(ways)] += comb(votes.right, r) * ways / (ties + 1)
    return tuple(float(score[k] / comb(total, k)) for k in range(total + 1))


def one_more(level: list[np.ndarray], size: int, r: int) -> list[np.ndarray]:
    """The ways by size, for each number of answers with r votes, after one more wrong answer with ``size`` samples."""
    behind = np.array([float(comb(size, x)) for x in range(min(size, r - 1) + 1)])
    length = max(map(len, level)) + size
    found = [np.zeros(length) for _ in range(len(level) + (size >= r))]
    for ties, ways in enumerate(level):
        product = np.convolve(ways, behind)
        found[ties][: len(product)] += product
        if size >= r:
            found[ties + 1][r : r + len(ways)] += comb(size, r) * ways
    return found
