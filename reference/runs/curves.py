"""The picture of a training run: its scalars over the steps."""

import math

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reference.style import BLUE, MUTED, style

SIX_SCALARS = {
    "reward": "mean reward (share right)",
    "reward_std": "reward std within groups",
    "approx_kl": "approx_kl, new vs old (nats/token)",
    "clip_frac": "clip_frac (share of tokens)",
    "entropy": "entropy (nats/token)",
    "grad_norm": "grad_norm before clipping",
}
TOOLS = {
    "calls": "calls per trajectory",
    "waste": "share that calls where it is not needed",
    "made_up": "share that answers with a number of its own",
}
PROXY = {
    "proxy": "mean reward of the reward model",
    "length": "mean length (tokens)",
    "truncated": "share truncated",
}
TEACHER = {
    "teacher_kl": "KL to the teacher (nats/token)",
    "length": "mean length (tokens)",
    "truncated": "share truncated",
}
LOSS = {"loss": "loss (nats/token)", "grad_norm": "grad_norm before clipping"}
PANELS = {  # by kind of recipe
    "rl": SIX_SCALARS,
    "sft": {
        "loss": "loss (nats/token)",
        "token_accuracy": "share of tokens predicted",
        "grad_norm": "grad_norm before clipping",
    },
    "reward": {"loss": "loss (nats/pair)", "accuracy": "share of pairs won", "margin": "margin (reward)"},
    "preference": {
        "loss": "loss",
        "accuracy": "share of pairs with margin > 0",
        "margin": "margin (nats)",
        "chosen": "log-prob of chosen, change (nats)",
        "rejected": "log-prob of rejected, change (nats)",
        "grad_norm": "grad_norm before clipping",
    },
}


def figure_curves(metrics: list[dict[str, float]], panels: dict[str, str], *, title: str = "") -> Figure:
    """A small panel per scalar, three in a row: each step faintly, the mean of ten steps firmly."""
    with style():
        rows, columns = math.ceil(len(panels) / 3), min(3, len(panels))
        figure = Figure(figsize=(3.7 * columns, 0.4 + 2.6 * rows), layout="constrained")
        axes = figure.subplots(rows, columns, sharex=True, squeeze=False)
        steps = [row["step"] for row in metrics]
        for ax, (name, label) in zip(axes.flat, panels.items(), strict=True):
            values = [row.get(name, math.nan) for row in metrics]
            ax.plot(steps, values, color=BLUE, alpha=0.25, linewidth=1)
            ax.plot(steps, moving_mean(values, 10), color=BLUE)
            ax.set_title(label, fontsize=11)
            if not any(value < 0 for value in values):
                ax.set_ylim(bottom=0)
            if len(values):
                ax.annotate(f"{values[-1]:.3g}", (steps[-1], values[-1]), xytext=(4, 0), textcoords="offset points",
                            color=MUTED, fontsize=10, va="center", annotation_clip=False)  # fmt: skip
        for ax in axes[-1]:
            ax.set_xlabel("step")
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))  # there is no step 2.5
        figure.suptitle(title, fontsize=13, fontweight="bold", x=0.01, ha="left")
        return figure


def moving_mean(values: list[float], window: int) -> list[float]:
    """Mean of the last ``window`` values at each place (fewer at the beginning)."""
    return [sum(part) / len(part) for part in (values[max(0, i + 1 - window) : i + 1] for i in range(len(values)))]
