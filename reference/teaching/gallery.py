"""The pictures of the README, drawn from the recorded runs and the shipped model: python -m reference figures"""

from pathlib import Path

from reference.algorithms.recipes import RECIPES
from reference.runs.recorded import all_recorded, recorded
from reference.teaching.example import example
from reference.teaching.figures import (
    figure_beta,
    figure_kl_follow,
    figure_lambda,
    figure_quadrants,
    figure_split,
    figure_successes,
    figure_walk,
    figure_weights,
)
from reference.teaching.recorded_figures import figure_engines, figure_others, figure_recipes, figure_seeds

OTHERS = ("sft", "reward-model", "dpo", "dpo-online")


def draw_gallery(folder: Path) -> list[Path]:
    """Draw every picture into ``folder``, which must hold the recorded runs in ``runs/``. Returns what was written."""
    runs = all_recorded(folder / "runs")
    pictures = {
        "weights.png": figure_weights([2, 8, 5]),
        "walk.png": figure_walk(example(), position=12),
        "kl.png": figure_kl_follow(samples=0),
        "lambda.png": figure_lambda(),
        "clip.png": figure_quadrants(),
        "successes.png": figure_successes(8),
        "split.png": figure_split([2, 8, 3, 7]),
        "beta.png": figure_beta(),
    }
    if "grpo" in runs:
        title = f"GRPO from the shipped base, {len(runs['grpo'])} seeds"
        pictures["grpo.png"] = figure_seeds(runs["grpo"], title=title)
        if theirs := recorded(folder / "runs", RECIPES["grpo"], engine="trl"):
            pictures["engines.png"] = figure_engines(runs["grpo"], theirs)
    if reinforcing := [same for same in runs.values() if same[0].recipe.kind == "rl"]:
        pictures["recipes.png"] = figure_recipes(reinforcing)
    if others := {name: runs[name] for name in OTHERS if name in runs}:
        pictures["others.png"] = figure_others(others)
    for name, figure in pictures.items():
        figure.savefig(folder / name, dpi=120, metadata={"Software": None})
    return [folder / name for name in pictures]
