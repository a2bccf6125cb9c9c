"""What hacking looks like in a log: length of right and wrong answers, what is cut off, and entropy; and what the reward
model has learned, by length."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reference.evaluation.by_length import Bucket
from reference.runs.curves import moving_mean
from reference.runs.recorded_runs import Rows
from reference.style import BLUE, FAINT, GREEN, INK, MUTED, ORANGE, RED, style
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


def figure_by_length(models: Mapping[str, Sequence[Bucket]]) -> Figure:
    """How often the right one of two completions gets the larger reward, by how much longer it is, with 95 % intervals.

    ``models``: name -> buckets of ``accuracy_by_length``, all with the same edges. A bucket without pairs has no mark.
    """
    buckets = next(iter(models.values()))
    with style():
        figure = Figure(figsize=(WIDTH, 3.8), layout="constrained")
        ax = figure.subplots()
        said = []
        looks = ((BLUE, "o"), (ORANGE, "s"), (GREEN, "^"))
        for i, ((name, those), (colour, marker)) in enumerate(zip(models.items(), looks, strict=False)):
            dx = 0.16 * (i - (len(models) - 1) / 2)
            draw_buckets(ax, those, dx, colour=colour, marker=marker)
            ax.plot([0.03], [0.95 - 0.09 * i], marker, color=colour, markersize=8, transform=ax.transAxes)
            ax.text(0.06, 0.95 - 0.09 * i, name, transform=ax.transAxes, va="center", color=INK, fontsize=11)
            shares = [f"{where(b)} {b.share:.0%} of {b.pairs}" for b in those if b.share is not None]
            said.append(f"{name}: {', '.join(shares)}")
        ax.axhline(0.5, color=MUTED, linewidth=1, linestyle="--", zorder=0)
        ax.set_xticks(range(len(buckets)), [where(b) for b in buckets])
        ax.set(ylim=(-0.02, 1.04), xlabel="the right one is longer by, tokens", ylabel="pairs won by the right one")
        return describe(figure, f"Share of pairs in which the right one gets the larger reward. {'. '.join(said)}")


def draw_buckets(ax: Axes, buckets: Sequence[Bucket], dx: float, *, colour: str, marker: str) -> None:
    for place, bucket in enumerate(buckets):
        ax.axvline(place + 0.5, color=FAINT, linewidth=1, zorder=0)
        if bucket.share is not None:
            ax.plot([place + dx] * 2, [bucket.low, bucket.high], color=colour, linewidth=1.8)
            ax.plot([place + dx], [bucket.share], marker, color=colour, markersize=8, markeredgecolor="white")


def where(bucket: Bucket) -> str:
    """The edges of a bucket in tokens, both included."""
    if bucket.least is None or bucket.below is None:
        return f"{bucket.below - 1:+d} or less" if bucket.below is not None else f"{bucket.least:+d} or more"
    return f"{bucket.least:+d} to {bucket.below - 1:+d}"
