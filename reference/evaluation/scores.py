"""Scores of a file of completions under several extractors at once. Of each problem the counts are kept, not the texts.

An extractor decides which text of a completion counts as its answer, and whether that is the gold answer. The same
completions have another score under another extractor, so every score here belongs to one. Shares are from 0 to 1, and
the unit is the problem (``statistics``). A completion that was cut off has no answer, whatever the extractor.
"""

import os
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import get_args

from reference.evaluation.completion_fields import MOST_CHARACTERS
from reference.evaluation.completion_files import read_completions, reading_of
from reference.evaluation.completion_reading import Reading, Record
from reference.evaluation.extractors import Extractor
from reference.evaluation.judging import LONGEST_ANSWER, Ties, Votes, choose, compared, judge, vote
from reference.evaluation.statistics import pass_at_k, wilson_interval
from reference.objectives.shapes import InputError

SHOWN = 240  # characters of a completion that are kept as an example: its end, where answers stand


@dataclass(frozen=True)
class Example:
    """One completion with what each extractor took as its answer; None where it found none."""

    line: int
    key: str
    golds: tuple[str, ...]
    text: str  # its end
    length: int  # of the whole completion, in characters
    truncated: bool
    taken: dict[str, str | None]
    right: dict[str, bool]


@dataclass(frozen=True)
class Scores:
    """What ``score_file`` returns: one entry per problem in every list, in the order in which the problems appear."""

    extractors: tuple[str, ...]
    ties: Ties
    ids: list[str]
    samples: list[int]
    right: dict[str, list[int]]  # completions that are right
    majority: dict[str, list[float]]  # score of the vote, from 0 to 1
    tied: dict[str, int]  # problems whose vote was a tie
    answered: dict[str, int]  # completions in which an answer was found
    failed: dict[str, int]  # completions on which the extractor raised an error: no answer
    verdicts: Counter[tuple[bool, ...]]  # completions by the verdicts of the extractors, in their order
    examples: dict[tuple[bool, ...], Example]  # the shortest completion of each such row of verdicts
    first: Example
    truncated: int
    empty: int
    characters: int
    tokens: int | None  # of all completions; None where the file does not say it for each
    reading: Reading

    @property
    def completions(self) -> int:
        return sum(self.samples)

    def rate(self, extractor: str) -> float:
        """Score: mean over problems of the share of right completions. Equal to pass@1."""
        return sum(c / n for c, n in zip(self.right[extractor], self.samples, strict=True)) / len(self.samples)

    def interval(self, extractor: str) -> tuple[float, float]:
        """95 % Wilson interval of ``rate``; its n is the number of problems."""
        return wilson_interval(min(1.0, self.rate(extractor)), len(self.samples))

    def majority_rate(self, extractor: str) -> float:
        """Mean over problems of the score of the majority vote."""
        return sum(self.majority[extractor]) / len(self.samples)

    def majority_interval(self, extractor: str) -> tuple[float, float]:
        """95 % Wilson interval of ``majority_rate``; its n is the number of problems."""
        return wilson_interval(min(1.0, self.majority_rate(extractor)), len(self.samples))

    def pass_at(self, extractor: str, k: int) -> tuple[float | None, int]:
        """pass@k: its mean over the problems with at least k completions, and how many have fewer and are left out."""
        pairs = [(c, n) for c, n in zip(self.right[extractor], self.samples, strict=True) if n >= k]
        mean = sum(cached_pass_at_k(c, n, k) for c, n in pairs) / len(pairs) if pairs else None
        return mean, len(self.samples) - len(pairs)

    def differing(self, one: str, other: str) -> int:
        """Completions that one of two extractors takes for right and the other for wrong."""
        i, j = self.extractors.index(one), self.extractors.index(other)
        return sum(count for verdicts, count in self.verdicts.items() if verdicts[i] != verdicts[j])


@lru_cache(maxsize=100_000)
def cached_pass_at_k(num_correct: int, num_samples: int, k: int) -> float:
    return pass_at_k(num_correct, num_samples, k)


def score_file(
    path: str | os.PathLike[str],
    *,
    extractors: Collection[str | Extractor] | None = None,
    ties: Ties = "split",
    fields: dict[str, str] | None = None,
    gold: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> Scores:
    """Score the completions of a file under every extractor.

    ``extractors``: names of ``extractors.available()``, or extractors of your own; None: all but math-verify, which
    is slower than all the others together. ``ties``: how a tied vote is scored, as in ``statistics.majority_score``.
    ``fields``: the names of the fields for "id", "question", "answer" and "completion", where they are not to be
    guessed. ``gold``: another file, which has the gold answers by id or by question. Raises ``InputError`` for an unknown
    extractor, rule or field, and if nothing can be scored.
    """
    rules = get_args(Ties)
    if ties not in rules:
        raise InputError(f"ties={ties!r}, expected one of {', '.join(rules)}")
    chosen = choose(extractors)
    reading = reading_of(path, fields, gold, progress=progress)
    records = read_completions(reading, progress=progress)
    return score_records(records, chosen, ties=ties, reading=reading)


@dataclass
class Tally:
    """What is counted while the records go by."""

    problems: dict[str, Votes] = field(default_factory=dict)
    verdicts: Counter[tuple[bool, ...]] = field(default_factory=Counter)
    examples: dict[tuple[bool, ...], Example] = field(default_factory=dict)
    failed: Counter[str] = field(default_factory=Counter)
    first: Example | None = None  # the first completion in which an answer was found; else the first
    truncated: int = 0
    empty: int = 0
    characters: int = 0
    tokens: int | None = 0


def score_records(
    records: Iterable[Record], extractors: Sequence[Extractor], *, ties: Ties, reading: Reading
) -> Scores:
    """The same for records, one at a time: memory grows with the number of completions, but not with their length."""
    tally = Tally()
    for record in records:
        add_record(tally, record, extractors)
    if tally.first is None:
        raise InputError("there is no completion to score")
    solved, names = list(tally.problems.values()), [extractor.name for extractor in extractors]
    voted = {name: [vote(votes, i, ties) for votes in solved] for i, name in enumerate(names)}
    return Scores(
        extractors=tuple(names), ties=ties, ids=list(tally.problems), samples=[len(v.verdicts) for v in solved],
        right={name: [sum(row[i] for row in votes.verdicts) for votes in solved] for i, name in enumerate(names)},
        majority={name: [score for score, _ in rows] for name, rows in voted.items()},
        tied={name: sum(tie for _, tie in rows) for name, rows in voted.items()},
        answered={name: sum(row[i] is not None for v in solved for row in v.answers) for i, name in enumerate(names)},
        failed=dict(tally.failed), verdicts=tally.verdicts, examples=tally.examples, first=tally.first,
        truncated=tally.truncated, empty=tally.empty, characters=tally.characters, tokens=tally.tokens, reading=reading,
    )  # fmt: skip


def add_record(tally: Tally, record: Record, extractors: Sequence[Extractor]) -> None:
    """Judge the completions of one line, and count."""
    votes = tally.problems.setdefault(record.key, Votes())
    tally.tokens = None if tally.tokens is None or record.tokens is None else tally.tokens + sum(record.tokens)
    for text, cut in zip(record.completions, record.truncated, strict=True):
        taken, verdicts = judge("" if cut else text[-MOST_CHARACTERS:], record.golds, extractors, tally.failed)
        votes.answers.append([None if answer is None else compared(answer) for answer in taken])
        votes.verdicts.append(verdicts)
        tally.verdicts[verdicts] += 1
        tally.truncated += cut
        tally.empty += not text.strip()
        tally.characters += len(text)
        known = tally.examples.get(verdicts)
        if known is None or len(text) < known.length:
            tally.examples[verdicts] = example_of(record, text, cut, taken, verdicts, extractors)
        if tally.first is None or (any(taken) and not any(tally.first.taken.values())):
            tally.first = example_of(record, text, cut, taken, verdicts, extractors)


def example_of(
    record: Record,
    text: str,
    cut: bool,
    taken: list[str | None],
    verdicts: tuple[bool, ...],
    extractors: Sequence[Extractor],
) -> Example:
    """A completion to be shown, without the beginning of a long one."""
    names = [extractor.name for extractor in extractors]
    short = [None if answer is None else answer[:LONGEST_ANSWER] for answer in taken]
    return Example(
        line=record.line, key=record.key, golds=tuple(gold[:LONGEST_ANSWER] for gold in record.golds), text=text[-SHOWN:],
        length=len(text), truncated=cut, taken=dict(zip(names, short, strict=True)),
        right=dict(zip(names, verdicts, strict=True)),
    )  # fmt: skip
