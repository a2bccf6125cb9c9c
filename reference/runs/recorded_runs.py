"""The recorded runs of figures/runs: how they are called, and reading them for tables, pictures and lessons."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from reference.algorithms.distill import asks_teacher
from reference.algorithms.recipes import ROWS, Recipe
from reference.algorithms.reward_model import PairAccuracy
from reference.evaluation.accuracy import Accuracy
from reference.evaluation.tool_use import ToolUse
from reference.objectives.shapes import InputError
from reference.runs.course import COURSE
from reference.runs.folder import read_metrics
from reference.runs.measure import read_accuracy

SEEDS = (0, 1, 2)
RUNS = COURSE / "figures" / "runs"  # those of the course, wherever a notebook lies
PROXIES = {4096: 80, 512: 60}  # pairs that people have compared -> steps of the reward model
CLIMB = "grpo --reward {{proxy-{}-seed-{}}} --kl-place measure --lr 1e-4 --steps 60 --prompts-per-step 16"
OVER_OPTIMISED = {  # reward models of people who lean towards length, and policies that climb them
    **{f"proxy-{pool}-seed-{seed}": f"reward-model --raters people --pool {pool} --steps {steps} --seed {seed}"
       for pool, steps in PROXIES.items() for seed in SEEDS},
    **{f"climb-{pool}-seed-{seed}": f"{CLIMB.format(pool, seed)} --seed {seed}" for pool in PROXIES for seed in SEEDS},
}  # fmt: skip


def command_of(recipe: Recipe) -> str:
    """The options of a recipe's recorded runs: as it stands in the table, with a teacher where it asks one."""
    return f"{recipe.name} {TAUGHT}" if asks_teacher(recipe) else recipe.name


TAUGHT = "--teacher {sft-seed-0}"  # which teacher the recorded runs of distill have
DISTILLED = {  # other ways to learn from the same teacher: name -> options of train
    "distill-forward": f"distill {TAUGHT} --teacher-share 0",
    "distill-reward": f"distill {TAUGHT} --loss ppo_clip",
}
EXPERIMENTS = {  # every recipe of the README's table, and GRPO on TRL: name in figures/runs -> options of train
    **{f"{recipe.name}-seed-{seed}": f"{command_of(recipe)} --seed {seed}" for recipe in ROWS for seed in SEEDS},
    **{f"{name}-seed-{seed}": f"{command} --seed {seed}" for name, command in DISTILLED.items() for seed in SEEDS},
    **{f"grpo-trl-seed-{seed}": f"grpo --engine trl --seed {seed}" for seed in SEEDS},
    **OVER_OPTIMISED,
}

Rows = list[dict[str, float]]  # the log of one run: of metrics.jsonl, one per step
Key = TypeVar("Key")


@dataclass(frozen=True)
class Run:
    """One recorded run: its log, and its accuracy.json."""

    recipe: Recipe
    seed: int
    metrics: list[dict[str, float]]
    accuracy: dict[str, Any]

    @property
    def minutes(self) -> float:
        """Of training and both measurements."""
        return (sum(row["seconds"] for row in self.metrics) + sum(self.accuracy["seconds"].values())) / 60


def runs_of(folder: Path, recipe: Recipe, *, engine: str = "") -> list[Run]:
    """The runs of a recipe, by seed; none if there are none. ``engine``: "trl" for those of TRL."""
    found = []
    for seed in SEEDS:
        path = folder / "-".join(filter(None, [recipe.name, engine, "seed", str(seed)]))
        if path.is_dir():
            kind = PairAccuracy if recipe.kind == "reward" else ToolUse if recipe.task == "tools" else Accuracy
            run = Run(recipe, seed, read_metrics(path), read_accuracy(path, kind))
            if not {"before", "after", "seconds"} <= run.accuracy.keys() or not run.metrics:
                raise InputError(f"{path} is not a finished run: finish it with --resume, or take it out of {folder}")
            if step := next((row["step"] for row in run.metrics if "seconds" not in row), None):
                raise InputError(f"{path}/metrics.jsonl lacks the seconds of step {step}: record the run again")
            found.append(run)
    return found


def all_runs(folder: Path) -> dict[str, list[Run]]:
    """Every recipe that was recorded, in the order of the table of recipes."""
    found = {recipe.name: runs for recipe in ROWS if (runs := runs_of(folder, recipe))}
    if not found:
        raise InputError(f"{folder} holds no runs: record some with python -m reference record grpo --folder {folder}")
    return found


def recorded_logs(runs: Mapping[Key, str], *, folder: Path = RUNS) -> dict[Key, list[Rows]]:
    """The logs of NAME-seed-0, NAME-seed-1, ... for every name, as far as they are recorded; names without one left out.

    ``runs``: what a run stands for, such as the way of a penalty -> its name in ``folder``, without the seed. Raises
    ``InputError`` where there is no such folder.
    """
    require_folder(folder)
    paths = {key: [folder / f"{name}-seed-{seed}" for seed in SEEDS] for key, name in runs.items()}
    found = {key: [read_metrics(path) for path in those if path.is_dir()] for key, those in paths.items()}
    return {key: logs for key, logs in found.items() if logs}


def require_folder(folder: Path) -> None:
    """The recorded runs come with the repository and with a wheel that was built from it, and not with a copy of the code."""
    if not folder.is_dir():
        raise InputError(
            f"the recorded runs are not at {folder}: work in a clone of the repository, or install its wheel"
        )


def mean_at(logs: list[Rows], name: str, steps: slice) -> float:
    """Mean of one scalar over runs and over those of the steps that have it."""
    values = [row[name] for log in logs for row in log[steps] if name in row]
    return sum(values) / len(values)


def at_the_end(rows: Rows, name: str, *, last: int = 10) -> float:
    """Mean of one scalar over the last steps of a run."""
    return mean_at([rows], name, slice(-last, None))
