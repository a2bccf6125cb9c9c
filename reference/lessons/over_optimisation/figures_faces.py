"""What hacking looks like in a log: length of right and wrong answers, what is cut off, and entropy."""

import math
from collections.abc import Sequence

from matplotlib.figure import Figure

from reference.runs.curves import moving_mean
from reference.runs.recorded_runs import Rows
from reference.style import BLUE, GREEN, MUTED, RED, style
from reference.teaching.show import describe
from reference.teaching.strip import WIDTH
from reference.teaching.table import table

from .recorded import WINDOW, curve_of_log, mean_curve, peak

FACES = {  # scalar of a log -> words, a format
    "reward": ("gold", ".2f"),
    "proxy": ("proxy", "+.2f"),
    "length": ("length", ".0f"),
    "length_right": ("of the right ones", ".0f"),
    "length_wrong": ("of the wrong ones", ".0f"),
    "truncated": ("cut off", ".2f"),
    "entropy": ("entropy", ".2f"),
}
PANELS = {  # heading -> scalar -> name, colour, line
    "gold, share right": {"reward": ("", BLUE, "-")},
    "length, tokens": {"length_right": ("right", GREEN, "-"), "length_wrong": ("wrong", RED, "--")},
    "share cut off at the budget": {"truncated": ("", BLUE, "-")},
    "entropy, nats per token": {"entropy": ("", BLUE, "-")},
}


def mean_scalar(logs: Sequence[Rows], name: str) -> list[float]:
    """One scalar by step: the mean over the logs that have it at the step; where none has it, that of the step before."""
    values: list[float] = []
    for rows in zip(*logs, strict=False):
        there = [row[name] for row in rows if name in row]
        values.append(sum(there) / len(there) if there else values[-1] if values else math.nan)
    return values


def peak_step(logs: Sequence[Rows]) -> int:
    """The step of the peak of gold, in the mean over the logs."""
    return peak(mean_curve(dict(enumerate(map(curve_of_log, logs))))).step


def figure_faces(logs: Sequence[Rows], *, title: str = "") -> Figure:
    """Gold, length of right and wrong answers, what is cut off, and entropy over the steps; a line is at the peak of gold.

    ``logs``: one for each seed; drawn is their mean over ``WINDOW`` steps.
    """
    at, last = peak_step(logs), min(map(len, logs))
    said = []
    with style():
        figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
        for ax, (heading, scalars) in zip(figure.subplots(2, 2, sharex=True).flat, PANELS.items(), strict=True):
            for name, (words, colour, line) in scalars.items():
                values = moving_mean(mean_scalar(logs, name), WINDOW)
                ax.plot(range(1, last + 1), values, line, color=colour)
                ax.annotate(
                    f" {words}", (last, values[-1]), va="center", color=colour, fontsize=11, annotation_clip=False
                )
                three = [values[i] for i in (WINDOW - 1, at - 1, last - 1)]
                said.append(f"{heading} {words}".strip() + ": " + ", ".join(f"{v:.2f}" for v in three))
            ax.axvline(at, color=MUTED, linewidth=1, linestyle=":")
            ax.set_title(heading, fontsize=12)
            ax.set_ylim(bottom=0)
            ax.set_xlim(0, 1.18 * last)
            ax.set_xticks([at, last])
            ax.spines["bottom"].set_bounds(0, last)
        for ax in figure.axes[2:]:
            ax.set_xlabel("step")
        figure.suptitle(title, fontsize=13, fontweight="bold", x=0.01, ha="left")
        start = f"{title}. " if title else ""
        return describe(
            figure,
            f"{start}Means of {len(logs)} seeds at steps {WINDOW}, {at} (the peak of gold) and {last}. {'; '.join(said)}",
        )


def faces_table(logs: Sequence[Rows]) -> None:
    """Print what the logs have before, at and after the peak of gold: means over the seeds and ``WINDOW`` steps."""
    at, last = peak_step(logs), min(map(len, logs))
    steps = {f"steps 1 to {WINDOW}": WINDOW, f"to {at}, the peak": at, f"to {last}, the end": last}
    rows = {}
    for name, (words, spec) in FACES.items():
        values = moving_mean(mean_scalar(logs, name), WINDOW)
        rows[words] = [f"{values[step - 1]:{spec}}" for step in steps.values()]
    table(rows, *steps)
