"""The picture of ``doctor``: the scalars of a run, their changes of level, and where the likeliest cause shows."""

import math
import textwrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reference.doctor.changes import change_points, largest
from reference.doctor.diagnose import Diagnosis
from reference.evaluation.printable import printable
from reference.style import BLUE, INK, MUTED, ORANGE, RED, describe, style, words_in

SIX = ("reward", "reward_std", "approx_kl", "clip_frac", "entropy", "grad_norm")
OTHERS = (
    "loss",
    "token_accuracy",
    "supervised",
    "accuracy",
    "margin",
    "chosen",
    "rejected",
    "chosen_reward",
    "reward_margin",
)
MOST = 9  # panels
CHANGES = 3  # of level that a panel marks: the largest


def figure_doctor(diagnosis: Diagnosis) -> Figure:
    """A panel per scalar: the six that every run of reinforcement learning shows, and those of the likeliest cause.

    Where the cause shows is shaded, and its panels come first, marked "seen here". Dotted lines are changes of level.
    """
    names, words = panels(diagnosis), []
    with style():
        rows, columns = math.ceil(len(names) / 3), min(3, len(names))
        figure = Figure(figsize=(4 * columns, 0.8 + 2.7 * rows), layout="constrained")
        axes = figure.subplots(rows, columns, sharex=True, squeeze=False)
        for ax, name in zip(axes.flat, names, strict=False):
            words.append(panel(ax, diagnosis, name))
        for ax in axes.flat[len(names) :]:
            ax.set_visible(False)
        for ax in axes.flat[max(0, len(names) - columns) : len(names)]:
            ax.set_xlabel("step")
            ax.tick_params(labelbottom=True)
        figure.suptitle(
            textwrap.fill(title(diagnosis), 34 * columns), fontsize=13, fontweight="bold", x=0.01, ha="left"
        )
        return describe(figure, f"{title(diagnosis)} {'; '.join(words)}.")


def title(diagnosis: Diagnosis) -> str:
    name = printable(diagnosis.log.source, 60)
    return f"{name}: {diagnosis.found[0].cause.title}" if diagnosis.found else f"{name}: nothing found."


def panels(diagnosis: Diagnosis) -> list[str]:
    """The scalars of the likeliest cause, then the usual ones, as far as the log has them."""
    first = diagnosis.found[0].evidence.scalars if diagnosis.found else ()
    usual = SIX if diagnosis.kind == "rl" else (*OTHERS, "grad_norm")
    names = [name for name in dict.fromkeys((*first, *usual)) if name in diagnosis.log.scalars]
    return (names or list(diagnosis.log.scalars))[:MOST]


def panel(ax: Axes, diagnosis: Diagnosis, name: str) -> str:
    """Draw one scalar. Returns it in words."""
    log = diagnosis.log
    found = [(step, value) for step, value in zip(log.steps, log.scalars[name], strict=True) if math.isfinite(value)]
    steps, values = [step for step, _ in found], [value for _, value in found]
    ax.plot(steps, values, color=BLUE, linewidth=1.6, marker="o" if len(values) < 8 else None, markersize=3)
    seen = bool(diagnosis.found) and name in diagnosis.found[0].evidence.scalars
    if seen:
        first, last = diagnosis.found[0].evidence.steps
        ax.axvspan(first - 0.5, last + 0.5, color=ORANGE, alpha=0.18, linewidth=0)
    if values and min(values) > 0 and max(values) > 100 * min(values):
        ax.set_yscale("log")
    changes = largest(change_points(log.scalars[name]), CHANGES)
    for change in changes:
        ax.axvline(log.steps[change.index], color=MUTED, linestyle=":", linewidth=1.4)
        ax.annotate(f"{log.steps[change.index]:g}", (log.steps[change.index], 0), xycoords=("data", "axes fraction"),
                    xytext=(3, 3), textcoords="offset points", fontsize=9, color=MUTED)  # fmt: skip
    if values:
        ax.annotate(f"{values[-1]:.3g}", (steps[-1], values[-1]), xytext=(4, 0), textcoords="offset points", color=INK,
                    fontsize=10, va="center", annotation_clip=False)  # fmt: skip
    ax.set_title(f"{name} (seen here)" if seen else name, fontsize=11, color=words_in(RED) if seen else INK)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    return in_words(name, values, [f"{log.steps[change.index]:g}" for change in changes])


def in_words(name: str, values: list[float], at: list[str]) -> str:
    if not values:
        return f"{name} was not logged"
    return f"{name} from {values[0]:.3g} to {values[-1]:.3g}" + (f", changes at {', '.join(at)}" if at else "")
