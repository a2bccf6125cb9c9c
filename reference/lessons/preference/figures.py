"""What beta does in DPO, where margins rest, and how hard each relative of DPO still pulls: exact, no model."""

import math

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from reference.objectives import cdpo_loss, dpo_loss, hinge_loss, ipo_loss, robust_dpo_loss
from reference.style import BLUE, DROPPED, GREEN, INK, MUTED, ORANGE, PURPLE, RED, style, words_in
from reference.teaching.show import describe


def margins_after(time: float, betas: Tensor, *, share: float = 1.0) -> Tensor:
    """Margin of one pair of free log-probs after so much gradient flow, where ``share`` of its labels prefer chosen.

    Both log-probs move, so d margin / dt = 2 beta (share - sigmoid(u)) with u = beta * margin. In the clock
    s = 2 beta^2 t that is one curve for all beta: du / ds = share - sigmoid(u). It is solved once, as s over u.
    """
    rest = logit(share)
    u = np.linspace(0, min(rest, 40.0), 20_001)[:-1]  # every step but the one at rest, which is never reached
    pace = (1 + np.exp(-u)) / (share * np.exp(-u) - (1 - share))  # 1 / (share - sigmoid), with all its digits
    s = np.concatenate([[0.0], np.cumsum((pace[1:] + pace[:-1]) / 2 * np.diff(u))])
    return torch.from_numpy(np.interp(2 * betas.numpy() ** 2 * time, s, u)) / betas


def logit(share: float) -> float:
    return math.inf if share >= 1 else math.log(share / (1 - share))


def figure_beta(time: float = 4.0, *, share: float = 1.0) -> Figure:
    """Margin against beta after some gradient flow; dashed, where it comes to rest if the labels are not unanimous."""
    betas = torch.logspace(-2, 1, 301, dtype=torch.float64)
    margins = margins_after(time, betas, share=share)
    with style():
        figure = Figure(figsize=(10, 4.2), layout="constrained")
        ax = figure.subplots()
        top = max(1.4 * float(margins.max()), 0.5)
        if share < 1:
            ax.plot(betas, logit(share) / betas, color=ORANGE, linestyle=(0, (4, 2)))
            ax.text(0.98, 0.84, "dashed: at rest, logit(p) / β", transform=ax.transAxes, ha="right", va="top",
                    color=words_in(ORANGE), fontsize=11)  # fmt: skip
        ax.plot(betas, margins, color=BLUE, linewidth=2.8)
        best = int(margins.argmax())
        ax.plot(betas[best], margins[best], "o", color=INK, markersize=7)
        place = f"furthest: β = {betas[best]:.2g}"
        ax.annotate(place, (float(betas[best]), float(margins[best])), xytext=(0, 8), textcoords="offset points",
                    ha="left" if best < 30 else "right" if best > 270 else "center", fontsize=11)  # fmt: skip
        for x, side, words in ((0.02, "left", "← larger β goes further"), (0.98, "right", "larger β stays closer →")):
            ax.text(x, 0.97, words, transform=ax.transAxes, ha=side, va="top", color=MUTED, fontsize=11)
        ax.set_xscale("log")
        ax.set_xlim(0.01, 10)
        ax.set_xticks([0.01, 0.1, 1, 10], ["0.01", "0.1", "1", "10"])
        ax.set_ylim(0, top)
        ax.set_xlabel("β (log scale)")
        ax.set_ylabel("margin (nats)")
        ax.set_title(f"Margin of a pair after {time:,g} units of time; {share:.0%} of the raters prefer chosen")
        margins_at = {
            b: margins_after(time, torch.tensor([b], dtype=torch.float64), share=share).item() for b in (0.05, 0.5, 5)
        }
        readings = ", ".join(f"{m:.2f} at beta {b:g}" for b, m in margins_at.items())
        rest = f"; at rest {logit(share) / 0.5:.2f} at beta 0.5" if share < 1 else ""
        return describe(figure, f"Margin after {time:,g} units: {readings}{rest}. {place.replace('β', 'beta')}")


FAMILY = {
    "DPO": (dpo_loss, {}, BLUE, "-"),
    "robust DPO": (robust_dpo_loss, {"label_smoothing": 0.1}, PURPLE, ":"),
    "cDPO": (cdpo_loss, {"label_smoothing": 0.1}, GREEN, "--"),
    "hinge": (hinge_loss, {}, RED, "-."),
    "IPO": (ipo_loss, {}, ORANGE, (0, (5, 1))),
}


def pull_at(name: str, margins: Tensor, beta: float) -> Tensor:
    """How hard a loss pulls the margin up: minus its slope, as a multiple of its pull at margin 0."""
    loss, options, *_ = FAMILY[name]
    chosen = torch.cat([torch.zeros(1, dtype=torch.float64), margins]).requires_grad_()
    zero = torch.zeros_like(chosen).detach()
    (slope,) = torch.autograd.grad(loss(chosen, zero, zero, zero, beta=beta, **options).sum(), chosen)
    return (slope / slope[0])[1:]


def rest_of(name: str, beta: float) -> float:
    """The margin at which a loss stops pulling on a pair that is always labelled the same way."""
    return {"cDPO": logit(0.9) / beta, "hinge": 1 / beta, "IPO": 1 / (2 * beta)}.get(name, math.inf)


def figure_family(names: tuple[str, ...] = tuple(FAMILY), *, beta: float = 0.1) -> Figure:
    """Pull on the margin against the margin, in units of the pull at 0: who stops where, and who calls back."""
    far = 3.2 / beta
    margins = torch.linspace(-0.6 / beta, far, 400, dtype=torch.float64)
    readings = []
    with style():
        figure = Figure(figsize=(10, 4.4), layout="constrained")
        ax = figure.subplots()
        ax.axhspan(-2, 0, color=DROPPED, alpha=0.5, linewidth=0)
        ax.axhline(0, color=INK, linewidth=1)
        last = math.inf
        ends = {name: max(pull_at(name, margins[-1:], beta).item(), -1.02) for name in names}
        for name in sorted(names, key=lambda name: -ends[name]):
            _, _, colour, dashes = FAMILY[name]
            ax.plot(margins, pull_at(name, margins, beta), color=colour, linestyle=dashes, linewidth=2.6)
            last = min(ends[name], last - 0.13)
            end = (far, last) if ends[name] > -1 else (1 / beta, -0.93)  # IPO leaves the picture at twice its target
            ax.annotate(name, end, xytext=(6, 0), textcoords="offset points", va="center", fontsize=11,
                        annotation_clip=False)  # fmt: skip
            rest = rest_of(name, beta)
            readings.append(f"{name} {'never rests' if math.isinf(rest) else f'rests at {rest:.2f} nats'}")
        ax.text(-0.58 / beta, -0.96, "pushed back", color=MUTED, fontsize=11, va="bottom")
        ax.set_ylim(-1.05, 2.0)
        ax.set_xlim(float(margins[0]), far)
        ax.set_xlabel("margin (nats): what chosen has gained on rejected")
        ax.set_ylabel("pull, in units of the pull at 0")
        ax.set_title(f"How hard a pair is still pulled apart, β = {beta:g}")
        return describe(figure, f"Pull on a pair at beta {beta:g}: " + ", ".join(readings))


def figure_falling(panels: dict[str, dict[str, list[float]]]) -> Figure:
    """Log-probs of chosen and rejected, as changes, over the steps: a panel for each run."""
    looks = {"chosen": (GREEN, "-"), "rejected": (RED, "--"), "margin": (INK, ":")}
    readings = []
    with style():
        figure = Figure(figsize=(10, 3.9), layout="constrained")
        for ax, (title, lines) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
            ax.plot([0, len(lines["chosen"])], [0, 0], color=MUTED, linewidth=1)
            for name, values in lines.items():
                colour, dashes = looks[name]
                ax.plot(range(1, len(values) + 1), values, color=colour, linestyle=dashes)
                ax.annotate(f"{name} {values[-1]:+.1f}", (len(values), values[-1]), xytext=(5, 0), va="center",
                            textcoords="offset points", fontsize=11, annotation_clip=False)  # fmt: skip
                readings.append(f"{title}: {name} {values[-1]:+.1f}")
            ax.set_title(title)
            ax.set_xlabel("step")
            ax.set_xlim(0, 1.5 * len(lines["chosen"]))
            ax.set_xticks([0, len(lines["chosen"]) // 2, len(lines["chosen"])])
            ax.spines["bottom"].set_bounds(0, len(lines["chosen"]))
        figure.axes[0].set_ylabel("change of the log-prob (nats)")
        return describe(figure, "At the end, in nats. " + "; ".join(readings))
