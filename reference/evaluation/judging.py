"""Which extractors are meant; one completion under each of them; and the vote among the completions of one problem."""

import sys
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from reference.evaluation.answers import read_number
from reference.evaluation.extractors import Extractor, available
from reference.objectives.shapes import InputError

Ties = Literal["split", "first", "wrong"]
ONLY_WHEN_ASKED = ("math-verify",)  # about a millisecond for a completion, more than all the others together
LONGEST_ANSWER = 200  # characters by which answers are told apart in a vote


def choose(extractors: Collection[str | Extractor] | None) -> list[Extractor]:
    """The extractors that are meant, each once."""
    there = available()
    if extractors is None:
        return [extractor for name, extractor in there.items() if name not in ONLY_WHEN_ASKED]
    chosen = {}
    for extractor in [extractors] if isinstance(extractors, str) else extractors:
        if isinstance(extractor, str):
            if extractor not in there:
                hint = ": it is not installed" if extractor in ONLY_WHEN_ASKED else ""
                raise InputError(f"there is no extractor {extractor!r}{hint}; there are {', '.join(there)}")
            extractor = there[extractor]
        chosen[extractor.name] = extractor
    if not chosen:
        raise InputError(f"extractors is empty: name at least one of {', '.join(there)}")
    return list(chosen.values())


@dataclass
class Votes:
    """One problem: what each completion answers under each extractor, and whether that is right."""

    answers: list[list[str | None]] = field(default_factory=list)  # as they are compared in a vote
    verdicts: list[tuple[bool, ...]] = field(default_factory=list)


def judge(
    text: str, golds: tuple[str, ...], extractors: Sequence[Extractor], failed: Counter[str]
) -> tuple[list[str | None], tuple[bool, ...]]:
    """What each extractor takes as the answer, and whether that is right. An extractor that raises has found nothing."""
    taken: list[str | None] = []
    verdicts = []
    for extractor in extractors:
        try:
            answer = extractor.find(text) if text else None
            right = answer is not None and any(is_same(extractor, answer, gold) for gold in golds)
        except Exception:  # of a library that is given hostile text: counted, and told with the score
            failed[extractor.name] += 1
            answer, right = None, False
        taken.append(answer)
        verdicts.append(right)
    return taken, tuple(verdicts)


def is_same(extractor: Extractor, answer: str, gold: str) -> bool:
    """Whether the answer is the gold one. What was compared before is remembered, if it is short and a plain text: one of
    math-verify's carries values beside its letters."""
    if type(answer) is not str or len(answer) + len(gold) > 2 * LONGEST_ANSWER:
        return extractor.same(answer, gold)
    return known_same(extractor.same, answer, gold)


@lru_cache(maxsize=100_000)
def known_same(same: Callable[[str, str], bool], answer: str, gold: str) -> bool:
    return same(answer, gold)


def compared(answer: str) -> str:
    """An answer as a vote compares it: 1,234 and 1234.0 are one number; of other texts case and white space do not count.

    What is longer than 200 characters is told apart by the first 200.
    """
    return known_compared(str(answer[:LONGEST_ANSWER]))


@lru_cache(maxsize=100_000)
def known_compared(answer: str) -> str:
    number = read_number(answer)
    return sys.intern(" ".join(answer.split()).casefold() if number is None else str(number))


def vote(votes: Votes, place: int, ties: Ties) -> tuple[float, bool]:
    """Score of the majority vote of one problem under one extractor, and whether the vote was a tie.

    Two answers are one candidate if they are the same number, or the same text, and the extractor judges both alike. A
    completion without an answer does not vote. The rules are those of ``statistics.majority_score``.
    """
    if len(votes.verdicts) == 1:
        return float(votes.verdicts[0][place]), False
    counts: dict[tuple[str, bool], int] = {}
    for answers, verdicts in zip(votes.answers, votes.verdicts, strict=True):
        if (answer := answers[place]) is not None:
            counts[answer, verdicts[place]] = counts.get((answer, verdicts[place]), 0) + 1
    most = max(counts.values(), default=0)
    winners = [right for (_, right), count in counts.items() if count == most]
    if len(winners) < 2:
        return float(winners == [True]), False
    return {"split": sum(winners) / len(winners), "first": float(winners[0]), "wrong": 0.0}[ties], True
