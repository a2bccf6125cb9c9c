"""Runs with a fault beside healthy ones."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from reference.runs.recorded_runs import Rows
from reference.style import BLUE, GREEN, INK, MUTED, ORANGE, PURPLE, RED, describe, style
from reference.teaching.strip import WIDTH

from .recorded import HEALTHY, series

LOOKS = (
    (MUTED, "--"),
    (BLUE, "-"),
    (ORANGE, "-."),
    (RED, ":"),
    (GREEN, (0, (5, 1, 1, 1, 1, 1))),
    (PURPLE, (0, (8, 2))),
)
LOG = ("approx_kl", "kl_k3")  # scalars that can differ by a factor of a thousand
FLOOR = 1e-6  # nats: on a logarithmic axis what is smaller stands here


def mean_series(logs: Sequence[Rows], name: str) -> list[float]:
    """The mean of one scalar over runs, step by step."""
    return [sum(values) / len(values) for values in zip(*(series(rows, name) for rows in logs), strict=False)]


def figure_beside(
    logs: Mapping[str, Sequence[Rows]], panels: Mapping[str, str], *, title: str = "", logarithmic: Sequence[str] = LOG
) -> Figure:
    """A panel for each scalar; in it a thin line for each run, and the mean of each kind of run.

    ``logs``: what the runs are called -> their logs, by seed. ``panels``: a scalar -> the words above its panel.
    """
    lines = math.ceil(len(panels) / 2)
    with style():
        figure = Figure(figsize=(WIDTH, 1.0 + 2.3 * lines), layout="constrained")
        axes = figure.subplots(lines, 2, squeeze=False).flat
        for ax, (name, words) in zip(axes, panels.items(), strict=False):
            ax.set_title(words, fontsize=11)
            draw_kinds(ax, logs, name, logarithmic=name in logarithmic)
        for ax in list(axes)[len(panels) :]:
            ax.set_visible(False)
        handles = [
            Line2D([], [], color=colour, linestyle=line, label=kind)
            for kind, (colour, line) in zip(logs, LOOKS, strict=False)
        ]
        figure.legend(handles=handles, loc="outside upper left", ncols=min(3, len(handles)), fontsize=10, frameon=False)
        return describe(figure, f"{title} {ends_in_words(logs, panels)}".strip())


def draw_kinds(ax: Axes, logs: Mapping[str, Sequence[Rows]], name: str, *, logarithmic: bool) -> None:
    """Every run thin and the mean of its kind thick, in the look of the kind."""
    for (_, runs), (colour, line) in zip(logs.items(), LOOKS, strict=False):
        for rows in runs:
            plot(
                ax,
                [row["step"] for row in rows],
                series(rows, name),
                logarithmic,
                color=colour,
                linewidth=0.6,
                alpha=0.45,
            )
        steps = [row["step"] for row in min(runs, key=len)]
        plot(ax, steps, mean_series(runs, name), logarithmic, color=colour, linestyle=line)
    if logarithmic:
        ax.set_yscale("log")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("step", fontsize=10)


def plot(ax: Axes, steps: Sequence[float], values: Sequence[float], logarithmic: bool, **look: object) -> None:
    kept = [max(value, FLOOR) if logarithmic and value == value else value for value in values]
    ax.plot(steps, kept, **look)


def ends_in_words(logs: Mapping[str, Sequence[Rows]], panels: Mapping[str, str]) -> str:
    """Of every kind of run and every scalar the mean over the first three steps, and over the last three."""
    said = []
    for kind, runs in logs.items():
        parts = []
        for name in panels:
            values = mean_series(runs, name)
            if any(value == value for value in values):
                parts.append(f"{name} {mean(values[:3]):.3g} to {mean(values[-3:]):.3g}")
        said.append(f"{kind}: {', '.join(parts) or 'not logged'}")
    return "From the first three steps to the last three. " + ". ".join(said) + "."


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def figure_up_to(rows: Rows, healthy: Rows, panels: Mapping[str, str], *, step: int, title: str) -> Figure:
    """The scalars of a run up to a step, with a healthy run faintly behind, on axes that do not move with the step."""
    lines = math.ceil(len(panels) / 3)
    with style():
        figure = Figure(figsize=(9.6, 0.6 + 2.2 * lines), layout="constrained")
        axes = figure.subplots(lines, 3, sharex=True, squeeze=False).flat
        said = []
        for ax, (name, words) in zip(axes, panels.items(), strict=False):
            seen, other = series(rows, name), series(healthy, name)
            ax.plot([row["step"] for row in healthy], other, "--", color=MUTED, linewidth=1.2)
            ax.plot([row["step"] for row in rows][:step], seen[:step], color=BLUE)
            ax.set_ylim(*limits([*seen, *other]))
            ax.set_xlim(0, max(len(rows), len(healthy)) + 1)
            ax.set_title(f"{words}\n{seen[step - 1]:.3g}", fontsize=10, color=INK)
            said.append(f"{name} {seen[step - 1]:.3g}, {HEALTHY} {other[min(step, len(other)) - 1]:.3g}")
        figure.suptitle(f"{title}, step {step} (solid); {HEALTHY} (dashed)", fontsize=12, x=0.01, ha="left")
        return describe(figure, f"{title} at step {step}: {'; '.join(said)}.")


def limits(values: Sequence[float]) -> tuple[float, float]:
    """An axis for all values, with 0 on it unless some are below."""
    known = [value for value in values if value == value]
    low, high = min([0.0, *known]), max([*known, 1e-9])
    return low, high + 0.05 * (high - low)
