"""How many problems it takes to tell two models apart, from their scores alone and problem by problem."""

import math

from reference.objectives.shapes import InputError

Z = 1.96  # of a 95 % interval


def spread_unpaired(first: float, second: float) -> float:
    """Variance of the difference of two scores, for one problem each: the models did different problems, one sample each."""
    return first * (1 - first) + second * (1 - second)


def spread_paired(first: float, second: float, *, disagree: float) -> float:
    """The same where both did the same problems. ``disagree``: the share on which exactly one of the two is right.

    It is at least the difference of the scores, and at most what leaves no problem that both solve, or none that both fail.
    Raises ``InputError`` for anything else.
    """
    most = min(first + second, 2 - first - second)
    if not abs(first - second) - 1e-12 <= disagree <= most + 1e-12:  # 0.90 - 0.88 is a little more than 0.02
        raise InputError(
            f"disagree is {disagree}: scores of {first} and {second} allow {abs(first - second):.3g} to {most:.3g}"
        )
    return disagree - (first - second) ** 2


def half_width(spread: float, n: float) -> float:
    """Half the width of the 95 % interval of the difference, for n problems: 1.96 sqrt(spread / n)."""
    return Z * math.sqrt(spread / n)


def problems_needed(spread: float, difference: float) -> int:
    """The smallest n whose half-width is not above the difference. About half of all measurements with n problems then see it."""
    return max(1, math.ceil((Z / difference) ** 2 * spread))
