"""Where a series changes: pure functions of a list of numbers, by ranks and medians, so that one wild step moves little.

Values that were not logged (nan) are left out. Every function that decides says how often it is wrong on values that
are independent and of one distribution. The values of a training run are neither: neighbours are alike. A reader of
these results therefore also asks how large a change is, beside how unlikely.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import erfc, exp, isfinite, sqrt
from statistics import median

SHORTEST = 5  # values on either side of a change: a median of fewer follows single steps


@dataclass(frozen=True)
class Change:
    """From one level to another. ``index`` is that of the first value after it."""

    index: int
    before: float  # median of the piece before, and of the piece after
    after: float
    chance: float  # how often values without any change look as changed


def finite(values: Sequence[float]) -> list[tuple[int, float]]:
    """The values that are numbers, each with its index."""
    return [(index, value) for index, value in enumerate(values) if isfinite(value)]


def ranks(values: Sequence[float]) -> list[float]:
    """The rank of each value, from 1; equal values share the mean of their ranks."""
    order = sorted(range(len(values)), key=values.__getitem__)
    found, place = [0.0] * len(values), 0
    while place < len(order):
        last = place
        while last + 1 < len(order) and values[order[last + 1]] == values[order[place]]:
            last += 1
        for index in order[place : last + 1]:
            found[index] = (place + last) / 2 + 1
        place = last + 1
    return found


def pettitt(values: Sequence[float], *, shortest: int = SHORTEST) -> tuple[int, float]:
    """The most likely place of one change, and its chance: Pettitt's rank test (1979).

    U_t = 2 sum of the first t ranks - t (n + 1), chance = 2 exp(-6 max |U|^2 / (n^3 + n^2)), an upper bound in practice.
    """
    n, total, best, place = len(values), 0.0, -1.0, 0
    for t, rank in enumerate(ranks(values), start=1):
        total += rank
        u = abs(2 * total - t * (n + 1))
        if shortest <= t <= n - shortest and u > best:
            best, place = u, t
    return place, min(1.0, 2 * exp(-6 * max(0.0, best) ** 2 / (n**3 + n**2))) if best >= 0 else 1.0


def change_points(values: Sequence[float], *, alarm: float = 0.01, shortest: int = SHORTEST) -> list[Change]:
    """Where the level changes, in order: the most likely place, then the same in both pieces.

    On independent values of one distribution at most a share of ``alarm`` of the series has any. A trend is cut into
    levels too: ``trend`` tells it apart.
    """
    known = finite(values)
    cuts = sorted(cut_points([value for _, value in known], 0, alarm, shortest))
    edges = [0, *(place for place, _ in cuts), len(known)]
    pieces = [median(value for _, value in known[a:b]) for a, b in pairwise(edges)] if cuts else []
    return [Change(known[place][0], pieces[i], pieces[i + 1], chance) for i, (place, chance) in enumerate(cuts)]


def cut_points(values: Sequence[float], offset: int, alarm: float, shortest: int) -> list[tuple[int, float]]:
    if len(values) < 2 * shortest:
        return []
    place, chance = pettitt(values, shortest=shortest)
    if chance > alarm:
        return []
    left, right = values[:place], values[place:]
    deeper = [cut_points(left, offset, alarm, shortest), cut_points(right, offset + place, alarm, shortest)]
    return [(offset + place, chance), *deeper[0], *deeper[1]]


def largest(changes: list[Change], count: int) -> list[Change]:
    """The changes of level between which most lies, in order."""
    kept = sorted(changes, key=lambda change: -abs(change.after - change.before))[:count]
    return sorted(kept, key=lambda change: change.index)


def noise(values: Sequence[float]) -> float:
    """How much a value differs from the next where nothing changes: 1.05 times the median step from one to the next.

    For independent normal values this is their standard deviation. A level that changes now and then does not count.
    """
    known = [value for _, value in finite(values)]
    steps = [abs(b - a) for a, b in pairwise(known)]
    return 1.05 * median(steps) if steps else 0.0


def trend(values: Sequence[float]) -> tuple[float, float]:
    """Rank correlation with time (Spearman's rho, -1 to 1), and its chance by the normal law: rho sqrt(n - 1).

    Independent values have a chance below 0.01 in one series of a hundred.
    """
    known = [value for _, value in finite(values)]
    n = len(known)
    if n < 3 or min(known) == max(known):
        return 0.0, 1.0
    place, middle = ranks(known), (n + 1) / 2
    with_time = sum((rank - middle) * (t - middle) for t, rank in enumerate(place, start=1))
    spread = sum((rank - middle) ** 2 for rank in place) * (n**3 - n) / 12
    rho = with_time / sqrt(spread)
    return rho, erfc(abs(rho) * sqrt((n - 1) / 2))
