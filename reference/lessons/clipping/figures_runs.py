"""The clip on the small model: the ratios after many passes over one batch, and recorded runs with and without it."""

import torch
from matplotlib.figure import Figure
from torch import Tensor

from reference.runs.curves import moving_mean
from reference.runs.recorded_runs import Rows, at_the_end, mean_at
from reference.style import BLUE, DROPPED, INK, MUTED, ORANGE, RED, style
from reference.teaching.labels import span
from reference.teaching.show import describe

RATES = {  # learning rate -> the runs that share it, with what to call them
    "3e-4": {"one-pass": "1 pass, clip", "clip": "8 passes, clip", "no-clip": "8 passes, no clip"},
    "1e-4": {"gentle-clip": "8 passes, clip", "gentle-no-clip": "8 passes, no clip"},
    "3e-5": {"slow-clip": "8 passes, clip", "slow-no-clip": "8 passes, no clip"},
}
LOOKS = {
    "1 pass, clip": {"color": INK, "linestyle": ":"},
    "8 passes, clip": {"color": BLUE, "linestyle": "-"},
    "8 passes, no clip": {"color": RED, "linestyle": "--"},
}


def figure_ratios(ratios: dict[str, Tensor], *, low: float = 0.8, high: float = 1.2) -> Figure:
    """One row per loss: where the ratios of a batch's tokens are, on a log scale; grey is the clip range."""
    edges = torch.logspace(-2, 2, 81)
    readings = []
    with style():
        figure = Figure(figsize=(10, 0.8 + 1.25 * len(ratios)), layout="constrained")
        axes = figure.subplots(len(ratios), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        for ax, (name, r) in zip(axes, ratios.items(), strict=True):
            counts = torch.histogram(r.float().clamp(0.0101, 99), edges).hist / len(r)
            ax.axvspan(low, high, color=DROPPED, alpha=0.7, linewidth=0)
            ax.stairs(counts, edges, fill=True, color=BLUE if "PPO" in name else ORANGE if "alone" in name else RED)
            outside = ((r < low) | (r > high)).float().mean().item()
            words = f"{outside:.0%} outside {low:g} to {high:g}; smallest {number(r.min())}, largest {number(r.max())}"
            ax.set_title(f"{name}: {words}", fontsize=11, fontweight="normal")
            ax.set_yscale("log")
            ax.set_ylim(1e-4, 1)
            readings.append(f"{name}: {words}")
        axes[-1].set_xscale("log")
        axes[-1].set_xticks([0.01, 0.1, 1, 10, 100], ["0.01", "0.1", "1", "10", "100"])
        axes[-1].set_xlabel("ratio, new / old (what is farther out stands at the edge)")
        figure.supylabel("share of tokens (log scale)", fontsize=11)
        return describe(figure, "Ratios of the batch's tokens. " + ". ".join(readings))


def number(x: Tensor) -> str:
    """Two digits, or all of a large number."""
    return f"{x.item():.2g}" if x < 100 else f"{x.item():,.0f}"


def early_kl(rows: Rows, *, first: int = 3) -> float:
    """How far a rollout's steps moved the policy while it still learned: mean of approx_kl over the first rollouts."""
    return mean_at([rows], "approx_kl", slice(first))


def late_reward(rows: Rows, *, last: int = 5) -> float:
    """Mean share right over the last rollouts."""
    return at_the_end(rows, "reward", last=last)


def figure_passes(ways: dict[str, list[Rows]]) -> Figure:
    """A panel per learning rate: reward over rollouts, a line per seed; in words, how far each rollout moved the policy."""
    readings = []
    with style():
        figure = Figure(figsize=(11, 4.2), layout="constrained")
        for ax, (rate, names) in zip(figure.subplots(1, len(RATES), sharey=True), RATES.items(), strict=True):
            here = {names[way]: ways[way] for way in names if way in ways}
            notes = []
            for name, runs in here.items():
                for run in runs:
                    smooth = moving_mean([row["reward"] for row in run], 3)
                    ax.plot([row["step"] for row in run], smooth, linewidth=1.7, **LOOKS[name])
                kl = span([early_kl(run) for run in runs], ".2g")
                notes.append((name, f"{name}: approx_kl {kl}"))
                readings.append(
                    f"lr {rate}, {name}: approx_kl {kl}, reward at the end {span([late_reward(r) for r in runs], '.2g')}"
                )
            for line, (name, note) in enumerate(notes):
                ax.text(0.0, -0.24 - 0.08 * line, note, transform=ax.transAxes, fontsize=10.5, va="top",
                        color=LOOKS[name]["color"])  # fmt: skip
            ax.set_ylim(0, 1)
            ax.set_xlim(0.5, 20.5)
            ax.set_xticks([1, 5, 10, 15, 20])
            ax.set_title(f"learning rate {rate}")
            ax.set_xlabel("rollout" + 4 * "\n")  # room for the notes
            if not here:
                ax.text(0.5, 0.5, "no runs yet", transform=ax.transAxes, color=MUTED, ha="center")
                readings.append(f"lr {rate}: no runs yet")
        figure.axes[0].set_ylabel("share right")
        return describe(figure, "Eight passes per rollout, with and without the clip. " + "; ".join(readings))
