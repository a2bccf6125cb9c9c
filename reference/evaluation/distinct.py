"""How many different things there are among many, and among so many as another file has: n-grams, completions, answers.

The more is drawn, the more of it repeats. So shares of different n-grams can only be compared for equal numbers of n-grams.
``expected_distinct`` has the mean over all subsets of one size, exactly and without a random number.
"""

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from math import expm1, log1p
from typing import NamedTuple

from reference.objectives.shapes import InputError

WORD = re.compile(r"[^\W\d_]+|\d+|[^\w\s]|_")  # letters, a number, or one sign


class Times(NamedTuple):
    """How often things occur: all that is needed of them to say how many differ in a part of them."""

    total: int  # things, the equal ones too
    kinds: dict[int, int]  # how many different ones occur exactly so many times

    @property
    def distinct(self) -> int:
        return sum(self.kinds.values())


def count_times(things: Iterable[Hashable], *, total: int | None = None) -> Times:
    """``total``: of all, where some of them are no kind of their own, such as completions without an answer."""
    each = Counter(things)
    return Times(each.total() if total is None else total, dict(Counter(each.values())))


def expected_distinct(times: Times, count: int) -> float:
    """How many different ones are among ``count`` of the things, mean over all subsets of that size.

        sum over the different ones of   1 - C(N - m, count) / C(N, count)      N = total, m = times that it occurs

    A kind is missed where all that is drawn is of other kinds. It is ``pass_at_k`` with the things of a kind as the right
    ones, added up over the kinds. Ecology calls it rarefaction: Hurlbert (1971). Raises ``InputError`` unless 1 <= count <= N.
    """
    if not 1 <= count <= times.total:
        raise InputError(f"count is {count}, expected 1 to the {times.total} that there are: no more can be drawn")
    return sum(kinds * drawn(times.total, m, count) for m, kinds in times.kinds.items())


def drawn(total: int, times: int, count: int) -> float:
    """1 - C(total - times, count) / C(total, count): the share of subsets that have one of so many equal things.

    The quotient is a product of 1 - larger / (total - j), j < smaller, of ``times`` and ``count``. Factorials of a million
    would lose the digits of a small share.
    """
    if total - times < count:
        return 1.0
    smaller, larger = sorted((times, count))
    return -expm1(sum(log1p(-larger / (total - j)) for j in range(smaller)))


def words_of(text: str) -> list[str]:
    """Words, numbers and single signs, without what is white: ``Check: 50-3=47`` has seven."""
    return WORD.findall(text)


def ngram_times(texts: Sequence[str], n: int) -> Times:
    """How often each n-gram occurs in all texts together. None goes from one text into the next."""
    if n < 1:
        raise InputError(f"n is {n}, expected at least 1: an n-gram has n words")
    words = [words_of(text) for text in texts]
    return count_times(tuple(each[i : i + n]) for each in words for i in range(len(each) - n + 1))


def distinct_ngrams(texts: Sequence[str], n: int, *, count: int | None = None) -> float:
    """distinct-n: different n-grams of all texts together / n-grams, from 0 to 1. Low where texts repeat each other.

    It falls as texts get more or longer, since what comes later was there before. So a policy that only writes more has a
    lower share. To compare two sets of texts, give both the same ``count``: the share is then of so many n-grams, the mean
    over all choices of them. Without ``count`` it is of all. Li et al. (1510.03055) divide by the number of words, and not
    of n-grams, which is larger by n - 1 for each text. Raises ``InputError`` for n below 1, texts without an n-gram, and a
    count above the number of n-grams.
    """
    times = ngram_times(texts, n)
    if not times.total:
        raise InputError(f"no text has {n} words, so there is no {n}-gram: ask for a smaller n")
    count = times.total if count is None else count
    return expected_distinct(times, count) / count
