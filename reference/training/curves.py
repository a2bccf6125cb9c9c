"""The picture of a training run: the six scalars over its steps."""

from matplotlib.figure import Figure

from reference.style import BLUE, MUTED, style

PANELS = {
    "reward": "mean reward (share right)",
    "reward_std": "reward std within groups",
    "approx_kl": "approx_kl, new vs old (nats/token)",
    "clip_frac": "clip_frac (share of tokens)",
    "entropy": "entropy (nats/token)",
    "grad_norm": "grad_norm before clipping",
}


def figure_training(metrics: list[dict[str, float]], *, title: str = "") -> Figure:
    """Six small panels, one per scalar: each step faintly, the mean of ten steps firmly."""
    with style():
        figure = Figure(figsize=(11, 5.6), layout="constrained")
        axes = figure.subplots(2, 3, sharex=True)
        steps = [row["step"] for row in metrics]
        for ax, (name, label) in zip(axes.flat, PANELS.items(), strict=True):
            values = [row[name] for row in metrics]
            ax.plot(steps, values, color=BLUE, alpha=0.25, linewidth=1)
            ax.plot(steps, moving_mean(values, 10), color=BLUE)
            ax.set_title(label, fontsize=11)
            ax.set_ylim(bottom=0)
            if len(values):
                ax.annotate(f"{values[-1]:.3g}", (steps[-1], values[-1]), xytext=(4, 0), textcoords="offset points",
                            color=MUTED, fontsize=10, va="center", annotation_clip=False)  # fmt: skip
        for ax in axes[1]:
            ax.set_xlabel("step")
        figure.suptitle(title, fontsize=13, fontweight="bold", x=0.01, ha="left")
        return figure


def moving_mean(values: list[float], window: int) -> list[float]:
    """Mean of the last ``window`` values at each place (fewer at the beginning)."""
    return [sum(part) / len(part) for part in (values[max(0, i + 1 - window) : i + 1] for i in range(len(values)))]
