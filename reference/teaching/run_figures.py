"""Pictures of the recorded runs: several seeds of a recipe, all recipes together, two engines."""

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reference.evaluation.statistics import wilson_interval
from reference.runs.curves import moving_mean
from reference.runs.recorded_runs import Run
from reference.style import BLUE, GREEN, INK, MUTED, ORANGE, RED, SKY, style
from reference.teaching.labels import span


def figure_seeds(runs: list[Run], *, title: str) -> Figure:
    """Reward over steps for several seeds, between held-out accuracy before (left) and after (right).

    Dots are held-out accuracy with 95 % intervals.
    """
    with style():
        figure = Figure(figsize=(10, 4.6), layout="constrained")
        ax = figure.subplots()
        last = int(runs[0].metrics[-1]["step"])
        lines(ax, runs, "reward", color=SKY)
        for kind, colour, marker in (("greedy", ORANGE, "s"), ("sampled", BLUE, "o")):
            for when, x in (("before", 0), ("after", last + 1.5)):
                shares = [run.accuracy[when][kind] for run in runs]
                for offset, (run, share) in enumerate(zip(runs, shares, strict=True)):
                    low, high = wilson_interval(share, run.accuracy[when]["problems"])
                    place = x + 0.7 * offset * (when == "after")
                    ax.plot([place, place], [low, high], color=colour, linewidth=2, zorder=2)
                    ax.plot(place, share, marker, color=colour, markersize=7, zorder=3)
                reading = f"{kind} {min(shares):.0%}" + (
                    f" to {max(shares):.0%}" if max(shares) - min(shares) > 0.005 else ""
                )
                side = {"before": (x - 0.9, "right"), "after": (x + 2.4, "left")}[when]
                ax.text(side[0], sum(shares) / len(shares), reading, color=INK, ha=side[1], va="center", fontsize=11)
        ax.text(last / 3, 0.7, "reward while training,\none line per seed", color=MUTED, fontsize=11, va="top")
        ax.set_xlim(-15, last + 15)
        ax.set_xticks(range(0, last + 1, 10))
        ax.set_ylim(0.35, 1.02)
        ax.set_xlabel("step (32 problems, 8 completions each)")
        ax.set_ylabel("share right")
        ax.set_title(title)
        return figure


def figure_recipes(found: list[list[Run]]) -> Figure:
    """A panel per recipe: reward over steps, one line per seed, and held-out accuracy at the end."""
    with style():
        rows = math.ceil(len(found) / 3)
        figure = Figure(figsize=(11, 0.4 + 2.5 * rows), layout="constrained")
        axes = figure.subplots(rows, 3, sharey=True, squeeze=False)
        for ax, runs in zip(axes.flat, found, strict=False):
            last = int(runs[0].metrics[-1]["step"])
            lines(ax, runs, "reward", color=SKY)
            for kind, colour, marker in (("greedy", ORANGE, "s"), ("sampled", BLUE, "o")):
                shares = [run.accuracy["after"][kind] for run in runs]
                ax.plot([last + 2] * len(shares), shares, marker, color=colour, markersize=5, clip_on=False)
                ax.text(
                    last + 4,
                    sum(shares) / len(shares),
                    f"{kind} {percent(shares)}",
                    color=INK,
                    fontsize=10,
                    va="center",
                )
            ax.set_title(runs[0].recipe.name)
            ax.set_xlim(0, 1.55 * last)
            ax.set_xticks(range(0, last + 1, 20))
            ax.set_ylim(0.35, 1.03)
        for ax in axes.flat[len(found) :]:
            ax.set_visible(False)
        for ax in axes[-1]:
            ax.set_xlabel("step")
        for ax in axes[:, 0]:
            ax.set_ylabel("share right")
        return figure


def figure_others(found: dict[str, list[Run]]) -> Figure:
    """What the loops that do not reinforce look like: SFT, the reward model, DPO on fixed and on fresh pairs."""
    with style():
        figure = Figure(figsize=(11, 5.6), layout="constrained")
        axes = dict(zip(found, figure.subplots(2, 2).flat, strict=False))
        for name, ax in axes.items():
            runs = found[name]
            if name == "sft":
                lines(ax, runs, "loss", color=BLUE, window=10)
                ax.set_ylabel("NLL (nats per token)")
            elif name == "reward-model":
                lines(ax, runs, "accuracy", color=BLUE, window=10)
                held_out = [run.accuracy["after"]["share"] for run in runs]
                ax.plot([runs[0].metrics[-1]["step"] + 4] * len(runs), held_out, "o", color=ORANGE, clip_on=False)
                ax.text(
                    ax.get_xlim()[1] * 1.03, sum(held_out) / len(held_out), f"held out {percent(held_out)}", fontsize=10
                )
                ax.set_xlim(right=1.35 * runs[0].metrics[-1]["step"])
                ax.set_ylabel("training pairs won")
            else:
                lines(ax, runs, "chosen", color=GREEN, label="chosen")
                lines(ax, runs, "rejected", color=RED, label="rejected", dashes=True)
                ax.axhline(0, color=MUTED, linewidth=1)
                ax.set_xlim(right=1.3 * runs[0].metrics[-1]["step"])
                ax.set_ylabel("log-prob, change (nats)")
            ax.set_title(name)
            ax.set_xlabel("step")
        return figure


def figure_engines(ours: list[Run], theirs: list[Run]) -> Figure:
    """The same recipe on two engines: reward over steps, one line per seed."""
    with style():
        figure = Figure(figsize=(10, 4.2), layout="constrained")
        ax = figure.subplots()
        lines(ax, ours, "reward", color=BLUE)
        lines(ax, theirs, "reward", color=ORANGE, dashes=True)
        last = int(ours[0].metrics[-1]["step"])
        for y, runs, colour, name in ((0.66, ours, BLUE, "our loop (solid)"), (0.6, theirs, ORANGE, "TRL (dashed)")):
            after = percent([run.accuracy["after"]["sampled"] for run in runs])
            ax.plot([0.3 * last, 0.34 * last], [y, y], color=colour, linestyle="--" if runs is theirs else "-")
            ax.text(0.36 * last, y, f"{name}, {len(runs)} seeds; held out, sampled: {after}", color=INK, va="center")
        ax.set_ylim(0.35, 1.0)
        ax.set_xlabel("step (32 problems, 8 completions each)")
        ax.set_ylabel("share right, mean of 5 steps")
        ax.set_title(f"{ours[0].recipe.name} on two engines")
        return figure


def lines(
    ax: Axes, runs: list[Run], name: str, *, color: str, label: str = "", dashes: bool = False, window: int = 5
) -> None:
    """One line per seed; the label, if any, stands at the end of the first."""
    for run in runs:
        steps, values = zip(*((row["step"], row[name]) for row in run.metrics), strict=True)
        smooth = moving_mean(list(values), window)
        ax.plot(steps, smooth, color=color, linewidth=1.6, linestyle="--" if dashes else "-", zorder=1)
        if label and run is runs[0]:
            ax.annotate(label, (steps[-1], smooth[-1]), xytext=(5, 0), textcoords="offset points", color=INK,
                        fontsize=10, va="center")  # fmt: skip


def percent(shares: list[float]) -> str:
    """90-91%, or 90% where that is all."""
    return span([100 * share for share in shares], ".0f", between="\u2013") + "%"
