"""What one sees in the results themselves, where no function is known that gives them: the form, a factor, NaN."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import permutations

import torch
from torch import Tensor

from .compare import Outcome, comparable, plain, same
from .exercise import Case


@dataclass(frozen=True)
class Trial:
    """One case, what the learner's function made of it, and what the reference did."""

    case: Case
    got: Outcome | BaseException
    wanted: Outcome

    @property
    def right(self) -> bool:
        return same(self.got, self.wanted, self.case)


def observation(wrong: list[Trial]) -> str:
    """A sentence that is true of every wrong case, or nothing."""
    if any(isinstance(trial.got, BaseException) for trial in wrong):
        return ""
    return next((says for look in (parts, form, not_a_number, not_zeroed, factor) if (says := look(wrong))), "")


def in_all(wrong: list[Trial], look: Callable[[Trial], str]) -> str:
    """What is seen in each of them, if it is the same."""
    seen = {look(trial) for trial in wrong}
    return seen.pop() if len(seen) == 1 else ""


def parts(wrong: list[Trial]) -> str:
    """Of a list and a number that belong together: is one of them right?"""
    return in_all(wrong, wrong_part)


def wrong_part(trial: Trial) -> str:
    yours, target = plain(trial.got.value), plain(trial.wanted.value)
    if not (isinstance(target, list) and isinstance(yours, list) and comparable(yours)) or len(target) != 2:
        return ""
    if yours == target[::-1]:
        return "both parts are right, and they have changed places"
    if len(yours) != 2 or not isinstance(yours[0], list) or type(yours[1]) is not int:
        return ""
    if yours[0] == target[0]:
        size = f"{abs(yours[1] - target[1])} too {'large' if yours[1] > target[1] else 'small'}"
        return f"the ids are right, and the index is {size}"
    return "the index is right, and the ids are not" if yours[1] == target[1] else "neither the ids nor the index is right"


def form(wrong: list[Trial]) -> str:
    """One number where several are wanted, or the other way round; a column or an axis too many."""
    return in_all(wrong, form_of)


def form_of(trial: Trial) -> str:
    yours, target = trial.got.value, trial.wanted.value
    if not (isinstance(yours, Tensor) and isinstance(target, Tensor)) or yours.shape == target.shape:
        return ""
    here, there = tuple(yours.shape), tuple(target.shape)
    count = ("one number", "one number for each row", "one number for each position")
    if len(here) < len(there) <= 2:
        return f"there is {count[len(here)]}, where {count[len(there)]} is wanted"
    if len(there) < len(here) <= 2 and here != (*there, 1):
        return f"there is {count[len(here)]}, where {count[len(there)]} is wanted"
    if len(here) == len(there) == 2 and here == (there[0], 1):
        return "there is one number for each row, where one number for each position is wanted"
    if len(here) == len(there) == 2 and here == there[::-1]:
        return "rows and columns have changed places"
    if here[:-1] == there[:-1] and abs(here[-1] - there[-1]) == 1:
        return f"there is a column too {'many' if here[-1] > there[-1] else 'few'}"
    return "there is an axis too many" if len(here) > len(there) else ""


def not_a_number(wrong: list[Trial]) -> str:
    return in_all(wrong, without_number)


def without_number(trial: Trial) -> str:
    yours, target = trial.got.value, trial.wanted.value
    if not (isinstance(yours, Tensor) and isinstance(target, Tensor)) or not target.isfinite().all():
        return ""
    if yours.isnan().any():
        return "the result is NaN: 0 is divided by 0, or an infinite number is used"
    return "the result is infinite: something is divided by 0, or the log of 0 is taken" if yours.isinf().any() else ""


def not_zeroed(wrong: list[Trial]) -> str:
    if all(same(masked(trial), trial.wanted, trial.case) for trial in wrong):
        return "the kept positions are right, and what the mask leaves out is not 0"
    return ""


def masked(trial: Trial) -> Outcome:
    mask, value = trial.case.arguments.get("mask"), trial.got.value
    if not (isinstance(mask, Tensor) and isinstance(value, Tensor) and mask.shape == value.shape):
        return trial.got
    return Outcome(torch.where(mask, value, 0), trial.got.gradients, trial.got.cut)


def factor(wrong: list[Trial]) -> str:
    """Yours is the target times a count or an option: which one is it in all cases?"""
    factors = [ratio(trial) for trial in wrong]
    known = [q for trial, f in zip(wrong, factors, strict=True) if f != 0 for q in [(quantities(trial.case), f)]]
    if None in factors or len(known) < 3 or len({round(f, 6) for _, f in known}) < 2:
        return ""
    names = list(dict.fromkeys(name for counts, _ in known for name in counts))
    for name in names:
        if agree(known, lambda counts, n=name: counts.get(n, 0)):
            return f"yours is multiplied by {name}, or is not divided by it"
        if agree(known, lambda counts, n=name: 1 / counts[n] if counts.get(n) else 0):
            return f"yours is divided by {name} once too often"
    for a, b in permutations(names, 2):
        if agree(known, lambda counts, a=a, b=b: counts[a] / counts[b] if counts.get(a) and counts.get(b) else 0):
            return f"yours is divided by {b}, where another number belongs"
    return ""


def agree(known: list[tuple[dict[str, float], float]], made: Callable[[dict[str, float]], float]) -> bool:
    return all(abs(made(counts) - f) <= 1e-6 * abs(f) for counts, f in known)


def ratio(trial: Trial) -> float | None:
    """What the target has to be multiplied by; 0 if both are 0, so that any number will do; None if there is none."""
    yours, target = trial.got.value, trial.wanted.value
    if not (isinstance(yours, Tensor) and isinstance(target, Tensor)) or yours.shape != target.shape:
        return None
    yours, target = yours.double().flatten(), target.double().flatten()
    if not target.abs().max() > 1e-9:
        return 0.0 if torch.allclose(yours, target, atol=1e-9) else None
    found = float(yours @ target / (target @ target))
    return found if found and torch.allclose(yours, found * target, rtol=1e-6, atol=1e-9) else None


def quantities(case: Case) -> dict[str, float]:
    """What can be counted in a case, and its options."""
    found: dict[str, float] = {}
    for count, value in counts_of(case):
        found.setdefault(count, value)
    return found | {name: float(x) for name, x in case.options.items() if isinstance(x, (int, float)) and x}


def counts_of(case: Case) -> Iterator[tuple[str, float]]:
    tensors = [x for x in case.arguments.values() if isinstance(x, Tensor)]
    mask = case.arguments.get("mask")
    if isinstance(mask, Tensor):
        yield "the number of kept tokens", float(mask.sum())
        yield "the number of rows that keep something", float(mask.any(dim=1).sum())
        yield "the longest row", float(mask.sum(dim=1).max())
    if tensors and tensors[0].dim() == 2:
        yield "the number of rows", float(len(tensors[0]))
        yield "the number of columns", float(tensors[0].shape[1])
        yield "the number of positions", float(tensors[0].numel())
    if tensors and tensors[0].dim() == 1:
        yield "the number of entries", float(len(tensors[0]))
        if "group_size" in case.options:
            yield "the number of groups", len(tensors[0]) / case.options["group_size"]
