"""GRPO with another advantage and nothing else changed. The usual one is among the recipes."""

from pathlib import Path
from typing import Any, NamedTuple

from reference.runs.folder import read_metrics
from reference.runs.measure import read_accuracy
from reference.runs.recorded_runs import RUNS, SEEDS, Rows, require_folder

CHOICES = {  # what the advantage slot holds -> what its runs are called
    "group": "grpo",
    "group_mean": "advantage-group-mean",
    "leave_one_out": "advantage-leave-one-out",
    "group_mean_batch_std": "advantage-batch-std",
    "reinforce_plus_plus": "advantage-batch-mean",
}

EXPERIMENTS = {
    f"{name}-seed-{seed}": f"grpo --advantage {choice} --seed {seed}"
    for choice, name in CHOICES.items()
    if choice != "group"
    for seed in SEEDS
}


class Recorded(NamedTuple):
    """One run: a row of scalars per step, and the held-out accuracy before and after."""

    metrics: Rows
    accuracy: dict[str, Any]


def recorded_choices(folder: Path = RUNS) -> dict[str, list[Recorded]]:
    """The runs of every choice that was recorded, by seed."""
    require_folder(folder)
    found = {}
    for choice, name in CHOICES.items():
        paths = [folder / f"{name}-seed-{seed}" for seed in SEEDS]
        runs = [Recorded(read_metrics(path), read_accuracy(path)) for path in paths if path.is_dir()]
        if runs:
            found[choice] = runs
    return found
