"""Which mistake is it? First the catalogue, then slips that any function can have, then two of these at once."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .bug import Bug
from .compare import Outcome, outcome, same
from .exercise import Case, Exercise
from .observations import Trial, observation
from .slips import Slip, fitted, slips_of_inputs, slips_of_numbers, slips_of_results, slips_of_words

FEW, MANY = 3, 8  # wrong numbers that a mistake has to explain: alone, and together with a slip


@dataclass(frozen=True)
class Found:
    """A mistake that gives the learner's results: of the catalogue, a slip, or one on top of the other."""

    bug: Bug | None = None
    slip: str = ""
    simplest_only: bool = False  # it gives the simplest wrong result, but not all of them


def recognise(exercise: Exercise, bugs: list[Bug], trials: list[Trial]) -> Found | None:
    """What ``search`` finds. Torch warns of some mistakes that are tried, and the learner made none of those."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return search(exercise, bugs, trials)


def search(exercise: Exercise, bugs: list[Bug], trials: list[Trial]) -> Found | None:
    """The mistake that gives the learner's results, value for value and gradient for gradient.

    ``trials``: from the simplest on, some of them wrong. An entry that agrees in all cases comes first. One that agrees
    wherever the learner is wrong is as good, since the learner may have made it in one branch only.
    """
    here = [bug for bug in bugs if bug.breaks == exercise.name]
    if bug := first(here, plain_ones(trials)):
        return Found(bug)
    wrong = [trial for trial in trials if not trial.right]
    if any(isinstance(trial.got, BaseException) for trial in wrong) or numbers_wrong(wrong) < FEW:
        return None
    reference, words = exercise.reference, list(slips_of_words([trial.case for trial in trials]))
    if slip := first_slip(words, reference, wrong):
        return Found(slip=slip.says)
    if len(wrong) > 1 and (bug := first(here, plain_ones(wrong))):
        return Found(bug)
    whole = max((trial.case for trial in wrong), key=lambda case: len(case.options))  # with all options that there are
    common = list(slips_of_inputs(whole))
    shares = tells_little(whole, wrong[0].wanted.value)
    more = list(slips_of_results(wrong[0].got, wrong[0].wanted, fit=len(wrong) >= FEW))
    more += [] if shares else [*common, *slips_of_numbers(whole)]  # many a wrong input gives one and the same share
    if slip := first_slip(more, reference, wrong):
        return Found(slip=slip.says)
    if says := observation(wrong):
        return Found(slip=says)
    if not shares and (found := two_at_once(here, common, wrong)):
        return found
    alike = [bug for bug in here if first([bug], wrong[:1])] if numbers_wrong(wrong[:1]) >= FEW else []
    return next((Found(bug, simplest_only=True) for bug in alike if agreeing(bug, wrong) >= 2), None)


def tells_little(case: Case, target: Any) -> bool:
    """Whether a result holds too little to tell slips apart: one share, or yes and no made of numbers."""
    if case.differentiable or not isinstance(target, Tensor):
        return False
    of_numbers = any(isinstance(x, Tensor) and x.is_floating_point() for x in case.arguments.values())
    return target.dim() == 0 or (target.dtype == torch.bool and of_numbers)


def plain_ones(trials: list[Trial]) -> list[Trial]:
    """Without the edge cases, such as an empty row: two people can make one mistake and treat those differently.

    But if only an edge case is wrong, it is what the mistake is about.
    """
    plain = [trial for trial in trials if not trial.case.edge]
    return trials if all(trial.right for trial in plain) else plain


def first(bugs: list[Bug], trials: list[Trial]) -> Bug | None:
    """The first entry that gives the learner's results, written in any of its ways."""
    return next((bug for bug in bugs if any(explains(version, trials) for version in bug.versions)), None)


def first_slip(slips: list[Slip], function: Callable, trials: list[Trial]) -> Slip | None:
    return next((slip for slip in slips if explains(slip.on(function), trials)), None)


def explains(function: Callable, trials: list[Trial]) -> bool:
    return all(same(trial.got, outcome(function, trial.case), trial.case) for trial in trials)


def agreeing(bug: Bug, trials: list[Trial]) -> int:
    """In how many of these cases the entry gives the learner's result. One of them may be by chance."""
    return sum(first([bug], [trial]) is not None for trial in trials)


def two_at_once(bugs: list[Bug], slips: list[Slip], wrong: list[Trial]) -> Found | None:
    """An entry of the catalogue with a slip on top. There are hundreds of pairs, so it takes many numbers to tell."""
    wrong = plain_ones(wrong)
    if numbers_wrong(wrong) < MANY or len(wrong) < FEW:
        return None
    for bug in bugs:
        if all(same(outcome(bug.wrong, trial.case), trial.wanted, trial.case) for trial in wrong):
            continue  # it shows in none of these cases
        made = outcome(bug.wrong, wrong[0].case)
        scaled = list(fitted(wrong[0].got.value, made.value)) if isinstance(made, Outcome) else []
        if slip := first_slip([*scaled, *slips], bug.wrong, wrong):
            return Found(bug, slip.says)
    return None


def numbers_wrong(trials: list[Trial]) -> int:
    """How many numbers are not the reference's. A few can agree with a mistake by chance, a share above all."""
    return sum(count_wrong(trial.got, trial.wanted) for trial in trials)


def count_wrong(got: Outcome, wanted: Outcome) -> int:
    yours, target = got.value, wanted.value
    if not (isinstance(yours, Tensor) and isinstance(target, Tensor)):
        return 2
    if yours.shape != target.shape:
        return max(yours.numel(), target.numel(), 2)
    pairs = [(yours, target), *zip(got.gradients, wanted.gradients, strict=False)]
    if got.cut != wanted.cut:
        return max(yours.numel(), 2)
    return sum(int((~torch.isclose(a.double(), b.double(), equal_nan=True)).sum()) for a, b in pairs)
