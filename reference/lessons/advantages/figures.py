"""What a group's rewards become, which prompts that favours, how noisy it is, what dies."""

import math

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reference.objectives import group_advantages, rloo_advantages
from reference.runs.curves import moving_mean
from reference.style import BLUE, INK, MUTED, ORANGE, PURPLE, RIGHT, WRONG, style, words_in
from reference.teaching.show import describe

from .experiments import Recorded

OTHER_GROUPS = 3  # beside the one that is shown, for the std of the batch
SIZES = (4, 8, 16, 64)
TITLES = {
    "none": "minus the group mean",
    "batch": "… over the batch std",
    "group": "… over the group std",
    "leave_one_out": "minus the mean of the others",
}
NAMES = {
    "group": "group mean, group std",
    "group_mean": "group mean",
    "leave_one_out": "leave one out",
    "group_mean_batch_std": "group mean, batch std",
    "reinforce_plus_plus": "batch mean, batch std",
}


# ---- one group -------------------------------------------------------------------------------------------------------


def under_each_scale(rewards: list[float], others_right: int) -> dict[str, list[float]]:
    """The advantages of one group, with OTHER_GROUPS more groups in the batch, ``others_right`` of theirs right."""
    size = len(rewards)
    others = [1.0] * others_right + [0.0] * (OTHER_GROUPS * size - others_right)
    batch = torch.tensor([*rewards, *others], dtype=torch.float64)
    found = {s: group_advantages(batch, group_size=size, scale=s)[:size].tolist() for s in ("none", "batch", "group")}
    found["leave_one_out"] = rloo_advantages(batch, group_size=size)[:size].tolist()
    return found


def figure_group(rewards: list[float], *, others_right: int) -> Figure:
    """A bar for each completion of a group, in four panels: what its reward becomes."""
    found, size = under_each_scale(rewards, others_right), len(rewards)
    top = 1.2 * max((size - 1) / math.sqrt(size), *(abs(a) for each in found.values() for a in each))
    with style():
        figure = Figure(figsize=(11, 3.4), layout="constrained")
        for ax, (scale, title) in zip(figure.subplots(1, 4, sharey=True), TITLES.items(), strict=True):
            colours = [RIGHT if reward else WRONG for reward in rewards]
            ax.bar(range(1, size + 1), found[scale], color=colours, width=0.75)
            ax.axhline(0, color=MUTED, linewidth=1)
            ax.set_ylim(-top, top)
            ax.set_title(f"{title}\n{signed(max(found[scale]))} … {signed(min(found[scale]))}", fontsize=11)
            ax.set_xticks(range(1, size + 1), ["✓" if r else "✗" for r in rewards], fontsize=11, color=INK)
        readings = "; ".join(f"{TITLES[s]}: {max(a):.2f} and {min(a):.2f}" for s, a in found.items())
        rest = f"{others_right} of the other {OTHER_GROUPS * size} in the batch"
        return describe(
            figure, f"{sum(map(bool, rewards))} of {size} right, {rest}. Advantages {readings}".replace("-0.00", "0.00")
        )


def signed(value: float) -> str:
    return f"{value:+.2f}" if round(value, 2) else "0"


def of_right_and_wrong(right: int, group_size: int, scale: str) -> tuple[float, float]:
    """The advantage of each right and of each wrong completion."""
    rewards = torch.tensor([1.0] * right + [0.0] * (group_size - right), dtype=torch.float64)
    if scale == "leave_one_out":
        advantages = rloo_advantages(rewards, group_size=group_size)
    else:
        advantages = group_advantages(rewards, group_size=group_size, scale=scale, eps=0.0)
    return advantages[0].item(), advantages[-1].item()


def figure_successes(group_size: int) -> Figure:
    """Advantage of the right and of the wrong answers, against how many of the group are right."""
    with style():
        figure = Figure(figsize=(10, 4.2), layout="constrained")
        ax = figure.subplots()
        counts = list(range(1, group_size))
        lines = (("group", BLUE, "-", "over the group std"), ("none", ORANGE, "--", "minus the group mean"))
        readings = []
        for scale, colour, dashes, label in lines:
            pairs = [of_right_and_wrong(k, group_size, scale) for k in counts]
            for values, mark in zip(zip(*pairs, strict=True), ("o", "X"), strict=True):
                ax.plot(counts, values, dashes, color=colour, marker=mark, markersize=6)
            ax.text(0.98, 0.97 - 0.09 * len(readings), f"{label}: a lone success gets {pairs[0][0]:.2f}", color=words_in(colour),
                    transform=ax.transAxes, ha="right", va="top", fontsize=12)  # fmt: skip
            readings.append(f"{label}: a lone success gets {pairs[0][0]:.2f}, each failure {pairs[0][1]:.2f}")
        top = 1.25 * (group_size - 1) / math.sqrt(group_size)
        ax.axhline(0, color=MUTED, linewidth=1)
        ax.set_ylim(-top, top)
        ax.set_xlim(0.7, group_size + 0.3)
        ax.text(0.02, 0.05, "● right answers\n✗ wrong answers", transform=ax.transAxes, color=MUTED)
        ax.set_xticks(counts if group_size <= 12 else counts[:: group_size // 8])
        ax.set_xlabel(f"how many of {group_size} are right")
        ax.set_ylabel("advantage")
        ax.set_title(f"The rarer the success, the larger its advantage: groups of {group_size}")
        return describe(figure, f"Groups of {group_size}. " + "; ".join(readings))


# ---- many groups -----------------------------------------------------------------------------------------------------


def difficulty_weight(p: float, group_size: int) -> float:
    """What dividing by the group std makes of the expected gradient of a prompt that is solved with probability p.

    Over that of leave-one-out, which is the true one; rewards 0 and 1. The sum runs over the number of right answers.
    """
    g, q = group_size, 1 - p
    chance = [math.comb(g, k) * p**k * q ** (g - k) for k in range(g + 1)]
    return sum(c * math.sqrt(k * (g - k) * (g - 1) / g) for k, c in enumerate(chance)) / (g * p * q)


def figure_difficulty(group_size: int) -> Figure:
    """How much more a prompt counts than one that is solved half of the time, by how often it is solved."""
    shares = [x / 200 for x in range(2, 199)]
    with style():
        figure = Figure(figsize=(10, 4.4), layout="constrained")
        ax = figure.subplots()
        ax.plot(shares, [0.5 / math.sqrt(p * (1 - p)) for p in shares], "--", color=MUTED, linewidth=1.5)
        ax.annotate("1 / std, the limit", (0.945, 2.2), xytext=(-8, 8), textcoords="offset points", ha="right", color=MUTED, fontsize=11)  # fmt: skip
        middle = difficulty_weight(0.5, group_size)
        for size in sorted({*SIZES, group_size}):
            weights = [difficulty_weight(p, size) / difficulty_weight(0.5, size) for p in shares]
            highlight = size == group_size
            colour = BLUE if highlight else MUTED
            ax.plot(shares, weights, color=colour, linewidth=3 if highlight else 1, zorder=3 if highlight else 1)
            near = not highlight and abs(weights[0] - difficulty_weight(shares[0], group_size) / middle) < 0.16
            if not near:
                text = f"G = {size}: {weights[0]:.2f}" if highlight else f"G = {size}"
                ax.annotate(text, (shares[0], weights[0]), xytext=(-6, 0), textcoords="offset points", ha="right",
                            va="center", color=colour, fontsize=12 if highlight else 10)  # fmt: skip
        ax.set_xlim(-0.16, 1.0)
        ax.set_ylim(0.8, 4)
        ax.set_xticks([0, 0.25, 0.5, 0.75, 1])
        ax.set_xlabel("probability that a completion is right")
        ax.set_ylabel("weight, 1 at one half")
        ax.set_title("Dividing by the group std favours the very hard and the very easy")
        hardest = difficulty_weight(0.01, group_size) / difficulty_weight(0.5, group_size)
        tenth = difficulty_weight(0.1, group_size) / difficulty_weight(0.5, group_size)
        return describe(
            figure,
            f"Groups of {group_size}: a prompt solved 1 time in 100 weighs {hardest:.2f} times one solved every second "
            f"time, 1 time in 10 {tenth:.2f} times; symmetric about one half",
        )


def figure_noise(shares: list[float], noise: dict[str, list[float]]) -> Figure:
    """Noise over signal of a group's gradient against how often the prompt is solved, one line per baseline."""
    looks = zip((ORANGE, PURPLE, BLUE), ("--", ":", "-"), strict=True)
    with style():
        figure = Figure(figsize=(10, 4.2), layout="constrained")
        ax = figure.subplots()
        for (label, values), (colour, dashes) in zip(noise.items(), looks, strict=True):
            ax.plot(shares, values, dashes, color=colour, marker="o", markersize=4)
            ax.annotate(label, (shares[-1], values[-1]), xytext=(8, 0), textcoords="offset points", color=words_in(colour), va="center",
                        fontsize=11)  # fmt: skip
        ax.set_xlim(0, 1.1)  # room for the words, without ticks
        ax.set_ylim(0, 1.1 * max(max(v) for v in noise.values()))
        ax.set_xticks([0.1, 0.3, 0.5, 0.7, 0.9])
        ax.set_xlabel("probability that a completion is right")
        ax.set_ylabel("noise / signal of one group")
        ax.set_title("Noise of the gradient, by baseline")
        readings = "; ".join(f"{label} {values[0]:.2f} at {shares[0]} and {values[-1]:.2f} at {shares[-1]}" for label, values in noise.items())  # fmt: skip
        return describe(figure, f"Noise over signal by share right: {readings}")


# ---- recorded runs ---------------------------------------------------------------------------------------------------


def figure_dead(runs: list[Recorded]) -> Figure:
    """Share of right answers and share of dead groups over the steps of recorded runs."""
    with style():
        figure = Figure(figsize=(10, 4.0), layout="constrained")
        ax = figure.subplots()
        looks = {"reward": (RIGHT, "-", "completions right"), "dead_groups": (WRONG, "--", "groups dead")}
        readings = []
        for name, (colour, dashes, label) in looks.items():
            ends = [curve(ax, run, name, colour, dashes) for run in runs]
            first = sum(run.metrics[0][name] for run in runs) / len(runs)
            last = sum(ends) / len(ends)
            steps = max(run.metrics[-1]["step"] for run in runs)
            ax.annotate(f"{label}: {last:.0%}", (steps, last), xytext=(8, 0), textcoords="offset points", color=words_in(colour),
                        va="center", fontsize=12)  # fmt: skip
            readings.append(f"{label} {first:.0%} at step 1, {last:.0%} in the last ten")
        ax.set_xlim(0, 1.32 * steps)  # room for the words, without ticks
        ax.set_xticks([1, *range(10, int(steps) + 1, 10)])
        ax.set_ylim(0, 1)
        ax.set_xlabel("step")
        ax.set_ylabel("share, mean of 10 steps")
        ax.set_title(f"GRPO, {len(runs)} seed{'s' * (len(runs) > 1)}: the more is right, the more groups are dead")
        return describe(figure, "Recorded runs: " + "; ".join(readings))


def curve(ax: Axes, run: Recorded, name: str, colour: str, dashes: str) -> float:
    """One smoothed line; returns where it ends."""
    smooth = moving_mean([row[name] for row in run.metrics], 10)
    ax.plot([row["step"] for row in run.metrics], smooth, dashes, color=colour, linewidth=1.6)
    return smooth[-1]
