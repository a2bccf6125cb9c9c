"""Rows of scalars, as they stand in a file, become one value per step: resumed runs, repeated steps, what is no number."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from reference.doctor.names import short
from reference.doctor.names_row import listed
from reference.evaluation.printable import counted
from reference.objectives.shapes import InputError

# The number of optimizer steps, before the number of calls that a logger counted.
STEPS = ("train/global_step", "training/global_step", "trainer/global_step", "global_step/max_steps", "current_steps",
         "step", "global_step", "_step", "Step")  # fmt: skip
MOST_RESUMES = 3  # that are told one by one
Values = dict[str, float]


def step_name(rows: Sequence[dict[str, Any]], source: str) -> str:
    """The column that holds the step."""
    keys = {key for row in rows for key in row}
    if name := next((name for name in STEPS if name in keys), None):
        return name
    raise InputError(
        f"{source} has no column of steps: pass columns={{'step': its name}}; it has {listed(sorted(keys))}"
    )


def number(value: Any) -> float:
    """A finite number, or nan for everything else: null, NaN, infinity, words."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return math.nan
    return found if math.isfinite(found) else math.nan


def step_number(value: Any) -> float:
    """The step of a row; "5/100", as ms-swift writes it, is 5."""
    return number(re.sub(r"^(\d+)/\d+$", r"\1", value) if isinstance(value, str) else value)


def chosen(keys: Sequence[str], pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The name in the file -> our name, one for each of ours: the first of ``pairs`` that the file has."""
    exact = {short(key): key for key in sorted(keys, key=lambda key: key.startswith("train/"))} | {k: k for k in keys}
    named: dict[str, str] = {}
    for theirs, ours in pairs:
        if theirs in exact and ours not in named.values():
            named.setdefault(exact[theirs], ours)
    return named


def by_step(
    rows: Sequence[dict[str, Any]], step: str, named: dict[str, str], notes: list[str]
) -> tuple[tuple[float, ...], dict[str, tuple[float, ...]]]:
    """The steps, rising, and the values of each scalar, nan where there is none. What was strange is put into ``notes``."""
    kept: dict[float, Values] = {}
    missing: dict[str, list[float]] = {}
    trouble: Counter[str] = Counter()
    last = -math.inf
    resumed: list[tuple[float, float]] = []
    for row in rows:
        values = {ours: number(row[theirs]) for theirs, ours in named.items() if theirs in row}
        place = step_number(row.get(step))
        if not values:
            continue
        if math.isnan(place):
            trouble["rows without a step, left out"] += 1
            continue
        if place in kept and values.keys() & kept[place].keys():
            if place < last:
                resumed.append((last, place))
                last = cut(kept, missing, place)
            else:
                trouble["rows of a step that stands there twice: the later one is taken"] += 1
        elif place < last and place not in kept:
            trouble["rows that stand behind a later step, put in order"] += 1
        kept.setdefault(place, {}).update(values)
        last = max(last, place)
        for name, value in values.items():
            if math.isnan(value):
                missing.setdefault(name, []).append(place)
    notes += resume_notes(resumed)
    notes += [f"The file has {kind}: {count}." for kind, count in trouble.items()]
    notes += [
        f"{name} is no finite number at {counted(len(at), 'step')}, the first {at[0]:g}."
        for name, at in missing.items()
    ]
    steps = sorted(kept)
    columns = {name: tuple(kept[step].get(name, math.nan) for step in steps) for name in named.values()}
    return tuple(steps), {name: column for name, column in columns.items() if not all(map(math.isnan, column))}


def cut(kept: dict[float, Values], missing: dict[str, list[float]], place: float) -> float:
    """Forget what a run that was resumed at ``place`` had done before: it is no part of the run that went on."""
    for step in [step for step in kept if step >= place]:
        del kept[step]
    for name in list(missing):
        if not (left := [step for step in missing[name] if step < place]):
            del missing[name]
        else:
            missing[name] = left
    return place


def resume_notes(resumed: Sequence[tuple[float, float]]) -> list[str]:
    """One sentence for each resume, and one in all where there are many: then two runs may have written into one file."""
    if len(resumed) <= MOST_RESUMES:
        return [
            f"The file goes back from step {last:g} to {place:g}, as after a resume: of steps from {place:g} on the later "
            "rows are read."
            for last, place in resumed
        ]
    last, place = resumed[0]
    return [
        f"The file goes back {len(resumed)} times, first from step {last:g} to {place:g}: of such steps the later rows are "
        "read. Two runs that wrote into one file at the same time look like this, and then their rows are mixed."
    ]
