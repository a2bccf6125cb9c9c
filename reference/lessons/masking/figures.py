"""A chat with the mask under its tokens, and how much each token weighs under the three normalisers."""

from fractions import Fraction

import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from reference.objectives import aggregate
from reference.style import BLUE, DROPPED, INK, KEPT, MUTED, PAPER, style
from reference.teaching.example import Example
from reference.teaching.show import describe
from reference.teaching.strip import WIDTH, draw_strip, layout

STRATEGIES = ("sequence_mean", "token_mean", "fixed_length")
WHOSE = {"sequence_mean": "GRPO", "token_mean": "DAPO", "fixed_length": "Dr.GRPO"}


# ---- tokens and their mask -------------------------------------------------------------------------------------------


def figure_tokens(words: list[str], mask: list[bool], *, title: str = "", notes: list[str] | None = None) -> Figure:
    """Every token in a box, with 1 under it where it is supervised and 0 where it is not."""
    notes = notes or ["1" if kept else "0" for kept in mask]
    with style():
        lines = layout(words)
        figure = Figure(figsize=(WIDTH, 0.5 + 0.62 * len(lines)), layout="constrained")
        ax = figure.subplots()
        draw_strip(ax, words, lines, [KEPT if kept else DROPPED for kept in mask], notes)
        ax.set_title(title)
        kept_words = " ".join(word for word, kept in zip(words, mask, strict=True) if kept)
        return describe(figure, f"{title}: {sum(mask)} of {len(mask)} tokens kept: {kept_words}")


def figure_supervision(example: Example, *, question: bool = False, solution: bool = True, end: bool = True) -> Figure:
    """The example chat with the chosen parts supervised, and what the model's loss is on them."""
    is_end = [word == "<|end|>" for word in example.words]
    assistant = example.assistant_mask[0].tolist()
    mask = [
        (question and not theirs) or (theirs and (end if last else solution))
        for theirs, last in zip(assistant, is_end, strict=True)
    ]
    mask[0] = False  # nothing comes before the first token, so nothing can predict it
    losses = [-logp for logp, kept in zip(example.logprobs[0].tolist(), mask[1:], strict=True) if kept]
    title = (
        f"{len(losses)} supervised tokens, mean loss {sum(losses) / len(losses):.2f} nats"
        if losses
        else "nothing is supervised: there is no loss to take"
    )
    return figure_tokens(example.words, mask, title=title)


# ---- weights ----------------------------------------------------------------------------------------------------------


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
        return nothing_to_weigh(len(lengths))
    with style():
        figure = Figure(figsize=(7.6, 3 * (0.5 + 0.4 * len(lengths))), layout="constrained")
        figure.get_layout_engine().set(hspace=0.08)
        readings = []
        weights = {s: token_weights(lengths, strategy=s, max_length=max_length) for s in STRATEGIES}
        heaviest = max(w.max().item() for w in weights.values())
        for ax, strategy in zip(figure.subplots(3, 1), STRATEGIES, strict=True):
            for row, length in enumerate(lengths):
                weight = weights[strategy][row].max().item() if length else 0.0
                draw_row(ax, row, length, weight, heaviest, max_length)
                readings.append(f"{strategy} row of {length}: {as_fraction(weight)} per token")
            ax.set_title(f"{strategy}  ({WHOSE[strategy]})")
            ax.set_xlim(-2.2, 1.55 * max_length)
            ax.set_ylim(len(lengths), 0)
            ax.axis("off")
        return describe(figure, "Weight of each token. " + "; ".join(readings))


def nothing_to_weigh(rows: int) -> Figure:
    """No completion has a token: there is nothing to draw, and nothing to average."""
    with style():
        figure = Figure(figsize=(7.6, 0.9), layout="constrained")
        ax = figure.subplots()
        ax.axis("off")
        text = "No token is kept, so none has a weight: there is no mean of nothing."
        ax.text(0.0, 0.5, text, va="center", fontsize=12, color=INK)
        return describe(figure, f"{rows} completions of 0 tokens. {text}")


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
    ax.text(
        -0.25,
        row + 0.5,
        f"{as_fraction(weight)} each" if length else "-",
        ha="right",
        va="center",
        fontsize=13,
        color=INK,
    )
    ax.text(max_length + 0.3, row + 0.5, f"{tokens}, together {as_fraction(weight * length)}", va="center",
            fontsize=12, color=MUTED)  # fmt: skip


def as_fraction(x: float) -> str:
    return str(Fraction(x).limit_denominator(1000))
