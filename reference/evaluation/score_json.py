"""Everything that ``score`` found, as one JSON object: for programs, and for whoever wants the counts of each problem."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from reference.evaluation.completion_reading import Reading
from reference.evaluation.paired import Paired
from reference.evaluation.score_report import default_ks, instructive
from reference.evaluation.scores import Scores


def as_json(
    files: Sequence[Scores], paired: Sequence[Paired], *, ks: Sequence[int] | None = None, show: int = 3
) -> dict[str, Any]:
    """``{"files": [...], "comparison": [...]}``. Shares are from 0 to 1, intervals are of 95 %."""
    comparison = [asdict(row) | {"claim": row.claim} for row in paired]
    return {"files": [one_file(scores, ks or default_ks(scores), show) for scores in files], "comparison": comparison}


def one_file(scores: Scores, ks: Sequence[int], show: int) -> dict[str, Any]:
    n, reading = scores.completions, scores.reading
    return {
        "file": reading.path,
        "fields": reading.fields,
        "protocol": reading.protocol,
        "problems": len(scores.samples),
        "completions": n,
        "truncated": scores.truncated,
        "empty": scores.empty,
        "mean_characters": scores.characters / n,
        "mean_tokens": None if scores.tokens is None else scores.tokens / n,
        "trouble": trouble(reading),
        "answers": reading.golds and {"file": reading.golds.reading.path, "trouble": trouble(reading.golds.reading)},
        "ties": scores.ties,
        "extractors": {name: one_extractor(scores, name, ks) for name in scores.extractors},
        "disagreements": {
            one: {other: scores.differing(one, other) for other in scores.extractors} for one in scores.extractors
        },
        "examples": [{"completions": count, **asdict(example)} for count, example in instructive(scores, show)],
        "per_problem": {
            "id": scores.ids, "samples": scores.samples, "right": scores.right, "majority": scores.majority,
        },
    }  # fmt: skip


def trouble(reading: Reading) -> dict[str, Any]:
    found = reading.trouble
    return {kind: {"lines": count, "first": found.first[kind]} for kind, count in found.counts.items()}


def one_extractor(scores: Scores, name: str, ks: Sequence[int]) -> dict[str, Any]:
    values = {k: scores.pass_at(name, k) for k in ks}
    return {
        "score": scores.rate(name),
        "interval": scores.interval(name),
        "no_answer": scores.completions - scores.answered[name],
        "failed": scores.failed.get(name, 0),
        "majority": scores.majority_rate(name),
        "majority_interval": scores.majority_interval(name),
        "tied": scores.tied[name],
        "pass_at_k": {str(k): {"value": value, "problems_left_out": few} for k, (value, few) in values.items()},
        "takes": {"line": scores.first.line, "answer": scores.first.taken[name]},
    }
