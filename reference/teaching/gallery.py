"""The pictures of the README, drawn from the recorded runs and the shipped model: python -m reference figures"""

from pathlib import Path

from matplotlib.figure import Figure

from reference.evaluation.statistics import wilson_interval
from reference.objectives.shapes import InputError
from reference.teaching.example import example
from reference.teaching.figures import figure_walk, figure_weights
from reference.training.curves import figure_seeds
from reference.training.measure import read_accuracy
from reference.training.runs import read_metrics, write_atomically


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


def results_table(folder: Path) -> str:
    """The recorded runs as a Markdown table: held-out accuracy before and after, and the minutes each run took."""
    rows = [
        "| seed | sampled before | sampled after | greedy before | greedy after | pass@8 before → after | minutes |",
        "|---|---|---|---|---|---|---|",
    ]
    for seed, (metrics, accuracy) in enumerate(recorded_runs(folder)):
        before, after = accuracy["before"], accuracy["after"]
        told = [share(part[kind], part["problems"]) for kind in ("sampled", "greedy") for part in (before, after)]
        minutes = (sum(row["seconds"] for row in metrics) + sum(accuracy["seconds"].values())) / 60
        k = f"{before['pass_at_k']:.1%} → {after['pass_at_k']:.1%}"
        rows.append("| " + " | ".join([str(seed), *told, k, f"{minutes:.1f}"]) + " |")
    return "\n".join(rows)


def share(value: float, n: int) -> str:
    low, high = wilson_interval(value, n)
    return f"{value:.1%} [{low:.1%}, {high:.1%}]"


def update_readme(readme: Path, folder: Path) -> bool:
    """Put the results table between its marks in the README. False if there are no marks to put it between."""
    begin, end = "<!-- results -->", "<!-- end of results -->"
    text = readme.read_text() if readme.exists() else ""
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        return False
    head, tail = text.split(begin)[0], text.split(end)[1]
    write_atomically(readme, f"{head}{begin}\n{results_table(folder)}\n{end}{tail}")
    return True


def recorded_runs(folder: Path) -> list[tuple[list[dict], dict]]:
    """Metrics and accuracy of every recorded GRPO run, by seed."""
    runs = sorted(folder.glob("grpo-seed-*"))
    if not runs:
        raise InputError(
            f"{folder} holds no runs: record one with python -m reference train grpo --out {folder}/grpo-seed-0"
        )
    found = []
    for run in runs:
        accuracy = read_accuracy(run)
        if not {"before", "after", "seconds"} <= accuracy.keys() or not read_metrics(run):
            raise InputError(f"{run} is not a finished run: finish it with --resume, or take it out of {folder}")
        found.append((read_metrics(run), accuracy))
    return found


def figure_recorded_grpo(folder: Path) -> Figure:
    """Reward and held-out accuracy of the recorded GRPO runs."""
    runs = recorded_runs(folder)
    return figure_seeds(runs, title=f"GRPO from the shipped base, {len(runs)} seeds, 2 CPU cores")
