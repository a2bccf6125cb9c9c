"""The recorded runs of every fault, and healthy runs of the same recipes beside them."""

import math
from pathlib import Path

import torch
from torch import Tensor

from reference.faults import FAULTS
from reference.objectives.shapes import InputError
from reference.runs.curves import SIX_SCALARS
from reference.runs.recorded_runs import RUNS, Rows, recorded_logs

HEALTHY = "healthy"
SYMPTOMS: dict[str, tuple[str, ...]] = {  # the rows of the article's table -> the faults that stand for its causes
    "Reward rises but usability drops": ("length_gamed",),
    "KL spikes": ("lr_too_high", "kl_coef_too_small", "reference_replaced"),
    "GRPO unstable": ("group_of_two", "std_of_dead_groups"),
    "Tool-use hallucination": ("tool_output_trained", "tool_result_missing"),
}


def recipe_of(name: str) -> str:
    """The recipe in which a fault was recorded."""
    return FAULTS[name].recipe


def logs_of(name: str, recipe: str, *, folder: Path = RUNS) -> list[Rows]:
    """The logs of a fault, or of ``healthy``, seed by seed. Raises ``InputError`` where none is recorded."""
    run = recipe if name == HEALTHY else f"bug-{name}"
    found = recorded_logs({name: run}, folder=folder)
    if name not in found:
        raise InputError(f"no run {run} is recorded: python -m reference record {run}-seed-0 makes one")
    return found[name]


def recorded_faults(*, folder: Path = RUNS) -> list[str]:
    """The faults of which a run is recorded."""
    return list(recorded_logs({name: f"bug-{name}" for name in FAULTS}, folder=folder))


def beside_healthy(names: tuple[str, ...], *, folder: Path = RUNS) -> dict[str, list[Rows]]:
    """Logs of healthy runs of the faults' recipe, and of each fault."""
    recipe = recipe_of(names[0])
    return {name: logs_of(name, recipe, folder=folder) for name in (HEALTHY, *names)}


def series(rows: Rows, name: str) -> list[float]:
    """One scalar over the steps, nan where it was not logged."""
    return [row.get(name, math.nan) for row in rows]


def means(rows: Rows, name: str, *, parts: int = 4) -> Tensor:
    """The means of one scalar over so many equal parts of a run."""
    values = torch.tensor(series(rows, name), dtype=torch.float64)
    return torch.stack([part.nanmean() for part in values.tensor_split(parts)])


def six_of(rows: Rows, *, parts: int = 4) -> dict[str, Tensor]:
    """The article's six scalars of a run, as ``read_scalars`` wants them."""
    return {name: means(rows, name, parts=parts) for name in SIX_SCALARS}
