"""Reading recorded runs: the same few functions for all lessons."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from reference.training.runs import read_metrics

from .recipes import SEEDS

Rows = list[dict[str, float]]  # the log of one run: of metrics.jsonl, one per step
Key = TypeVar("Key")


def recorded_logs(folder: Path, runs: Mapping[Key, str]) -> dict[Key, list[Rows]]:
    """The logs of NAME-seed-0, NAME-seed-1, ... for every name, as far as they are recorded; names without one left out.

    ``runs``: what a run stands for, such as the way of a penalty -> its name in ``folder``, without the seed.
    """
    paths = {key: [folder / f"{name}-seed-{seed}" for seed in SEEDS] for key, name in runs.items()}
    found = {key: [read_metrics(path) for path in those if path.is_dir()] for key, those in paths.items()}
    return {key: logs for key, logs in found.items() if logs}


def mean_at(logs: list[Rows], name: str, steps: slice) -> float:
    """Mean of one scalar over runs and over those of the steps that have it."""
    values = [row[name] for log in logs for row in log[steps] if name in row]
    return sum(values) / len(values)


def at_the_end(rows: Rows, name: str, *, last: int = 10) -> float:
    """Mean of one scalar over the last steps of a run."""
    return mean_at([rows], name, slice(-last, None))
