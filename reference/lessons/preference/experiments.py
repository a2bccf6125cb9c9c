"""DPO with another beta and nothing else changed, and conservative DPO on few pairs until it rests.

On always-preferred pairs DPO has no optimum, so what a fixed budget of steps shows is how far it got. The recipe clips the
gradient's norm, which for a large beta is every step: two runs go without. Conservative DPO takes a tenth of the labels to
be wrong: its optimum is a margin of logit(0.9) / beta, and few pairs let it get there.
"""

from pathlib import Path

from reference.runs.folder import read_metrics
from reference.runs.measure import read_accuracy
from reference.runs.recorded_runs import RUNS, Rows, require_folder

BETAS = {  # beta -> the run of 80 steps; 0.1 is the recipe itself, recorded among the recipes
    0.01: "beta-0.01-seed-0",
    0.03: "beta-0.03-seed-0",
    0.1: "dpo-seed-0",
    0.3: "beta-0.3-seed-0",
    1.0: "beta-1-seed-0",
    3.0: "beta-3-seed-0",
}
UNCLIPPED = {1.0: "unclipped-1-seed-0", 3.0: "unclipped-3-seed-0"}
SETTLED = {0.1: "settled-0.1-seed-0", 0.5: "settled-0.5-seed-0", 2.0: "settled-2-seed-0"}

EXPERIMENTS = {
    **{name: f"dpo --beta {beta:g} --seed 0" for beta, name in BETAS.items() if name.startswith("beta")},
    **{name: f"dpo --beta {beta:g} --max-grad-norm 1e9 --seed 0" for beta, name in UNCLIPPED.items()},
    **{
        name: f"cdpo --beta {beta:g} --pool 64 --prompts-per-step 16 --steps 300 --seed 0"
        for beta, name in SETTLED.items()
    },
}


def recorded_betas(names: dict[float, str], *, folder: Path = RUNS) -> dict[float, Rows]:
    """The log of every beta that was recorded."""
    require_folder(folder)
    return {beta: read_metrics(folder / name) for beta, name in names.items() if (folder / name).is_dir()}


def recorded_accuracies(names: dict[float, str], *, folder: Path = RUNS) -> dict[float, dict[str, float]]:
    """The shares of right answers at the end of every run that was recorded, ``sampled`` and ``greedy``, by beta."""
    require_folder(folder)
    return {beta: read_accuracy(folder / name)["after"] for beta, name in names.items() if (folder / name).is_dir()}
