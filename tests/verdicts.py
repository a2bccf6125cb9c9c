"""The verdict of ``check`` on a function, without printing it."""

from collections.abc import Callable

from reference.lessons import BUGS, EXERCISES
from reference.teaching import check


def judge(name: str, function: Callable, seed: int = check.SEED) -> check.Verdict:
    return check.judge(EXERCISES[name], BUGS, function, seed)
