"""How much each token weighs under the three normalisers."""

from fractions import Fraction

import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from reference.objectives import aggregate
from reference.style import BLUE, DROPPED, INK, MUTED, PAPER, style
from reference.teaching.show import described

STRATEGIES = ("sequence_mean", "token_mean", "fixed_length")
WHOSE = {"sequence_mean": "GRPO", "token_mean": "DAPO", "fixed_length": "Dr.GRPO"}


def token_weights(lengths: list[int], *, strategy: str, max_length: int) -> torch.Tensor:
    """d loss / d token_loss, (rows, width): asked from autograd, not from the formula."""
    width = max(*lengths, 1)
    mask = torch.arange(width) < torch.tensor(lengths)[:, None]
    token_loss = torch.ones(len(lengths), width, dtype=torch.float64, requires_grad=True)
    aggregate(token_loss, mask, strategy=strategy, max_length=max_length).backward()
    return token_loss.grad


def figure_weights(lengths: list[int], *, max_length: int = 10) -> Figure:
    """One panel per normaliser; a row of cells per completion, each shaded by its weight, which is written on it."""
    with style():
        figure = Figure(figsize=(11, 1.1 + 0.62 * len(lengths)), layout="constrained")
        told = []
        weights = {s: token_weights(lengths, strategy=s, max_length=max_length) for s in STRATEGIES}
        heaviest = max(w.max().item() for w in weights.values())
        for ax, strategy in zip(figure.subplots(1, 3), STRATEGIES, strict=True):
            for row, length in enumerate(lengths):
                weight = weights[strategy][row].max().item() if length else 0.0
                draw_row(ax, row, length, weight, heaviest, max_length)
                told.append(f"{strategy} row of {length}: {as_fraction(weight)} per token")
            ax.set_title(f"{strategy}  ({WHOSE[strategy]})", fontsize=12)
            ax.set_xlim(-2.2, max_length + 0.1)
            ax.set_ylim(len(lengths) - 0.2, -0.1)
            ax.axis("off")
        return described(figure, "Weight of each token. " + "; ".join(told))


def draw_row(ax, row: int, length: int, weight: float, heaviest: float, max_length: int) -> None:
    share = 0.15 + 0.85 * weight / heaviest
    colour = tuple(1 - share * (1 - c) for c in to_rgb(BLUE))
    for t in range(max_length):
        inside = t < length
        ax.add_patch(
            Rectangle((t + 0.04, row + 0.12), 0.92, 0.6, facecolor=colour if inside else PAPER,
                      edgecolor=BLUE if inside else DROPPED, linewidth=1)
        )  # fmt: skip
    ax.text(-0.25, row + 0.42, as_fraction(weight) if length else "-", ha="right", va="center", fontsize=12, color=INK)
    ax.text(max_length, row + 0.95, f"{length} tokens, together {as_fraction(weight * length)}", ha="right", va="center",
            fontsize=9.5, color=MUTED)  # fmt: skip


def as_fraction(x: float) -> str:
    return str(Fraction(x).limit_denominator(1000))
