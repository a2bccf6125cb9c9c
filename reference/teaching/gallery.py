"""The pictures of the README, drawn from the recorded runs and the shipped model: python -m reference figures"""

import json
from pathlib import Path

from matplotlib.figure import Figure

from reference.objectives.shapes import InputError
from reference.teaching.example import example
from reference.teaching.figures import figure_walk, figure_weights
from reference.training.curves import figure_seeds
from reference.training.runs import read_metrics


def draw_gallery(folder: Path) -> list[Path]:
    """Draw every picture into ``folder``, which must hold the recorded runs in ``runs/``. Returns what was written."""
    pictures = {
        "grpo.png": figure_recorded_grpo(folder / "runs"),
        "weights.png": figure_weights([2, 8, 5]),
        "walk.png": figure_walk(example(), position=12),
    }
    for name, figure in pictures.items():
        figure.savefig(folder / name, dpi=120, metadata={"Software": None})
    return [folder / name for name in pictures]


def recorded_runs(folder: Path) -> list[tuple[list[dict], dict]]:
    """Metrics and accuracy of every recorded GRPO run, by seed."""
    runs = sorted(folder.glob("grpo-seed-*"))
    if not runs:
        raise InputError(
            f"{folder} holds no runs: record one with python -m reference train grpo --out {folder}/grpo-seed-0"
        )
    return [(read_metrics(run), json.loads((run / "accuracy.json").read_text())) for run in runs]


def figure_recorded_grpo(folder: Path) -> Figure:
    """Reward and held-out accuracy of the recorded GRPO runs."""
    runs = recorded_runs(folder)
    return figure_seeds(runs, title=f"GRPO from the shipped base, {len(runs)} seeds, 2 CPU cores")
