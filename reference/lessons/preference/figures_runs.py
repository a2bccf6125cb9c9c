"""Beta on the small model: recorded runs of one budget of steps, and runs that had time to come to rest."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reference.runs.curves import moving_mean
from reference.runs.measure import read_accuracy
from reference.runs.recorded_runs import RUNS, Rows, at_the_end
from reference.style import BLUE, GREEN, INK, MUTED, RED, style
from reference.teaching.labels import label_ends
from reference.teaching.show import describe

from .experiments import SETTLED
from .figures import logit


def figure_betas(runs: dict[float, Rows]) -> Figure:
    """Runs of 80 steps: the margin over the steps, and by beta what chosen and rejected have gained at the end."""
    with style():
        figure = Figure(figsize=(11, 4.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        over_steps(left, runs)
        left.set_ylabel("margin (nats)")
        left.set_title("Margin over the steps")
        for name, colour, marker in (("chosen", GREEN, "o"), ("rejected", RED, "s")):
            by_beta(right, {beta: at_the_end(rows, name) for beta, rows in runs.items()}, name, colour, marker)
        right.axhline(0, color=MUTED, linewidth=1)
        right.set_ylabel("change of the log-prob (nats)")
        right.set_title("At the end: chosen and rejected")
        readings = [
            f"beta {beta:g}: margin {at_the_end(rows, 'margin'):.1f}, chosen {at_the_end(rows, 'chosen'):+.1f}, rejected "
            f"{at_the_end(rows, 'rejected'):+.1f}"
            for beta, rows in runs.items()
        ]
        return describe(figure, "After 80 steps, mean of the last ten. " + "; ".join(readings))


def over_steps(ax: Axes, runs: dict[float, Rows]) -> None:
    """A line per beta, from dark for a small one to light, with its beta at its end."""
    shades = ["#08306b", "#08519c", "#1f67ae", "#2e79b9", "#3d8ac2", "#4d9aca"]
    ends = {}
    for (beta, rows), shade in zip(runs.items(), shades, strict=False):
        smooth = moving_mean([row["margin"] for row in rows], 5)
        ax.plot([row["step"] for row in rows], smooth, color=shade, linewidth=2)
        ends[f"β {beta:g}"] = smooth[-1]
    label_ends(ax, ends, gap=0.06)
    last = int(rows[-1]["step"])
    ax.set_xlim(0, 1.2 * last)
    ax.set_xticks(range(0, last + 1, 20))
    ax.spines["bottom"].set_bounds(0, last)
    ax.set_xlabel("step")


def by_beta(ax: Axes, values: dict[float, float], name: str, colour: str, marker: str) -> None:
    ax.plot(list(values), list(values.values()), color=colour, marker=marker, linewidth=1.6)
    beta, value = list(values.items())[-1]
    ax.annotate(name, (beta, value), xytext=(9, 0), textcoords="offset points", fontsize=11, va="center")
    ax.set_xscale("log")
    ax.set_xlim(min(values) / 1.5, 4 * max(values))
    ax.set_xticks(list(values), [f"{beta:g}" for beta in values])
    ax.minorticks_off()
    ax.spines["bottom"].set_bounds(min(values) / 1.5, max(values))
    ax.set_xlabel("β (log scale)")


def figure_settled(runs: dict[float, Rows], *, folder: Path = RUNS) -> Figure:
    """Conservative DPO on few pairs: the mean margin over 300 steps, and the margin of the optimum, dashed."""
    readings = []
    with style():
        figure = Figure(figsize=(10, 4.2), layout="constrained")
        ax = figure.subplots()
        for (beta, rows), colour in zip(runs.items(), (BLUE, GREEN, RED), strict=False):
            rest, end = logit(0.9) / beta, at_the_end(rows, "margin")
            after = read_accuracy(folder / SETTLED[beta])["after"]
            ax.axhline(rest, color=colour, linestyle=(0, (4, 2)), linewidth=1.6)
            smooth = moving_mean([max(row["margin"], 1e-3) for row in rows], 5)
            ax.plot([row["step"] for row in rows], smooth, color=colour)
            won = at_the_end(rows, "accuracy")
            words = (
                f"β {beta:g}: {end:.1f} nats, {won:.0%} of pairs won",
                f"held out: sampled {after['sampled']:.0%}, greedy {after['greedy']:.0%}",
            )
            for line, dy in zip(words, (6, -14), strict=True):
                ax.annotate(line, (rows[-1]["step"], rest), xytext=(6, dy), textcoords="offset points", color=INK,
                            fontsize=11, annotation_clip=False)  # fmt: skip
            readings.append(
                f"beta {beta:g} ends at {end:.2f}, its optimum is {rest:.2f}; {won:.1%} of the pairs won; "
                f"held out, sampled {after['sampled']:.1%}, greedy {after['greedy']:.1%}"
            )
        ax.text(3, 32, "dashed: logit(0.9) / β", color=MUTED, fontsize=11)
        ax.set_yscale("log")
        ax.set_ylim(0.2, 50)
        ax.set_yticks([0.3, 1, 3, 10, 30], ["0.3", "1", "3", "10", "30"])
        ax.set_xlim(0, 1.42 * rows[-1]["step"])
        ax.set_xticks(range(0, int(rows[-1]["step"]) + 1, 100))
        ax.spines["bottom"].set_bounds(0, rows[-1]["step"])
        ax.set_xlabel("step")
        ax.set_ylabel("margin on the pairs (nats, log scale)")
        return describe(figure, "Margin in nats, mean of the last ten steps. " + ". ".join(readings))
