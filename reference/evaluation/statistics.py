"""The mathematics of evaluation: pass@k, majority vote, and how sure one can be of a score.

Shares are numbers from 0 to 1. The unit that is drawn at random is the *problem*: intervals count problems, not
completions, because the completions of one problem are not independent of each other.
"""

import math
from collections import Counter
from collections.abc import Callable, Collection, Hashable
from typing import Literal

import torch
from torch import Tensor

from reference.objectives.shapes import InputError, typed, value_text

MOST = 10_000_000  # resamples: torch finds the quantiles of 2**24 numbers, not of more


@typed
def pass_at_k(num_correct: int, num_samples: int, k: int) -> float:
    """pass@k: probability that at least one of k completions is right, from n samples of which c are right. Unbiased.

        1 - C(n - c, k) / C(n, k)          n = num_samples, c = num_correct

    pass@1 is c / n. The mean, over all subsets of k of the n samples, of "one of them is right". For one problem:
    average over problems. 1 - (1 - c/n)^k, which draws with replacement, is too low: 0.684 instead of 1 for n = k = 4,
    c = 1. Sample more than k (n = k is unbiased too, but only 0 or 1). Raises ``InputError`` unless 0 <= c <= n and 1
    <= k <= n. Chen et al. (2107.03374, eq. 1); NeMo-RL, open-instruct, prime-rl and slime do this; OpenRLHF takes the
    max over n; verl's best@N draws with replacement.
    """
    if not 0 <= num_correct <= num_samples:
        raise InputError(f"num_correct is {num_correct}, expected 0 to num_samples = {num_samples}")
    if not 1 <= k <= num_samples:
        raise InputError(
            f"k is {k}, expected 1 to num_samples = {num_samples}: more than was sampled cannot be drawn from it"
        )
    return 1 - math.comb(num_samples - num_correct, k) / math.comb(num_samples, k)  # exact integers: nothing overflows


@typed
def majority_vote(answers: Collection) -> list[Hashable]:
    """The most frequent answers, all of them where there is a tie, in the order in which they first appear.

    None is a completion from which no answer could be extracted: it does not vote. No votes at all give [].
    Self-consistency (2203.11171). How a tie is scored is the caller's choice to state: ``majority_score``. Raises
    ``InputError`` for answers that are no list, and for tensors among them: two of them never count as one answer.
    """
    if isinstance(answers, str | Tensor):
        raise InputError(f"answers is a {type(answers).__name__}, expected a list with one answer per completion")
    if any(isinstance(answer, Tensor) for answer in answers):
        raise InputError("answers holds tensors, and no two of them count as one answer: pass their .item()")
    try:
        votes = Counter(answer for answer in answers if answer is not None)
    except TypeError:
        raise InputError("answers holds what cannot be counted, such as a list: pass text or numbers") from None
    most = max(votes.values(), default=0)
    return [answer for answer, count in votes.items() if count == most]


@typed
def majority_score(
    answers: Collection, truth: Hashable, *, ties: Literal["split", "first", "wrong"] = "split"
) -> float:
    """Score of one problem under majority vote (maj@k, cons@k): 1 if the vote is right, ties as ``ties`` says.

        split   1 / number of tied answers if the truth is among them: the mean of a random tie-break
        first   whichever of the tied answers appeared first (NeMo-RL's cons@k)
        wrong   a tie is no majority

    "first" depends on the order of the samples, so it is noise; the rules differ most for few samples: with two of them
    every disagreement is a tie. Raises ``InputError`` for no answers, an unknown rule, and a truth of None.
    """
    winners = majority_vote(answers)
    if len(answers) == 0:
        raise InputError("answers is empty: pass one entry per completion, None where no answer could be extracted")
    if truth is None or isinstance(truth, Tensor):
        raise InputError(f"truth is {value_text(truth)}, which no answer is equal to: pass the right answer")
    if truth not in winners:
        return 0.0
    if len(winners) == 1:
        return 1.0
    return {"split": 1 / len(winners), "first": float(winners[0] == truth), "wrong": 0.0}[ties]


@typed
def wilson_interval(share: float, n: int, *, z: float = 1.96) -> tuple[float, float]:
    """95 % confidence interval of a share of n independent trials. Honest at 0 and 1, unlike share +- z * se.

        middle = (share + z^2 / 2n) / (1 + z^2 / n)
        half = z / (1 + z^2 / n) * sqrt(share * (1 - share) / n + z^2 / 4n^2)

    For a mean over several samples per problem, n is the number of problems, which is conservative. Wilson (1927).
    Raises ``InputError`` for a share outside [0, 1], n below 1, and z not above 0.
    """
    if not 0 <= share <= 1:
        raise InputError(f"share is {share}, expected 0 to 1: divide the number of successes by n")
    if n < 1 or not 0 < z < math.inf:
        raise InputError(f"n={n} and z={z}: expected at least one trial and a finite z above 0")
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


@typed
def bootstrap_interval(
    values: Collection,
    *,
    statistic: Callable = lambda resampled: resampled.mean(dim=1),
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile confidence interval of any statistic of per-problem scores, by drawing the problems again.

    ``values``: one number per problem, such as its pass@k or its share of right samples. ``statistic`` maps (resamples,
    problems) to (resamples,). To compare two models on the same problems pass the *differences*: the interval of the
    difference is far narrower than two separate ones suggest. Too narrow for few problems (below about 30), and of no
    width when all values are equal: for a plain share use ``wilson_interval``. Efron (1979).
    Raises ``InputError`` for no values, NaN or infinities, a level outside (0, 1), and a statistic of another shape.
    """
    try:
        scores = torch.tensor([float(value) for value in values], dtype=torch.float64)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # what is no number says so in any of these ways
        scores = torch.tensor([])
    if len(scores) == 0 or not scores.isfinite().all():
        raise InputError("values must be a list of finite numbers, one per problem, at least one")
    if not 0 < level < 1 or not 1 <= resamples <= MOST:
        raise InputError(
            f"level={level} and resamples={resamples}: expected a level between 0 and 1 and 1 to {MOST} resamples"
        )
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(scores), (resamples, len(scores)), generator=generator)
    tail = (1 - level) / 2
    found = statistic(scores[drawn])
    if not isinstance(found, Tensor) or found.shape != (resamples,):
        raise InputError(
            f"statistic returned {value_text(found)}, expected one number per resample, of shape ({resamples},)"
        )
    low, high = found.double().quantile(torch.tensor([tail, 1 - tail], dtype=torch.float64)).tolist()
    return low, high
