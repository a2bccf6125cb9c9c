"""What the clip does to one token: its loss, its gradient, and the way back of a policy that went astray."""

from collections.abc import Callable

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from reference.objectives import cispo_loss, ppo_clip_loss, reinforce_loss
from reference.style import BLUE, DROPPED, GREEN, INK, MUTED, ORANGE, RED, style, words_in
from reference.teaching.labels import label_ends
from reference.teaching.show import describe

TokenLoss = Callable[[Tensor, Tensor, Tensor], Tensor]  # (token_logprobs, old_logprobs, advantages) -> per token


def clipped_alone(new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float) -> Tensor:
    """The loss that PPO is often mistaken for: no second candidate, so no gradient outside the range."""
    return -advantages * (new - old).exp().clamp(1 - clip_low, 1 + clip_high)


def loss_and_push(token_loss: TokenLoss, ratios: Tensor, advantage: float) -> tuple[Tensor, Tensor]:
    """The loss at each ratio, and the push: minus its derivative with respect to the token's log-prob."""
    new = ratios.log()[None].requires_grad_()
    loss = token_loss(new, torch.zeros_like(new), torch.full_like(new, advantage))
    (gradient,) = torch.autograd.grad(loss.sum(), new)
    return loss[0].detach(), -gradient[0]


def figure_quadrants(*, clip_low: float = 0.2, clip_high: float = 0.2, dual_clip: float | None = None) -> Figure:
    """Loss against ratio for a good and for a bad token; shaded where the gradient is zero."""
    widest = max(2.0, 1.2 + clip_high, (dual_clip or 0) + 0.7)
    ratios = torch.linspace(0.02, widest, 400, dtype=torch.float64)
    options = {"clip_low": clip_low, "clip_high": clip_high}
    readings = []
    with style():
        figure = Figure(figsize=(10, 3.9), layout="constrained")
        for ax, advantage in zip(figure.subplots(1, 2), (1.0, -1.0), strict=True):
            loss, push = loss_and_push(lambda *x: ppo_clip_loss(*x, **options, dual_clip=dual_clip), ratios, advantage)
            alone, _ = loss_and_push(lambda *x: clipped_alone(*x, **options), ratios, advantage)
            ax.fill_between(ratios, 0, 1, where=push == 0, transform=ax.get_xaxis_transform(), color=DROPPED, alpha=0.6,
                            linewidth=0)  # fmt: skip
            ax.plot(ratios, alone, color=ORANGE, linestyle=(0, (4, 2)), linewidth=2)
            ax.plot(ratios, loss, color=BLUE, linewidth=2.6)
            ax.plot(1, -advantage, "o", color=INK, markersize=6, zorder=5)
            ax.set_title(f"A = {advantage:+.0f}: {'make it likelier' if advantage > 0 else 'make it less likely'}")
            ax.set_xlabel("ratio, new / old")
            ax.set_xlim(0, float(ratios[-1]))
            label_curves(ax, ratios, loss, alone, advantage, clip_low, clip_high)
            if dual_clip and advantage < 0:
                bottom, top = ax.get_ylim()
                ax.text((dual_clip + float(ratios[-1])) / 2, dual_clip - 0.03 * (top - bottom), "dual clip:\nno gradient",
                        ha="center", va="top", fontsize=10.5, color=MUTED)  # fmt: skip
            beyond = f", or above {dual_clip:g}" if dual_clip and advantage < 0 else ""
            edge = f"above {1 + clip_high:g}" if advantage > 0 else f"below {1 - clip_low:g}"
            readings.append(f"A = {advantage:+.0f}: gradient zero at ratios {edge}{beyond}")
        figure.axes[0].set_ylabel("loss of the token")
        bounds = f"clip_low {clip_low:g}, clip_high {clip_high:g}" + (f", dual_clip {dual_clip:g}" if dual_clip else "")
        return describe(figure, f"PPO's loss against the ratio, {bounds}. " + "; ".join(readings))


def label_curves(
    ax: Axes, r: Tensor, loss: Tensor, alone: Tensor, advantage: float, clip_low: float, clip_high: float
) -> None:
    """Words at the curves: where they agree, where PPO alone keeps a gradient, and where the clip stops it."""
    low, high = float(loss.min()), float(loss.max())
    room = max(high - low, 0.5)
    ax.set_ylim(min(low, float(alone.min())) - 0.14 * room, high + 0.3 * room)
    top = ax.get_ylim()[1]
    end, up = float(r[-1]), top - 0.04 * room
    # the words stand where they speak of, or at the edge of the frame where there is no room for them
    left = (0.5 * (1 - clip_low), "center") if clip_low < 0.6 else (0.02 * end, "left")
    right = (1 + clip_high + 0.05, "left") if 1 + clip_high < 0.7 * end else (end, "right")
    back, still = ("wrong way:\npulled back", INK), ("far enough:\nno gradient", MUTED)
    for (x, side), (words, colour) in zip(
        (left, right), (back, still) if advantage > 0 else (still, back), strict=True
    ):
        ax.text(x, up, words, ha=side, va="top", fontsize=10.5, color=colour)
    x = 0.04 * end if advantage > 0 else min(1 + clip_high, 0.6 * end)
    bottom = ax.get_ylim()[0]
    ax.text(x, bottom + 0.05 * room, "PPO", color=BLUE, fontweight="bold", fontsize=11)
    ax.text(x, bottom + 0.17 * room, "clipped alone\n(dashed)", color=words_in(ORANGE, on=DROPPED), fontsize=11)


FAMILY: dict[str, TokenLoss] = {
    "REINFORCE": lambda new, old, a: reinforce_loss(new, a),
    "ratio, no clip": lambda new, old, a: -a * (new - old).exp(),
    "PPO": lambda new, old, a: ppo_clip_loss(new, old, a),
    "PPO, dual clip 3": lambda new, old, a: ppo_clip_loss(new, old, a, dual_clip=3.0),
    "CISPO, cap 3": lambda new, old, a: cispo_loss(new, old, a, clip_high=2.0),
}
COLOURS = {"REINFORCE": INK, "ratio, no clip": RED, "PPO": BLUE, "PPO, dual clip 3": GREEN, "CISPO, cap 3": ORANGE}


def figure_push(names: tuple[str, ...] = tuple(FAMILY), *, ratio: float = 2.0) -> Figure:
    """How hard each loss pushes a token's log-prob, at ``ratio``: up if it was good (A = 1), down if bad (A = -1)."""
    at = torch.tensor([ratio], dtype=torch.float64)
    pushes = {name: [loss_and_push(FAMILY[name], at, a)[1].item() for a in (1.0, -1.0)] for name in names}
    with style():
        figure = Figure(figsize=(10, 0.9 + 0.5 * len(names)), layout="constrained")
        ax = figure.subplots()
        widest = max(4.8, ratio * 1.25)
        for y, name in enumerate(names):
            for value in pushes[name]:
                ax.barh(y, value, color=COLOURS[name], height=0.6)
            for value, side in zip(pushes[name], (1, -1), strict=True):
                ax.annotate(f"{abs(value):.2f}" if value else "none", (value, y), xytext=(5 * side, 0), va="center",
                            textcoords="offset points", ha="left" if side > 0 else "right",
                            color=INK if value else MUTED, fontsize=11)  # fmt: skip
        ax.axvline(0, color=INK, linewidth=1)
        ax.set_yticks(range(len(names)), names)
        ax.invert_yaxis()
        ax.set_xlim(-widest, widest)
        ax.set_xlabel("push on the log-prob:   down, if the token was bad (A = -1)   |   up, if it was good (A = 1)")
        ax.set_title(f"A token whose ratio is {ratio:.2f}")
        readings = "; ".join(f"{name} {up:.2f} up, {-down:.2f} down" for name, (up, down) in pushes.items())
        return describe(figure, f"Push on a token of ratio {ratio:.2f}: {readings}".replace("-0.00", "0.00"))


def figure_ways_back(paths: dict[str, dict[str, list[float]]], *, lowest: float = 0.4, highest: float = 0.6) -> Figure:
    """A panel per starting point, a line per loss: the probability of the good answer while the policy climbs."""
    colours = {"PPO": BLUE, "clipped alone": ORANGE, "no clip": RED}
    dashes = {"PPO": "-", "clipped alone": (0, (4, 2)), "no clip": ":"}
    with style():
        figure = Figure(figsize=(10, 3.6), layout="constrained")
        axes = figure.subplots(1, len(paths), sharey=True, squeeze=False)[0]
        readings = []
        for ax, (title, lines) in zip(axes, paths.items(), strict=True):
            ax.axhspan(lowest, highest, color=DROPPED, alpha=0.5, linewidth=0)
            for name in sorted(lines, key=lambda name: lines[name][-1]):
                path = lines[name]
                ax.plot(path, color=colours[name], linestyle=dashes[name], linewidth=2.6)
                readings.append(f"{title}: {name} ends at {path[-1]:.2f}")
            ax.text(0.98, lowest + 0.01, "inside the range", color=MUTED, fontsize=10, va="bottom", ha="right",
                    transform=ax.get_yaxis_transform())  # fmt: skip
            ax.set_title(title)
            ax.set_xlabel("steps")
            ax.set_xlim(0, 1.4 * (len(path) - 1))  # room for the names, without ticks
            ax.set_xticks(range(0, len(path), 20))
            ax.set_ylim(0, 1.02)
            label_ends(ax, {name: path[-1] for name, path in lines.items()})  # in ink, which can be read on grey too
        axes[0].set_ylabel("probability of the good answer")
        return describe(figure, "; ".join(readings))
