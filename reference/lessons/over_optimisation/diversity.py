"""Loss of diversity: one sample and the best of eight on held-out problems, before, at and after the peak of gold."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from reference.runs.measure import read_accuracy
from reference.runs.recorded_runs import RUNS, SEEDS, require_folder
from reference.teaching.table import table

from .experiments import BASIS, PEAK
from .steering import spread

MEASURES = {"sampled": "pass@1", "pass_at_k": "pass@8", "greedy": "greedy"}


def held_out(*, folder: Path = RUNS) -> dict[str, list[Mapping[str, float]]]:
    """When -> what was measured on held-out problems, of each seed that is recorded: the base model once.

    ``sampled``: share of the samples that are right; ``pass_at_k``: share of the problems with a right one among eight;
    ``greedy``: share of the greedy answers that are right.
    """
    require_folder(folder)
    paths = {name: [folder / f"{name}-seed-{seed}" for seed in SEEDS] for name in (PEAK, BASIS)}
    found = {name: [read_accuracy(path) for path in those if path.is_dir()] for name, those in paths.items()}
    whole = found[BASIS] or found[PEAK]
    kinds = {
        "before": [run["before"] for run in whole[:1]],
        "at the peak": [run["after"] for run in found[PEAK]],
        "after": [run["after"] for run in found[BASIS]],
    }
    return {when: measured for when, measured in kinds.items() if measured}


def diversity_table(found: Mapping[str, Sequence[Mapping[str, float]]]) -> None:
    """Print the mean over the seeds, and their range, of each measure."""
    rows = {when: [spread([m[name] for m in those], ".3f") for name in MEASURES] for when, those in found.items()}
    table(rows, *MEASURES.values())
