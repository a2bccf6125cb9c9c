"""The clip on the small model: ten steps on one rollout, and recorded runs of many rollouts, with and without it."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reference.runs.curves import moving_mean
from reference.runs.recorded_runs import Rows, at_the_end, mean_at
from reference.style import BLUE, INK, MUTED, ORANGE, RED, mixed, style
from reference.teaching.labels import label_ends, span
from reference.teaching.show import describe

RATES = {  # learning rate -> the runs that share it, with what to call them
    "3e-5": {"slow-clip": "8 passes, clip", "slow-no-clip": "8 passes, no clip"},
    "1e-4": {"gentle-clip": "8 passes, clip", "gentle-no-clip": "8 passes, no clip"},
    "3e-4": {"one-pass": "1 pass, clip", "clip": "8 passes, clip", "no-clip": "8 passes, no clip"},
}
LOOKS = {
    "1 pass, clip": {"color": INK, "linestyle": ":"},
    "8 passes, clip": {"color": BLUE, "linestyle": "-"},
    "8 passes, no clip": {"color": RED, "linestyle": "--"},
}
LOSSES = {
    "PPO": {"color": BLUE, "linestyle": "-"},
    "clipped alone": {"color": ORANGE, "linestyle": (0, (4, 2))},
    "no clip": {"color": RED, "linestyle": ":"},
}


def figure_ten_steps(moved: dict[str, list[float]], outside: dict[str, tuple[int, int]]) -> Figure:
    """Left: approx_kl before each step on one rollout, a line per loss. Right: the tokens whose ratio ended outside the
    bounds, those that moved as their advantage asks and, hatched, those that moved the wrong way."""
    readings = []
    with style():
        figure = Figure(figsize=(11, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
        steps = len(next(iter(moved.values())))
        for name, values in moved.items():
            left.plot(range(1, steps + 1), values, linewidth=2.4, **LOSSES[name])
        left.set_ylim(0, 1.1 * max(map(max, moved.values())))
        left.set_xticks(range(1, steps + 1))
        left.set_xlabel("step")
        left.set_title("approx_kl before the step (nats per token)")
        words = {name: look["color"] for name, look in LOSSES.items()}
        label_ends(left, {name: values[-1] for name, values in moved.items()}, words)
        for y, (name, (asked, wrong)) in enumerate(outside.items()):
            bars(right, y, asked, wrong, LOSSES[name]["color"])
            readings.append(
                f"{name}: approx_kl {moved[name][-1]:.3f} before step {steps}, tokens outside {asked} as asked and "
                f"{wrong} the wrong way"
            )
        right.set_yticks(range(len(outside)), outside)
        right.invert_yaxis()
        right.set_xlim(0, 1.12 * max(map(sum, outside.values())))
        right.set_xlabel("as asked, and (hatched) the wrong way")
        right.set_title("tokens outside 0.8 to 1.2")
        return describe(figure, f"{steps} steps on one rollout. " + "; ".join(readings))


def bars(ax: Axes, y: int, asked: int, wrong: int, colour: str) -> None:
    """Two counts side by side in one bar, each with its number."""
    ax.barh(y, asked, facecolor=mixed(colour, 0.35), edgecolor=colour, height=0.6)
    ax.barh(y, wrong, left=asked, facecolor="white", edgecolor=colour, hatch="////", height=0.6)
    ax.text(asked / 2, y, str(asked), ha="center", va="center", fontsize=11)
    ax.text(asked + wrong, y, f" {wrong}", ha="left", va="center", fontsize=11)


def early_kl(rows: Rows, *, first: int = 3) -> float:
    """How far a rollout's steps moved the policy while it still learned: mean of approx_kl over the first rollouts."""
    return mean_at([rows], "approx_kl", slice(first))


def late_reward(rows: Rows, *, last: int = 5) -> float:
    """Mean share right over the last rollouts."""
    return at_the_end(rows, "reward", last=last)


def figure_passes(ways: dict[str, list[Rows]]) -> Figure:
    """A panel per learning rate, the smallest first: share right over rollouts, a line per seed."""
    readings = []
    with style():
        figure = Figure(figsize=(12, 3.7), layout="constrained")
        for ax, (rate, names) in zip(figure.subplots(1, len(RATES), sharey=True), RATES.items(), strict=True):
            here = {names[way]: ways[way] for way in names if way in ways}
            ends = {}
            for name, runs in here.items():
                smooth = [moving_mean([row["reward"] for row in run], 3) for run in runs]
                for run, line in zip(runs, smooth, strict=True):
                    ax.plot([row["step"] for row in run], line, linewidth=1.7, **LOOKS[name])
                ends[name] = sum(line[-1] for line in smooth) / len(smooth)
                readings.append(f"lr {rate}, {name}: {span([late_reward(run) for run in runs], '.2g')}")
            ax.set_ylim(0, 1)
            ax.set_xticks([1, 5, 10, 15, 20])
            ax.set_title(f"learning rate {rate}")
            ax.set_xlabel("rollout")
            if here:
                label_ends(ax, ends, {name: LOOKS[name]["color"] for name in ends})
            else:
                ax.text(0.5, 0.5, "no runs yet", transform=ax.transAxes, color=MUTED, ha="center")
                readings.append(f"lr {rate}: no runs yet")
        figure.axes[0].set_ylabel("share right")
        return describe(figure, "Share right over the last five rollouts. " + "; ".join(readings))
