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
    return next(
        (says for look in (parts, form, not_a_number, not_zeroed, pads, ends, factor, places) if (says := look(wrong))),
        "",
    )


def in_all(wrong: list[Trial], look: Callable[[Trial], str]) -> str:
    """What is seen in each of them, if it is the same."""
    seen = {look(trial) for trial in wrong}
    return seen.pop() if len(seen) == 1 else ""


def parts(wrong: list[Trial]) -> str:
    """Of a list and a number that belong together: is one of them right?"""
    seen = [wrong_part(trial) for trial in wrong]
    if len(set(seen)) > 1 and all(says.startswith("the ids are right, and the index is") for says in seen):
        return "the ids are right, and the index is not"
    return seen[0] if len(set(seen)) == 1 else ""


def wrong_part(trial: Trial) -> str:
    yours, target = plain(trial.got.value), plain(trial.wanted.value)
    if not (isinstance(target, list) and isinstance(yours, list) and comparable(yours)) or len(target) != 2:
        return ""
    if yours == target[::-1]:
        return "both parts are right, and they have changed places"
    if yours == target[0]:
        return "the ids are right, and they are returned without the index"
    if len(yours) != 2 or not isinstance(yours[0], list) or type(yours[1]) is not int:
        return ""
    if yours[0] == target[0]:
        size = f"{abs(yours[1] - target[1])} too {'large' if yours[1] > target[1] else 'small'}"
        return f"the ids are right, and the index is {size}"
    return (
        "the index is right, and the ids are not" if yours[1] == target[1] else "neither the ids nor the index is right"
    )


def form(wrong: list[Trial]) -> str:
    """One number where several are wanted, or the other way round; a column or an axis too many."""
    return in_all(wrong, form_of)


def form_of(trial: Trial) -> str:
    yours, target = trial.got.value, trial.wanted.value
    if not (isinstance(yours, Tensor) and isinstance(target, Tensor)) or yours.shape == target.shape:
        return ""
    if yours.numel() == target.numel() and torch.allclose(yours.double().flatten(), target.double().flatten()):
        return "the numbers are right, and their shape is not"
    here, there = tuple(yours.shape), tuple(target.shape)
    count = ("one number", "one number for each row", "one number for each position")
    if len(here) < len(there) <= 2 and len(here) <= 2:
        return f"there is {count[len(here)]}, where {count[len(there)]} is wanted"
    if len(there) < len(here) <= 2 and here != (*there, 1):
        return f"there is {count[len(here)]}, where {count[len(there)]} is wanted"
    if len(here) == len(there) == 2 and here == (there[0], 1):
        return "there is one number for each row, where one number for each position is wanted"
    if len(here) == len(there) == 2 and here == there[::-1]:
        return "rows and columns have changed places"
    if here and there and here[:-1] == there[:-1] and abs(here[-1] - there[-1]) == 1:
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


def pads(wrong: list[Trial]) -> str:
    """Where any position will do: is there one?"""
    if all(right_where_counted(trial) for trial in wrong):
        return "the real tokens are right, and a pad has a number that is no position of its row"
    return ""


def right_where_counted(trial: Trial) -> bool:
    where, value, target = trial.case.count_where, trial.got.value, trial.wanted.value
    if where is None or not isinstance(value, Tensor) or value.shape != target.shape or value.dtype != target.dtype:
        return False
    return torch.equal(torch.where(where, value, 0), torch.where(where, target, 0))


def ends(wrong: list[Trial]) -> str:
    """Of a row of True between two ends: does it begin or end too early or too late?"""
    seen = {says for trial in wrong for says in ends_of(trial)}
    return seen.pop() if len(seen) == 1 else ""


def ends_of(trial: Trial) -> Iterator[str]:
    yours, target = trial.got.value, trial.wanted.value
    if not (isinstance(yours, Tensor) and isinstance(target, Tensor) and target.dtype == torch.bool):
        return
    for here, there in zip(yours.bool(), target, strict=True):
        (first, last), (start, stop) = reach(here), reach(there)
        if torch.equal(here, there) or first < 0 or start < 0 or here.sum() != last - first + 1:
            continue
        begins = "too late" if first > start else "too early" if first < start else "in the right place"
        stops = "too late" if last > stop else "too early" if last < stop else "in the right place"
        yield f"a row that is wrong begins {begins} and ends {stops}"


def reach(row: Tensor) -> tuple[int, int]:
    """The first and the last index that is True; -1 if none is."""
    found = row.nonzero().flatten().tolist()
    return (found[0], found[-1]) if found else (-1, -1)


def places(wrong: list[Trial]) -> str:
    """Is it one row, or one column, that is wrong or right in all cases?"""
    tables = [table for trial in wrong if (table := wrong_places(trial)) is not None]
    if len(tables) < len(wrong) or len(tables) < 2:
        return ""
    for what, lines in (("column", [t.any(dim=0) for t in tables]), ("row", [t.any(dim=1) for t in tables])):
        lines = [line for line in lines if len(line) > 1]
        for which, at in (("first", 0), ("last", -1)):
            others = [torch.cat([line[:at], line[at:][1:]]) for line in lines]
            if lines and all(line[at] and not rest.any() for line, rest in zip(lines, others, strict=True)):
                return f"only the {which} {what} is wrong"
            if lines and all(not line[at] and rest.all() for line, rest in zip(lines, others, strict=True)):
                return f"the {which} {what} is right, and all others are wrong"
    return ""


def wrong_places(trial: Trial) -> Tensor | None:
    yours, target = trial.got.value, trial.wanted.value
    if not (isinstance(yours, Tensor) and isinstance(target, Tensor) and target.dim() == 2):
        return None
    return (
        ~torch.isclose(yours.double(), target.double(), rtol=1e-4, atol=1e-6) if yours.shape == target.shape else None
    )


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
        if agree(known, lambda counts, n=name: counts.get(n, 0) ** 2):
            return f"yours is multiplied by {name}, where it should be divided"
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
    if tensors and tensors[0].dim() == 2:
        yield "the number of rows", float(len(tensors[0]))
        yield "the number of columns", float(tensors[0].shape[1])
        yield "the number of positions", float(tensors[0].numel())
    if isinstance(mask, Tensor):
        yield "the number of kept tokens", float(mask.sum())
        yield "the number of rows that keep something", float(mask.any(dim=1).sum())
        yield "the longest row", float(mask.sum(dim=1).max())
        yield "the number of rows times the longest row", float(len(mask) * mask.sum(dim=1).max())
    if tensors and tensors[0].dim() == 1:
        yield "the number of entries", float(len(tensors[0]))
        if "group_size" in case.options:
            yield "the number of groups", len(tensors[0]) / case.options["group_size"]
