"""What rules read from a log: pairs of step and value, and the sentence parts that name them."""

from collections.abc import Callable, Sequence
from math import isfinite
from statistics import median

from reference.doctor.log import Log

Points = list[tuple[float, float]]  # (step, value), without the steps that did not log it


def points(log: Log, name: str) -> Points:
    """The values of a scalar, each with its step; nothing where the log has no such scalar."""
    values = log.scalars.get(name, ())
    return [(step, value) for step, value in zip(log.steps, values, strict=False) if isfinite(value)]


def together(log: Log, *names: str) -> list[tuple[float, ...]]:
    """(step, value of each name) for the steps that logged all of them."""
    columns = [log.scalars.get(name, ()) for name in names]
    rows = zip(log.steps, *columns, strict=False)
    return [row for row in rows if all(map(isfinite, row[1:]))]


def values(log: Log, name: str) -> list[float]:
    return [value for _, value in points(log, name)]


def those(found: Points, test: Callable[[float], bool]) -> Points:
    return [(step, value) for step, value in found if test(value)]


def span(found: Sequence[tuple[float, ...]]) -> tuple[float, float]:
    """The first and the last step."""
    return found[0][0], found[-1][0]


def typical(numbers: Sequence[float]) -> float:
    """The median; nan of nothing."""
    return median(numbers) if numbers else float("nan")


def first_part(found: Points, share: float = 0.2) -> list[float]:
    """The values of the first part of a run, at least three of them."""
    return [value for _, value in found[: max(3, round(share * len(found)))]]


def last_part(found: Points, share: float = 0.2) -> list[float]:
    return [value for _, value in found[-max(3, round(share * len(found))) :]]


def few(count: int, of: int) -> bool:
    """Whether so many steps of a run are too few to speak of: below a tenth, or below three."""
    return count < max(3, 0.1 * of)
