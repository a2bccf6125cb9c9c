"""How much each token weighs under the three normalisers."""

from fractions import Fraction

import torch
from matplotlib.axes import Axes
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
    """One panel per normaliser; a row of cells per completion, each shaded by its weight, which is written beside it."""
    if not any(lengths):
        return figure_nothing(len(lengths))
    with style():
        figure = Figure(figsize=(7.6, 3 * (0.5 + 0.4 * len(lengths))), layout="constrained")
        figure.get_layout_engine().set(hspace=0.08)
        told = []
        weights = {s: token_weights(lengths, strategy=s, max_length=max_length) for s in STRATEGIES}
        heaviest = max(w.max().item() for w in weights.values())
        for ax, strategy in zip(figure.subplots(3, 1), STRATEGIES, strict=True):
            for row, length in enumerate(lengths):
                weight = weights[strategy][row].max().item() if length else 0.0
                draw_row(ax, row, length, weight, heaviest, max_length)
                told.append(f"{strategy} row of {length}: {as_fraction(weight)} per token")
            ax.set_title(f"{strategy}  ({WHOSE[strategy]})")
            ax.set_xlim(-1.7, 1.55 * max_length)
            ax.set_ylim(len(lengths), 0)
            ax.axis("off")
        return described(figure, "Weight of each token. " + "; ".join(told))


def figure_nothing(rows: int) -> Figure:
    """No completion has a token: there is nothing to draw, and nothing to average."""
    with style():
        figure = Figure(figsize=(7.6, 0.9), layout="constrained")
        ax = figure.subplots()
        ax.axis("off")
        text = "No token is kept, so none has a weight: there is no mean of nothing."
        ax.text(0.0, 0.5, text, va="center", fontsize=12, color=INK)
        return described(figure, f"{rows} completions of 0 tokens. {text}")


def draw_row(ax: Axes, row: int, length: int, weight: float, heaviest: float, max_length: int) -> None:
    share = 0.15 + 0.85 * weight / heaviest
    colour = tuple(1 - share * (1 - c) for c in to_rgb(BLUE))
    for t in range(max_length):
        inside = t < length
        ax.add_patch(
            Rectangle((t + 0.04, row + 0.12), 0.92, 0.76, facecolor=colour if inside else PAPER,
                      edgecolor=BLUE if inside else DROPPED, linewidth=1)
        )  # fmt: skip
    tokens = "1 token" if length == 1 else f"{length} tokens"
    ax.text(-0.25, row + 0.5, as_fraction(weight) if length else "-", ha="right", va="center", fontsize=13, color=INK)
    ax.text(max_length + 0.3, row + 0.5, f"{tokens}, together {as_fraction(weight * length)}", va="center",
            fontsize=12, color=MUTED)  # fmt: skip


def as_fraction(x: float) -> str:
    return str(Fraction(x).limit_denominator(1000))
