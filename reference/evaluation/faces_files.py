"""A file of completions to its four faces: read, judge each completion by the extractor ``stated``, and measure.

The file is one that ``python -m reference complete`` or another tool has written; ``completion_files`` reads it. All its texts
are in memory until they are measured, and forgotten then.
"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from reference.evaluation.completion_fields import MOST_CHARACTERS
from reference.evaluation.completion_files import read_completions, reading_of
from reference.evaluation.completion_reading import Reading, Record
from reference.evaluation.completion_texts import same_words
from reference.evaluation.distinct import Times, count_times, expected_distinct, ngram_times
from reference.evaluation.extractors import EXTRACTORS
from reference.evaluation.faces import (
    KINDS,
    Lengths,
    LineUse,
    Mean,
    false_checks,
    kl_by_position,
    kl_of_beginnings,
    length_at_equal_correctness,
    line_use,
    mean_of,
    repeated_lines,
)
from reference.evaluation.judging import compared, judge
from reference.evaluation.statistics import pass_at_k
from reference.objectives.shapes import InputError

Key = tuple[str, str]  # of a problem: its id and its question, so that two files mean the same one
K = 8
NGRAMS = (1, 2, 3)


class Faces(NamedTuple):
    """What ``faces`` returns. Shares are from 0 to 1, means of completions count each once, and those of pass@k and of
    what differs count each problem once."""

    reading: Reading
    problems: int
    completions: int
    k: int
    too_few: int  # problems with fewer than k completions, left out of the next three, which are None if all are
    pass_k: float | None
    distinct_texts: float | None  # among k completions of a problem
    distinct_answers: float | None
    pass_1: float
    unit: str  # of lengths: tokens, or characters where the file does not count tokens
    lengths: Lengths
    right_lengths: dict[Key, float]  # of each problem that has right ones: their mean
    kl: list[Mean] | None  # by position; None where the file has no log-ratios
    kl_beginnings: Mean | None
    beginning: int  # tokens whose log-ratios are there
    ngrams: dict[int, Times]
    lines: dict[str, LineUse]  # by the kinds of ``faces.KINDS``
    false_checks: tuple[int, int]  # of how many
    repeated_lines: float
    answered: float  # share that states an answer, and is not truncated
    truncated: float


@dataclass
class Problem:
    """The completions of one problem, an entry each in every list."""

    question: str
    texts: list[str] = field(default_factory=list)
    truncated: list[bool] = field(default_factory=list)
    answers: list[str | None] = field(default_factory=list)
    correct: list[bool] = field(default_factory=list)
    tokens: list[int | None] = field(default_factory=list)
    log_ratios: list[list[float]] = field(default_factory=list)  # of those that have them


def faces(
    path: str | os.PathLike[str],
    *,
    k: int = K,
    fields: dict[str, str] | None = None,
    gold: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> Faces:
    """Verbosity, style, format and diversity of the completions of a file. ``k``: of pass@k, and of how many differ.

    Right is what the extractor ``stated`` finds right, so a truncated completion is wrong. ``fields`` and ``gold``: what
    stands where, as in ``scores.score_file``. Raises ``InputError`` for k below 1, for a field of another kind, and where
    ``read_completions`` can read nothing.
    """
    if k < 1:
        raise InputError(f"k is {k}, expected at least 1")
    reading, problems = reading_of(path, fields, gold, progress=progress), dict[str, Problem]()
    for record in read_completions(reading, progress=progress):
        add(problems.setdefault(record.key, Problem(question=same_words(record.question))), record)
    return faces_of(problems, k=k, reading=reading)


def add(problem: Problem, record: Record) -> None:
    """Judge the completions of a line, and put them to their problem."""
    stated, n = EXTRACTORS["stated"], len(record.completions)
    for text, cut in zip(record.completions, record.truncated, strict=True):
        (answer,), (right,) = judge("" if cut else text[-MOST_CHARACTERS:], record.golds, [stated], Counter())
        problem.answers.append(None if answer is None else compared(answer))
        problem.correct.append(right)
    problem.texts += record.completions
    problem.truncated += record.truncated
    problem.tokens += record.tokens or [None] * n
    problem.log_ratios += record.log_ratios or []


def faces_of(problems: dict[str, Problem], *, k: int, reading: Reading) -> Faces:
    """The same for completions that are judged."""
    each = list(problems.values())
    texts, correct = ([x for p in each for x in getattr(p, name)] for name in ("texts", "correct"))
    counts = all(count is not None for p in each for count in p.tokens)
    lengths = {key: [float(x) for x in p.tokens if x is not None] if counts else list(map(float, map(len, p.texts)))
               for key, p in problems.items()}  # fmt: skip
    right = {key: length_at_equal_correctness(lengths[key], p.correct).right for key, p in problems.items()}
    ratios = [p.log_ratios for p in each if p.log_ratios]
    kl = kl_by_position(ratios) if any(map(any, ratios)) else None
    enough = [p for p in each if len(p.texts) >= k]
    return Faces(
        reading=reading, problems=len(each), completions=len(texts), k=k, too_few=len(each) - len(enough),
        pass_k=mean_of([pass_at_k(sum(p.correct), len(p.correct), k) for p in enough]),
        distinct_texts=mean_of([expected_distinct(count_times(p.texts), k) for p in enough]),
        distinct_answers=mean_of([distinct_answers(p.answers, k) for p in enough]),
        pass_1=sum(sum(p.correct) / len(p.correct) for p in each) / len(each),
        unit="tokens" if counts else "characters",
        lengths=length_at_equal_correctness([x for row in lengths.values() for x in row], correct),
        right_lengths={(key, problems[key].question): mean for key, mean in right.items() if mean is not None},
        kl=kl, kl_beginnings=kl_of_beginnings(ratios) if kl else None, beginning=len(kl or []),
        ngrams={n: ngram_times(texts, n) for n in NGRAMS}, lines={kind: line_use(texts, kind) for kind in KINDS},
        false_checks=false_checks(texts), repeated_lines=repeated_lines(texts),
        answered=sum(answer is not None for p in each for answer in p.answers) / len(texts),
        truncated=sum(sum(p.truncated) for p in each) / len(texts),
    )  # fmt: skip


def distinct_answers(answers: Sequence[str | None], k: int) -> float:
    """Different answers among k completions, mean over all choices of k. No answer is none of them."""
    return expected_distinct(count_times([x for x in answers if x is not None], total=len(answers)), k)
