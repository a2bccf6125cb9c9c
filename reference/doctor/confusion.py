"""How often the doctor is right: fault against cause, over recorded runs whose fault is known."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from reference.doctor.cause import Cause
from reference.doctor.causes import CAUSES
from reference.doctor.diagnose import Diagnosis, diagnose
from reference.doctor.logs import read_log
from reference.objectives.shapes import InputError
from reference.style import BLUE, FAINT, INK, MUTED, PAPER, describe, style

NOTHING = "nothing"
KIND = re.compile(r"(bug-(?P<fault>\w+)|healthy-.+)-seed-\d+$")


@dataclass(frozen=True)
class Answer:
    """What the doctor said about one run."""

    fault: str  # "" for a healthy run
    causes: tuple[str, ...]  # the likeliest first

    @property
    def first(self) -> str:
        return self.causes[0] if self.causes else NOTHING


def answer(fault: str, diagnosis: Diagnosis) -> Answer:
    return Answer(fault, tuple(found.cause.name for found in diagnosis.found))


def recorded_answers(folder: Path, *, seeds: Sequence[int]) -> list[Answer]:
    """What the doctor says about the recorded runs bug-FAULT-seed-N and healthy-RECIPE-seed-N of a folder, by name.

    Raises ``InputError`` where there is none.
    """
    found = []
    for path in sorted(folder.glob("*-seed-*")):
        kind, seed = KIND.match(path.name), path.name.rsplit("-", 1)[1]
        if kind and seed.isdigit() and int(seed) in seeds:
            found.append(answer(kind["fault"] or "", diagnose(read_log(path))))
    if not found:
        raise InputError(f"{folder} holds no runs with faults: record some with python -m reference record")
    return found


def causes_of(fault: str, causes: Sequence[Cause] = CAUSES) -> tuple[str, ...]:
    """The causes that stand for a fault; none for one that no scalar shows."""
    return tuple(cause.name for cause in causes if fault in cause.faults)


def right_within(answers: Iterable[Answer], first: int) -> float:
    """The share of faulty runs whose cause is among the first so many. A fault that no cause stands for is never right."""
    faulty = [each for each in answers if each.fault]
    right = [bool(set(each.causes[:first]) & set(causes_of(each.fault))) for each in faulty]
    return sum(right) / len(right)


def false_alarms(answers: Iterable[Answer]) -> float:
    """The share of healthy runs about which anything was said."""
    healthy = [each for each in answers if not each.fault]
    return sum(bool(each.causes) for each in healthy) / len(healthy)


def counts(answers: Iterable[Answer]) -> dict[str, dict[str, int]]:
    """Fault -> the first cause that was named -> in how many runs. Healthy runs stand under "healthy"."""
    found: dict[str, dict[str, int]] = {}
    for each in answers:
        row = found.setdefault(each.fault or "healthy", {})
        row[each.first] = row.get(each.first, 0) + 1
    return found


def figure_confusion(answers: Sequence[Answer], *, title: str = "What the doctor names first") -> Figure:
    """A row per fault, a column per cause: in how many runs it was named first. A frame marks the cause that is meant."""
    table = counts(answers)
    rows, columns = list(table), columns_of(table)
    with style():
        figure = Figure(figsize=(2.6 + 0.42 * len(columns), 2.4 + 0.3 * len(rows)), layout="constrained")
        ax = figure.subplots()
        for y, fault in enumerate(rows):
            total = sum(table[fault].values())
            meant = causes_of(fault) if fault != "healthy" else (NOTHING,)
            for x, cause in enumerate(columns):
                count = table[fault].get(cause, 0)
                if count:
                    ax.add_patch(square(x, y, facecolor=BLUE, alpha=0.25 + 0.75 * count / total))
                    colour = PAPER if count > total / 2 else INK
                    ax.text(x, y, str(count), ha="center", va="center", fontsize=10, color=colour)
                if cause in meant:
                    ax.add_patch(square(x, y, fill=False, edgecolor=INK, linewidth=1.4))
        ax.set_xlim(-0.5, len(columns) - 0.5)
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.set_xticks(range(len(columns)), columns, rotation=60, ha="left", rotation_mode="anchor", fontsize=9)
        ax.set_yticks(range(len(rows)), rows, fontsize=9)
        ax.xaxis.tick_top()
        ax.grid(color=FAINT, linewidth=0.6)
        ax.set_axisbelow(True)
        ax.tick_params(length=0, colors=MUTED)
        for side in ax.spines.values():
            side.set_visible(False)
        figure.suptitle(title, fontsize=13, fontweight="bold", x=0.01, ha="left")
        return describe(figure, f"{title}. " + "; ".join(in_words(fault, table[fault]) for fault in rows) + ".")


def square(x: float, y: float, **looks: Any) -> Rectangle:
    return Rectangle((x - 0.45, y - 0.45), 0.9, 0.9, **looks)


def columns_of(table: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Causes in the order of the rows that mean them, then others that were named, then nothing. Of several that are meant,
    those that were never named are left out."""
    named = [cause for row in table.values() for cause in row if cause != NOTHING]
    meant = [cause for fault in table for i, cause in enumerate(causes_of(fault)) if i == 0 or cause in named]
    return [*dict.fromkeys(meant + named), NOTHING]


def in_words(fault: str, row: Mapping[str, int]) -> str:
    return f"{fault}: " + ", ".join(
        f"{cause} {count}" for cause, count in sorted(row.items(), key=lambda each: -each[1])
    )
