"""The recorded runs of every fault, and healthy runs of the same recipes beside them."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from reference.algorithms.recipes import RECIPES
from reference.doctor.log import Log
from reference.doctor.logs import read_log
from reference.faults import FAULTS
from reference.objectives.shapes import InputError
from reference.runs.curves import PANELS, SIX_SCALARS
from reference.runs.folder import read_metrics
from reference.runs.recorded_runs import RUNS, Rows, at_the_end, require_folder

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
    """The logs of a fault (three seeds), or of ``healthy`` (every seed that is recorded). ``InputError`` where there is none."""
    require_folder(folder)
    run, seeds = (f"healthy-{recipe}", range(5)) if name == HEALTHY else (f"bug-{name}", range(3))
    paths = [folder / f"{run}-seed-{seed}" for seed in seeds]
    found = [read_metrics(path) for path in paths if path.is_dir()]
    if not found:
        raise InputError(f"no run {run} is recorded: python -m reference record {run}-seed-0 makes one")
    return found


def recorded_faults(*, folder: Path = RUNS) -> list[str]:
    """The faults of which a run is recorded."""
    require_folder(folder)
    return [name for name in FAULTS if (folder / f"bug-{name}-seed-0").is_dir()]


def panels_of(recipe: str) -> dict[str, str]:
    """The scalars that are shown for a recipe of this kind, with their words."""
    return PANELS[RECIPES[recipe].kind]


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


def updates_of(recipe: str) -> int:
    """Optimizer steps on one rollout."""
    return RECIPES[recipe].minibatches * RECIPES[recipe].inner_epochs


def verdicts(read: Callable[..., str], *, folder: Path = RUNS) -> dict[str, list[str]]:
    """What ``read_scalars`` says of the recorded runs of reinforcement learning, fault by fault, and of healthy GRPO."""
    names = [name for name in recorded_faults(folder=folder) if RECIPES[recipe_of(name)].kind == "rl"]
    found = {}
    for name, recipe in [(HEALTHY, "grpo"), *((name, recipe_of(name)) for name in names)]:
        logs = logs_of(name, recipe, folder=folder)
        found[name] = [read(*six_of(rows).values(), updates=updates_of(recipe)) for rows in logs]
    return found


def at_the_start(name: str, *scalars: str, folder: Path = RUNS) -> list[float]:
    """The first step of seed 0 of a fault, or of healthy GRPO. Both begin with the same samples, if the recipe is the same."""
    rows = logs_of(name, "grpo" if name == HEALTHY else recipe_of(name), folder=folder)[0]
    return [rows[0][scalar] for scalar in scalars]


def in_the_end(name: str, *scalars: str, folder: Path = RUNS) -> list[float]:
    """The means over the last four steps of seed 0."""
    rows = logs_of(name, "grpo" if name == HEALTHY else recipe_of(name), folder=folder)[0]
    return [at_the_end(rows, scalar, last=4) for scalar in scalars]


def log_of(name: str, recipe: str = "", *, seed: int = 0, folder: Path = RUNS) -> Log:
    """The log of one recorded run as the doctor reads it, under the name of the run."""
    run = f"healthy-{recipe}-seed-{seed}" if name == HEALTHY else f"bug-{name}-seed-{seed}"
    return replace(read_log(str(folder / run)), source=run)
