"""What the recorded completions say: votes of every problem, scores with intervals, and pairs of models that change places.

The files are those of ``experiments.COMPLETIONS``. Each is read and judged when a number of it is asked for.
"""

import gzip
import json
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from reference.algorithms.leaks import LEAKED
from reference.evaluation.extractors import EXTRACTORS
from reference.evaluation.statistics import bootstrap_interval, wilson_interval
from reference.objectives.shapes import InputError
from reference.runs.recorded_runs import RUNS, SEEDS, require_folder

from .expected import Votes, expected_majority, expected_pass, votes_of
from .figures_scores import Estimate

FOLDER = RUNS.parent / "completions"


def path_of(name: str, *, folder: Path = FOLDER) -> Path:
    """The file of recorded completions. Raises ``InputError`` where it is not."""
    require_folder(folder)
    path = folder / f"{name}.jsonl.gz"
    if not path.is_file():
        raise InputError(f"{name} is not recorded: python -m reference record {name} makes it")
    return path


@cache
def lines_of(name: str) -> list[dict[str, Any]]:
    """The lines of a file, one for each problem."""
    return [json.loads(line) for line in gzip.decompress(path_of(name).read_bytes()).splitlines()]


@cache
def problems_of(name: str, *, extractor: str = "stated", cut_count: bool = False) -> list[Votes]:
    """How the samples of each problem answered, as an extractor reads them.

    A truncated completion has no answer, but with ``cut_count`` it has whatever the extractor finds in it.
    """
    return [votes_of_line(line, extractor, cut_count) for line in lines_of(name)]


def votes_of_line(line: Mapping[str, Any], extractor: str, cut_count: bool) -> Votes:
    """Answers that the extractor takes for the right one are one answer, whatever their text."""
    way, gold = EXTRACTORS[extractor], line["answer"]
    found = [
        None if cut and not cut_count else way.find(text)
        for text, cut in zip(line["completions"], line["truncated"], strict=True)
    ]
    return votes_of([gold if answer is not None and way.same(answer, gold) else answer for answer in found], gold)


def estimate(problems: Sequence[Votes], measure: str = "mean", *, k: int = 1) -> Estimate:
    """A score with the ends of its 95 % interval, which counts problems.

    ``measure``: "mean" over all samples, "pass" (pass@k), or "vote" (majority of k samples, a tie shared).
    """
    measures = {"mean": lambda: expected_pass(problems, 1), "pass": lambda: expected_pass(problems, k),
                "vote": lambda: expected_majority(problems, k)}  # fmt: skip
    if measure not in measures:
        raise InputError(f"measure is {measure!r}: use one of {', '.join(measures)}")
    score = min(1.0, max(0.0, measures[measure]()))  # sums of shares may round beyond
    return (score, *wilson_interval(score, len(problems)))


def drawn_again(problems: Sequence[Votes]) -> Estimate:
    """The mean with its 95 % bootstrap interval. It uses all samples of a problem, so it is narrower than that of ``estimate``."""
    shares = [votes.right / votes.samples for votes in problems]
    return (sum(shares) / len(shares), *bootstrap_interval(shares, resamples=2000))


def truncated_share(name: str) -> float:
    """Of all completions of a file those that the budget cut off."""
    flags = [flag for line in lines_of(name) for flag in line["truncated"]]
    return sum(flags) / len(flags)


class Swap(NamedTuple):
    """Two models, and two protocols that rank them in opposite orders."""

    ahead: str
    behind: str
    under: str  # the protocol in which ``ahead`` is ahead
    not_under: str  # the one in which it is behind


def swaps(scores: Mapping[str, Mapping[str, Estimate]]) -> list[Swap]:
    """Every pair of models that two protocols rank in opposite orders, in both with intervals that do not overlap.

    ``scores``: protocol -> model -> its score.
    """
    return [
        Swap(one, other, first, second) if above(scores[first], one, other) else Swap(other, one, first, second)
        for one, other in combinations(models_of(scores), 2)
        for first, second in combinations(scores, 2)
        if above(scores[first], one, other) * above(scores[second], other, one)
        or above(scores[first], other, one) * above(scores[second], one, other)
    ]


def models_of(scores: Mapping[str, Mapping[str, Estimate]]) -> Collection[str]:
    return list(dict.fromkeys(model for row in scores.values() for model in row))


def above(row: Mapping[str, Estimate], one: str, other: str) -> bool:
    """Whether the whole interval of the first model lies above that of the second."""
    return one in row and other in row and row[one][1] > row[other][2]


def rank_scores() -> dict[str, dict[str, Estimate]]:
    """The one pair of models that changes places, by token budget. The search has seen the first 400 of the 2,000 problems,
    so they are left out."""
    protocols = {"96 tokens": "many", "56 tokens": "many-budget-56"}
    models = {"after GRPO": "grpo", "after SFT": "sft"}
    return {
        budget: {label: drawn_again(problems_of(f"{model}-{name}")[400:]) for label, model in models.items()}
        for budget, name in protocols.items()
    }


def leak_scores(leak: str, way: str, *, seeds: Sequence[int] = SEEDS) -> tuple[float, ...]:
    """Of models that have seen a part of the test: their score on that part, on the rest, on the whole test, and the
    difference of the first two. Means over seeds; then the lowest and the highest difference."""
    each = []
    for seed in seeds:
        problems = problems_of(f"leak-{leak}-{way}-{seed}")
        seen, rest = estimate(problems[:LEAKED])[0], estimate(problems[LEAKED:])[0]
        each.append((seen, rest, estimate(problems)[0], seen - rest))
    means = [sum(column) / len(each) for column in zip(*each, strict=True)]
    differences = [difference for *_, difference in each]
    return (*means, min(differences), max(differences))
