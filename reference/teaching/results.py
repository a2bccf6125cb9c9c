"""The recorded runs: what is in figures/runs, what each kind of recipe promises, and the table of the README."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reference.evaluation.accuracy import Accuracy
from reference.evaluation.statistics import wilson_interval
from reference.objectives.shapes import InputError
from reference.teaching.experiments.recipes import SEEDS
from reference.training.files import write_atomically
from reference.training.measure import read_accuracy
from reference.training.recipes import ROWS, Recipe
from reference.training.reward_model import PairAccuracy
from reference.training.runs import read_metrics

TARGETS = {  # the least share right (reward model: of pairs) of every seed; sampled for all but the reward model
    **{recipe.name: 0.80 for recipe in ROWS if recipe.kind == "rl"},
    "sft": 0.90, "reward-model": 0.70, "dpo": 0.55, "dpo-online": 0.70,
}  # fmt: skip


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


def recorded(folder: Path, recipe: Recipe, *, engine: str = "") -> list[Run]:
    """The runs of a recipe, by seed; none if there are none. ``engine``: "trl" for those of TRL."""
    found = []
    for seed in SEEDS:
        path = folder / "-".join(filter(None, [recipe.name, engine, "seed", str(seed)]))
        if path.is_dir():
            kind = PairAccuracy if recipe.kind == "reward" else Accuracy
            run = Run(recipe, seed, read_metrics(path), read_accuracy(path, kind))
            if not {"before", "after", "seconds"} <= run.accuracy.keys() or not run.metrics:
                raise InputError(f"{path} is not a finished run: finish it with --resume, or take it out of {folder}")
            if untimed := next((row["step"] for row in run.metrics if "seconds" not in row), None):
                raise InputError(f"{path}/metrics.jsonl lacks the seconds of step {untimed}: record the run again")
            found.append(run)
    return found


def all_recorded(folder: Path) -> dict[str, list[Run]]:
    """Every recipe that was recorded, in the order of the table of recipes."""
    found = {recipe.name: runs for recipe in ROWS if (runs := recorded(folder, recipe))}
    if not found:
        raise InputError(f"{folder} holds no runs: record some with python -m reference record grpo --folder {folder}")
    return found


def results_table(folder: Path) -> str:
    """The recorded runs as a Markdown table: a row per recipe, a number per seed, held-out problems after training."""
    found = all_recorded(folder)
    rows = [
        "| `train` | steps | sampled, % right | greedy, % right | pass@8, % | minutes |",
        "|---|---|---|---|---|---|",
    ]
    policies = [run for runs in found.values() for run in runs if run.recipe.kind != "reward"]
    if policies:
        rows.append(row_of_the_base(policies[0].accuracy["before"]))
    for name, runs in found.items():
        if runs[0].recipe.kind == "reward":
            shown = [f"{numbers(runs, 'share')} of pairs (the longer one: {numbers(runs, 'longer')})", "", ""]
        else:
            shown = [numbers(runs, kind) for kind in ("sampled", "greedy", "pass_at_k")]
        minutes = " / ".join(f"{run.minutes:.1f}" for run in runs)
        rows.append("| " + " | ".join([f"`{name}`", str(runs[0].recipe.steps), *shown, minutes]) + " |")
    return "\n".join(rows)


def row_of_the_base(base: dict[str, Any]) -> str:
    """What every policy was before it was trained."""
    low, high = wilson_interval(base["sampled"], base["problems"])
    shown = f"{base['sampled']:.1%} [{low:.1%}, {high:.1%}]"
    return f"| (the base) | | {shown} | {base['greedy']:.1%} | {base['pass_at_k']:.1%} | |"


def numbers(runs: list[Run], kind: str) -> str:
    """What was measured after training, seed by seed, in per cent."""
    return " / ".join(f"{run.accuracy['after'][kind]:.1%}".removesuffix("%") for run in runs)


def update_readme(readme: Path, folder: Path) -> bool:
    """Put the results table between its marks in the README. False if there are no marks to put it between."""
    begin, end = "<!-- results -->", "<!-- end of results -->"
    text = readme.read_text() if readme.exists() else ""
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        return False
    head, tail = text.split(begin)[0], text.split(end)[1]
    write_atomically(readme, f"{head}{begin}\n{results_table(folder)}\n{end}{tail}")
    return True
