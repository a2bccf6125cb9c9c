"""KL in the reward or in the loss: what a group's baseline and std make of it, and which token pays."""

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from reference.objectives import group_advantages, kl_charge, kl_penalised_rewards
from reference.runs.curves import moving_mean
from reference.runs.recorded_runs import Rows, mean_at
from reference.style import BLUE, GREEN, INK, MUTED, ORANGE, PAPER, RED, style
from reference.teaching.labels import label_ends
from reference.teaching.show import describe

KL_OF_GROUP = (0.5, 1.0, 2.0, 3.0)  # nats, one per completion


def group_with_kl(num_right: int, kl_coef: float, scale: str) -> tuple[Tensor, Tensor]:
    """Advantages of a group of four by the verdict alone, and with the KL in the reward."""
    right = (torch.arange(4) < num_right).double()
    kl = torch.tensor(KL_OF_GROUP, dtype=torch.float64)[:, None]
    rewards = kl_penalised_rewards(right, kl, torch.ones(4, 1), kl_coef=kl_coef)
    return tuple(group_advantages(r, group_size=4, scale=scale) for r in (right, rewards))


def figure_kl_group(num_right: int = 4, *, kl_coef: float = 0.01, scale: str = "group") -> Figure:
    """A bar per completion: its advantage by the verdict alone, and after the KL was taken off the reward."""
    plain, with_kl = group_with_kl(num_right, kl_coef, scale)
    with style():
        figure = Figure(figsize=(10, 3.6), layout="constrained")
        titles = ("KL not in the reward", f"KL in the reward, kl_coef {kl_coef:g}")
        for ax, values, title in zip(figure.subplots(1, 2, sharey=True), (plain, with_kl), titles, strict=True):
            bars(ax, values, num_right)
            ax.set_title(title)
        figure.axes[0].set_ylabel("advantage")
        scaling = "divided by the group's std" if scale == "group" else "only centred"
        figure.suptitle(f"{num_right} of 4 right, {scaling}", fontsize=12, color=MUTED)
        after = ", ".join(f"{v:+.3f}" for v in with_kl.tolist())
        before = ", ".join(f"{v:+.3f}" for v in plain.tolist())
        return describe(
            figure, f"{num_right} of 4 right, {scaling}, kl_coef {kl_coef:g}: without KL {before}; with KL {after}"
        )


def bars(ax: Axes, values: Tensor, num_right: int) -> None:
    for i, value in enumerate(values.tolist()):
        colour = GREEN if i < num_right else RED
        ax.bar(i, value, color=colour, width=0.6)
        ax.text(i, value + (0.06 if value >= 0 else -0.06), f"{value + 0.0:+.2f}" if abs(value) > 0.005 else f"{value:.1g}",
                ha="center", va="bottom" if value >= 0 else "top", fontsize=11, color=INK)  # fmt: skip
    ax.axhline(0, color=MUTED, linewidth=0.8)
    names = [
        f"{'right' if i < num_right else 'wrong'}\n{kl:g} nat{'s' * (kl != 1)}" for i, kl in enumerate(KL_OF_GROUP)
    ]
    ax.set_xticks(range(4), names)
    ax.set_ylim(-2.2, 2.2)  # 2 of 4 right, kl_coef 1: the number below the bar of -1.88


CREDITS = {
    "own": "own: this token's",
    "to_go": "to_go: this and all later ones",
    "sequence": "sequence: all tokens'",
}


def figure_credit(kl: list[float], *, kl_coef: float = 0.1) -> Figure:
    """One completion's KL per token, and what each token's advantage is charged under the three ways."""
    row = torch.tensor([kl], dtype=torch.float64)
    readings = [f"KL per token {kl}"]
    with style():
        figure = Figure(figsize=(10, 3.2), layout="constrained")
        axes = figure.subplots(1, 4, sharey=True)
        draw_tokens(axes[0], kl, BLUE, "KL of each token")
        for ax, (credit, title) in zip(axes[1:], CREDITS.items(), strict=True):
            charge = (kl_coef * kl_charge(row, torch.ones_like(row), credit=credit))[0].tolist()
            draw_tokens(ax, [c / kl_coef for c in charge], ORANGE, title.replace(": ", "\n"))
            readings.append(f"{credit} charges {[round(c, 3) for c in charge]} at kl_coef {kl_coef:g}")
        axes[0].set_ylabel("nats")
        return describe(figure, ". ".join(readings))


def draw_tokens(ax: Axes, values: list[float], colour: str, title: str) -> None:
    ax.bar(range(len(values)), values, color=colour, edgecolor=PAPER)
    for t, value in enumerate(values):
        ax.text(
            t, max(value, 0) + 0.05, f"{value + 0.0:.1f}".replace("-0.0", "0.0"), ha="center", va="bottom", fontsize=10
        )
    ax.axhline(0, color=MUTED, linewidth=0.8)
    ax.set_xticks(range(len(values)), [str(t) for t in range(len(values))])
    ax.set_ylim(min(-0.9, min(values) - 0.3), 4.8)
    ax.set_xlabel("token")
    ax.set_title(title, fontsize=11)


LINES = {
    "group-std": (ORANGE, "-", "group's std"),
    "no-std": (BLUE, "--", "no std"),
    "no-kl": (INK, ":", "no KL"),
}


def figure_kl_reward(found: dict[str, list[Rows]], *, window: int = 10) -> Figure:
    """Share right, share of dead groups and KL to the reference over the steps, a line per run."""
    readings = []
    with style():
        figure = Figure(figsize=(11.5, 3.9), layout="constrained")
        panels = {
            "reward": ("share right", 2),
            "dead_groups": ("groups dead", 2),
            "kl_k1": ("KL to the base, nats per token", 3),
        }
        for ax, (scalar, (label, digits)) in zip(figure.subplots(1, 3), panels.items(), strict=True):
            ends = {}
            for name, logs in found.items():
                colour, dashes, text = LINES[name]
                for log in logs:
                    line = moving_mean([row[scalar] for row in log], window)
                    ax.plot(range(1, len(line) + 1), line, dashes, color=colour, linewidth=1.6)
                ends[name] = mean_at(logs, scalar, slice(-window, None))
                readings.append(f"{label}, {text}: {ends[name]:.{digits}f}")
            low, high = ax.get_ylim()
            ax.set_ylim(low, high + 0.12 * (high - low))  # room for names that are moved up
            names = {name: f"{LINES[name][2]} {end:.{digits}f}" for name, end in ends.items()}
            label_ends(ax, {names[n]: end for n, end in ends.items()}, {names[n]: LINES[n][0] for n in ends})
            last = max(len(log) for logs in found.values() for log in logs)
            ax.set_xlim(0, 1.6 * last)
            ax.spines.bottom.set_bounds(0, last)
            ax.set_xticks(range(0, last + 1, max(last // 4, 1)))
            ax.set_xlabel("step")
            ax.set_title(label, fontsize=12)
        return describe(figure, f"KL in the reward, means of the last {window} steps. " + "; ".join(readings))
