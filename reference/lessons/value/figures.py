"""What a value is, what λ trades, where the value clip stops the gradient, and whether a critic is right."""

import math

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from reference.objectives import value_loss
from reference.style import BLUE, DROPPED, FAINT, GREEN, INK, MUTED, ORANGE, PAPER, RED, mixed, style, words_on
from reference.teaching.labels import label_ends
from reference.teaching.show import describe

from .toy_mdp import every_text, gradient_moments, true_gradient, value, values_before

LAMBDAS = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0]


def figure_values(p: float = 0.7, *, slips: int = 1, length: int = 3) -> Figure:
    """Every state of the toy MDP with its value; a good token goes up, a bad one down."""
    with style():
        figure = Figure(figsize=(10, 4.4), layout="constrained")
        ax = figure.subplots()
        readings = []
        for t in range(length + 1):
            for bad in range(t + 1):
                v = value(length - t, slips - bad, p)
                for step, chance, colour in ((0, p, GREEN), (1, 1 - p, RED)) if t < length else ():
                    ends = (height(t, bad), height(t + 1, bad + step))
                    ax.plot([t, t + 1], ends, color=colour, linewidth=0.8 + 4 * chance, zorder=1)
                    tilt = 0.09 if step == 0 else -0.09
                    ax.text(t + 0.5, sum(ends) / 2 + tilt, f"{'good' if step == 0 else 'bad'} {chance:.0%}",
                            ha="center", va="bottom" if step == 0 else "top", fontsize=10, color=INK)  # fmt: skip
                node(ax, t, height(t, bad), v, last=t == length)
                readings.append(f"after {t} tokens, {bad} bad: {v:.3f}")
        ax.set_xlim(-0.3, length + 0.3)
        ax.margins(y=0.1)  # the lowest node stays above the axis
        ax.set_xticks(
            range(length + 1), ["V before\nthe first token", *[f"after {t}" for t in range(1, length)], "the verdict"]
        )
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        ax.set_title(f"The chance to pass from every state ({slips} bad token{'s' * (slips != 1)} allowed)")
        return describe(figure, f"V of each state, {p:.0%} good tokens, {slips} bad allowed. " + "; ".join(readings))


def height(t: int, bad: int) -> float:
    return 0.5 * t - bad


def node(ax: Axes, x: float, y: float, v: float, *, last: bool) -> None:
    colour = mixed(BLUE, v)
    text = f"{v:.0f}" if last else f"{v:.2f}"
    ax.text(x, y, text, ha="center", va="center", fontsize=13, weight="bold", color=words_on(colour), zorder=3,
            bbox={"boxstyle": "round,pad=0.45", "facecolor": colour, "edgecolor": BLUE})  # fmt: skip


def gradient_errors(*, learned: float, batch: int, p: float = 0.7, slips: int = 2, length: int = 8) -> dict[str, list]:
    """Bias, noise and total error of the policy gradient for each λ, as shares of the true gradient's length.

    The critic says the share ``learned`` of the exact V: at 0 it says 0 everywhere, as a new value head does.
    """
    texts = every_text(length)
    truth = true_gradient(length, slips, p) * torch.ones(length).double()
    critic = learned * values_before(texts, slips, p)[:, :-1]
    errors: dict[str, list] = {"bias": [], "noise": [], "both": []}
    for lam in LAMBDAS:
        mean, variance = gradient_moments(critic, texts, slips, p, lam)
        bias, noise = (
            ((mean - truth).norm() / truth.norm()).item(),
            math.sqrt(variance.sum() / batch) / truth.norm().item(),
        )
        for name, error in (("bias", bias), ("noise", noise), ("both", math.hypot(bias, noise))):
            errors[name].append(error)
    return errors


def figure_lambda(*, learned: float = 0.6, batch: int = 64) -> Figure:
    """The dial: bias, noise and what they make together, against λ; the best λ is marked."""
    errors = gradient_errors(learned=learned, batch=batch)
    best = min(range(len(LAMBDAS)), key=lambda i: errors["both"][i])
    with style():
        figure = Figure(figsize=(10, 4.4), layout="constrained")
        ax = figure.subplots()
        for name, colour, dashes in (("bias", RED, "--"), ("noise", ORANGE, ":"), ("both", BLUE, "-")):
            ax.plot(LAMBDAS, errors[name], color=colour, linestyle=dashes)
        top = 1.2 * max(errors["both"])
        ax.set_ylim(0, top)
        texts = {"bias": "bias", "noise": "noise", "both": "together"}
        topmost = label_ends(
            ax, {f"{text} {errors[name][-1]:.2f}": errors[name][-1] for name, text in texts.items()}, gap=0.06
        )
        ax.plot(LAMBDAS[best], errors["both"][best], "o", color=BLUE, markersize=10)
        words, at = f"best: λ {LAMBDAS[best]:g}", (LAMBDAS[best], errors["both"][best])
        if at[0] > 0.8:  # beside the curve, above the other labels
            ax.text(1.04, topmost + 0.1 * top, words, fontsize=12, weight="bold", va="center")
        else:
            ax.annotate(words, at, xytext=(0, 32), textcoords="offset points", ha="center" if best else "left",
                        fontsize=12, weight="bold", bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
                        arrowprops={"arrowstyle": "-", "color": BLUE, "linewidth": 0.8})  # fmt: skip
        ax.set_xlim(-0.02, 1.27)
        ax.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1], ["0\none-step TD", "0.2", "0.4", "0.6", "0.8", "1\nMonte Carlo"])
        ax.set_xlabel("λ")
        ax.set_ylabel("error / true gradient")
        ax.set_title(f"Policy gradient of {batch} texts; the critic says {learned:.0%} of V")
        ends = ", ".join(f"{n} {e[0]:.2f} at λ 0 and {e[-1]:.2f} at 1" for n, e in errors.items())
        return describe(figure, f"Critic {learned:.0%}, {batch} texts: {ends}; least error at λ {LAMBDAS[best]:g}")


def figure_value_clip(*, target: float = 1.0, old: float = 0.0, clip: float = 0.2) -> Figure:
    """Loss and gradient of the clipped value loss against the new value, with the stretches that get no gradient."""
    v = torch.linspace(-1.495, 2.495, 400, dtype=torch.float64, requires_grad=True)  # beside every edge, on none
    row = torch.ones(1, 400, dtype=torch.float64)
    loss = value_loss(v[None], target * row, old_values=old * row, clip=clip)
    (slope,) = torch.autograd.grad(loss.sum(), v)
    x, dead = v.detach(), (slope == 0) & ((v.detach() - target).abs() > 1e-6)
    with style():
        figure = Figure(figsize=(10, 4.6), layout="constrained")
        axes = figure.subplots(2, 1, sharex=True, height_ratios=[1.2, 1])
        axes[0].plot(x, 0.5 * (x - target) ** 2, color=MUTED, linestyle="--", linewidth=1.4, zorder=3)
        axes[0].plot(x, loss[0].detach(), color=BLUE)
        axes[0].set_ylabel("loss")
        axes[1].plot(x, slope, color=BLUE)
        axes[1].axhline(0, color=MUTED, linewidth=1)
        axes[1].set_ylabel("gradient")
        axes[1].set_xlabel("the value now")
        for ax in axes:
            ax.set_xlim(-1.5, 2.5)
            ax.fill_between(x, 0, 1, where=dead, transform=ax.get_xaxis_transform(), color=FAINT, linewidth=0)
            ax.axvline(target, color=GREEN, linewidth=1.4)
            ax.axvspan(old - clip, old + clip, facecolor="none", edgecolor=ORANGE, hatch="///", linewidth=0)
        white = {"facecolor": PAPER, "edgecolor": "none", "alpha": 0.8, "pad": 1}
        axes[0].text(old, 0.95, "old value\n± clip", transform=axes[0].get_xaxis_transform(), va="top", ha="center",
                     fontsize=11, bbox=white)  # fmt: skip
        axes[1].text(target, 0.08, " return", transform=axes[1].get_xaxis_transform(), fontsize=11, bbox=white)
        share = dead_stretch(target, old, clip)
        axes[0].set_title(f"Clipped value loss (dashed: without clip). Grey, no gradient: {share}")
        return describe(figure, f"Old value {old:g}, return {target:g}, clip {clip:g}: no gradient for values {share}")


def dead_stretch(target: float, old: float, clip: float) -> str:
    """Where the clipped loss has no gradient: from the edge of the band to its mirror image behind the return."""
    if abs(target - old) <= clip:
        return "nowhere"
    edge = old + math.copysign(clip, target - old)
    low, high = sorted((edge, 2 * target - edge))
    return f"{low:.2f} to {high:.2f}"


def figure_along(words: list[str], critic: Tensor, resampled: Tensor, *, passed: bool, title: str) -> Figure:
    """V before each token of one completion: the critic's, and the mean of ``resampled`` (tokens, times) verdicts."""
    means = resampled.mean(dim=1)
    error = standard_error(resampled)
    places = torch.arange(len(words)) - 0.5  # between two tokens: a value belongs to the state before a token
    drop = int((means[1:] - means[:-1]).argmin())
    with style():
        figure = Figure(figsize=(11, 3.9), layout="constrained")
        ax = figure.subplots()
        ax.errorbar(places, means, yerr=error, fmt="o", color=ORANGE, markersize=5, linewidth=1.2)
        ax.plot(places, critic, color=BLUE, drawstyle="default")
        ax.axvspan(drop - 0.42, drop + 0.42, color=FAINT, zorder=0)
        ax.text(drop + 0.55, 1.0, "largest fall", color=MUTED, va="top", fontsize=11)
        ax.text(places[-1] + 0.7, float(critic[-1]), "critic", color=INK, va="bottom", fontsize=12)
        ax.text(0.995, 0.97, f"dots: verdicts of {resampled.shape[1]} new endings,\nmean and standard error",
                transform=ax.transAxes, ha="right", va="top", fontsize=11, color=MUTED)  # fmt: skip
        ax.set_xticks(range(len(words)), words, family="monospace", fontsize=11)
        for label, word in zip(ax.get_xticklabels(), words, strict=True):
            label.set_rotation(0 if len(word) < 3 else 90)
        ax.set_xlim(-1, len(words) + 1)
        ax.set_ylim(-0.08, 1.08)
        ax.set_ylabel("chance to pass")
        ax.set_title(title)
        text = (
            f"{title}. It {'passed' if passed else 'failed'}. Largest drop at {words[drop]!r}: resampled "
            f"{means[drop]:.2f} to {means[drop + 1]:.2f}, critic {critic[drop]:.2f} to {critic[drop + 1]:.2f}"
        )
        return describe(figure, text)


def standard_error(verdicts: Tensor) -> Tensor:
    """Of the mean of each row of 0s and 1s; not 0 where all agree (Laplace's rule)."""
    n = verdicts.shape[1]
    share = (verdicts.sum(dim=1) + 1) / (n + 2)
    return (share * (1 - share) / n).sqrt()


def calibration(predicted: Tensor, resampled: Tensor, bins: int = 5) -> list[tuple[float, float, float]]:
    """States in order of what the critic says, in equal parts: mean prediction, mean verdict, its standard error."""
    parts = predicted.argsort().chunk(bins)
    rows = [
        (predicted[i].mean(), resampled[i].mean(), resampled[i].mean(dim=1).std() / math.sqrt(len(i))) for i in parts
    ]
    return [(a.item(), b.item(), c.item()) for a, b, c in rows]


def figure_calibration(predicted: Tensor, resampled: Tensor) -> Figure:
    """What the critic says of a state against what becomes of it: single states, and means of fifths."""
    fifths = calibration(predicted, resampled)
    with style():
        figure = Figure(figsize=(6.2, 5.4), layout="constrained")
        ax = figure.subplots()
        ax.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle="--")
        ax.plot(
            predicted,
            resampled.mean(dim=1),
            "o",
            color=DROPPED,
            markeredgecolor=MUTED,
            markeredgewidth=0.8,
            markersize=6,
        )
        x, y, error = zip(*fifths, strict=True)
        ax.errorbar(x, y, yerr=error, fmt="o", color=BLUE, markersize=10, linewidth=2)
        ax.set_xlabel("the critic's V")
        ax.set_ylabel(f"share right of {resampled.shape[1]} new endings")
        ax.set_xlim(-0.15, 1.05)
        ax.set_ylim(-0.05, 1.05)
        ax.set_title(f"{len(predicted)} states; blue: means of fifths; dashed: calibrated")
        readings = "; ".join(f"V {a:.2f}: {b:.2f}" for a, b, _ in fifths)
        return describe(figure, f"Critic against resampled verdicts, means of fifths. {readings}")
