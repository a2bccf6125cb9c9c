"""What a cause is: one thing that may be wrong with a run, the rule that sees it in a log, and what to do then.

How sure a rule can be is one of three kinds, and this decides the order of what is found:

    identity   holds in every healthy run, whatever the model and the task: the first ratio is 1. Broken means wrong.
    bound      a working run may come near it and does not cross it for long: what a penalty takes is less than was gained
    pattern    what such faults look like. A healthy run seldom does: it is named, with what else it may be

Within a kind the larger evidence comes first. So a consequence stands below its cause: a ratio that is not 1 also
makes the KL jump, and the jump is a pattern.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from reference.doctor.log import Log

Sureness = Literal["identity", "bound", "pattern"]
TIERS: dict[str, float] = {"identity": 2.0, "bound": 1.0, "pattern": 0.0}
LESSONS = {  # the notebooks that a cause may name, by number
    0: "Everything is a masked loss",
    1: "Log-probs and alignment",
    2: "Three things called KL",
    3: "What the value head fits",
    4: "Clipping",
    5: "GRPO advantages",
    6: "Aggregation",
    7: "Where the KL goes",
    8: "DPO and β",
    9: "Tool use",
    10: "Evaluation",
    11: "Over-optimisation",
}


@dataclass(frozen=True)
class Evidence:
    """Where a rule saw its cause."""

    words: str  # a sentence with the numbers and the steps
    scalars: tuple[str, ...]  # what to look at, the most telling first
    steps: tuple[float, float]  # from the first step that shows it to the last
    size: float  # 0 to 1, by how much: see ``excess``
    sure: Sureness = "pattern"


Rule = Callable[[Log], Evidence | None]


@dataclass(frozen=True)
class Cause:
    """One cause, with all that is said about it."""

    name: str
    title: str  # what is probably wrong, in one sentence
    first: str  # what to try first
    lesson: int
    faults: tuple[str, ...]  # names of ``train --bug`` that look like this in the scalars
    needs: tuple[str, ...]  # scalars without which the rule says nothing
    rule: Rule
    kinds: tuple[str, ...] = ("rl",)  # of run that it fits
    apart: str = ""  # what tells the faults, or other causes, apart
    about: str = ""  # a scalar of the runs that it is about: without it nothing is missing

    @property
    def where(self) -> str:
        return f"{self.lesson:02d} {LESSONS[self.lesson]}"


@dataclass(frozen=True)
class Found:
    """A cause with the evidence for it in one log."""

    cause: Cause
    evidence: Evidence

    @property
    def score(self) -> float:
        return TIERS[self.evidence.sure] + self.evidence.size


def excess(value: float, limit: float) -> float:
    """How far ``value`` is above ``limit``, as 1 - limit / value: 0 at the limit, 0.5 at twice, near 1 far above it.

    Ratios, so that scalars of other units compare.
    """
    return max(0.0, min(0.999, 1 - limit / value)) if value > 0 else 0.0
