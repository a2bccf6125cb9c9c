"""Two files of completions on the same problems: by how much one is better, and whether that can be chance.

The difference of two scores on the same problems is known far better than either score: a problem that both solve, or
neither, adds nothing to its noise.
"""

import math
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from reference.evaluation.judging import compared
from reference.evaluation.printable import counted, file_name, printable
from reference.evaluation.scores import Scores
from reference.objectives.shapes import InputError, typed


@typed
def mcnemar(only_first: int, only_second: int) -> float:
    """Exact p-value of McNemar's test, two-sided: are the problems that only one of two models solves split by chance?

        min(1, 2 * sum_{i = 0}^{min(b, c)} C(b + c, i) / 2^(b + c))          b = only_first, c = only_second

    Problems that both solve, or neither, do not count. Under the hypothesis of no difference each of the others falls
    on either side like a fair coin. No such problem at all gives 1. McNemar (1947), in its exact form, the sign test;
    the common chi-squared form is an approximation for b + c above about 25. Raises ``InputError`` for negative counts.
    """
    if only_first < 0 or only_second < 0:
        raise InputError(f"only_first is {only_first} and only_second {only_second}: expected counts from 0 on")
    n, fewer = only_first + only_second, min(only_first, only_second)
    if n > EXACT:  # the binomials would have thousands of digits: each term from the one before, in logarithms
        logs = np.cumsum([-n * math.log(2), *np.log((n - np.arange(fewer)) / (np.arange(fewer) + 1))])
        return float(min(1.0, 2 * np.exp(logs).sum()))
    term, total = 1, 1
    for i in range(fewer):
        term = term * (n - i) // (i + 1)
        total += term
    return float(min(Fraction(1), Fraction(2 * total, 2**n)))


EXACT = 5000  # discordant problems up to which the sum is made of whole numbers


@typed
def difference_interval(
    differences: Collection, *, level: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """Bootstrap interval of the mean of per-problem differences, second minus first.

    The same as ``statistics.bootstrap_interval``, which holds all resamples at once: with 50,000 problems these are
    gigabytes. Here it is drawn how often each *value* comes up, which for few values costs nothing. Efron (1979).
    Raises ``InputError`` for no differences, and for a level outside (0, 1).
    """
    if not differences or not 0 < level < 1 or resamples < 1:
        raise InputError(f"{len(differences)} differences, level={level}, resamples={resamples}: expected at least one difference, a level between 0 and 1 and at least one resample")  # fmt: skip
    counts = Counter(differences)
    values = np.array([float(value) for value in counts])
    shares = np.array(list(counts.values())) / len(differences)
    generator, means = np.random.default_rng(seed), []
    at_once = max(1, 10**7 // len(values))
    for first in range(0, resamples, at_once):
        drawn = generator.multinomial(len(differences), shares, size=min(at_once, resamples - first))
        means.append(drawn @ values / len(differences))
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


@dataclass(frozen=True)
class Paired:
    """Two files under one extractor, on the problems that both have. Shares and differences from -1 to 1."""

    extractor: str
    problems: int
    first: float
    second: float
    difference: float  # second minus first
    interval: tuple[float, float]  # 95 %
    first_better: int  # problems of which the first file has the larger share of right completions
    second_better: int
    p_value: float
    only_in_first: int  # problems, not compared
    only_in_second: int
    other_gold: int  # problems whose gold answers differ, not compared

    @property
    def claim(self) -> bool:
        """Whether one file can be called better: p is below 0.05, and 0 lies outside of the interval."""
        return self.p_value < 0.05 and not self.interval[0] <= 0 <= self.interval[1]


def compare(first: Scores, second: Scores, extractor: str) -> Paired:
    """Compare two files on the problems of the same id.

    The difference is that of the shares of right completions, a problem at a time. McNemar's test counts the problems
    on which either file has the larger share: with one completion per problem that is the usual test, with several it
    is the sign test, which sees how often one file is better and not by how much. Raises ``InputError`` if no problem
    is in both files.
    """
    shares = [shares_of(scores, extractor) for scores in (first, second)]
    golds = [
        {key: set(map(compared, known[0])) for key, known in scores.reading.problems.items()}
        for scores in (first, second)
    ]
    both = [key for key in shares[0] if key in shares[1]]
    same = [key for key in both if golds[0][key] & golds[1][key]]
    if not same:
        raise InputError(no_common_problem(first, second, len(both)))
    differences = [shares[1][key] - shares[0][key] for key in same]
    better = [sum(d < 0 for d in differences), sum(d > 0 for d in differences)]
    rates = [float(sum(share[key] for key in same) / len(same)) for share in shares]
    return Paired(
        extractor=extractor, problems=len(same), first=rates[0], second=rates[1],
        difference=float(sum(differences) / len(same)), interval=difference_interval(differences),
        first_better=better[0], second_better=better[1], p_value=mcnemar(*better),
        only_in_first=len(shares[0]) - len(both), only_in_second=len(shares[1]) - len(both),
        other_gold=len(both) - len(same),
    )  # fmt: skip


def shares_of(scores: Scores, extractor: str) -> dict[str, Fraction]:
    """The share of right completions of each problem, exact, so that 1/3 and 2/6 are equal."""
    if extractor not in scores.extractors:
        raise InputError(f"there is no score under {extractor!r}; there are {', '.join(scores.extractors)}")
    counts = zip(scores.ids, scores.right[extractor], scores.samples, strict=True)
    return {key: Fraction(c, n) for key, c, n in counts}


def no_common_problem(first: Scores, second: Scores, both: int) -> str:
    paths = f"{file_name(first.reading.path)} and {file_name(second.reading.path)}"
    if both:
        return f"{paths} have {counted(both, 'problem')} of the same id, but every one has another gold answer in the other file"
    return (
        f"{paths} have no problem in common: the first file has "
        f"'{printable(first.ids[0], 40)}', the second '{printable(second.ids[0], 40)}'; "
        "name a field that both have with --id"
    )
