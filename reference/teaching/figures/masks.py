"""Token strips: a text as its tokens, with the mask written under each."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from reference.style import DROPPED, INK, KEPT, MUTED, ORANGE, PAPER, style
from reference.teaching.example import Example
from reference.teaching.show import described

LINE = 58  # characters per line of a strip
WIDTH = 7.6  # inches; a figure this wide can still be read where a notebook has half of the screen
HEADERS = ("<|user|>", "<|assistant|>", "<|tool|>")  # a turn begins on a line of its own


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
        return described(figure, f"{title}: {sum(mask)} of {len(mask)} tokens kept: {kept_words}")


def figure_supervision(example: Example, *, question: bool = False, solution: bool = True, end: bool = True) -> Figure:
    """The example chat with the chosen parts supervised, and what the model's loss is on them."""
    is_end = [word == "<|end|>" for word in example.words]
    assistant = example.assistant_mask[0].tolist()
    chosen = [
        (question and not theirs) or (theirs and (end if last else solution))
        for theirs, last in zip(assistant, is_end, strict=True)
    ]
    chosen[0] = False  # nothing comes before the first token, so nothing can predict it
    losses = [-logp for logp, kept in zip(example.logprobs[0].tolist(), chosen[1:], strict=True) if kept]
    told = (
        f"{len(losses)} supervised tokens, mean loss {sum(losses) / len(losses):.2f} nats"
        if losses
        else "nothing is supervised: there is no loss to take"
    )
    return figure_tokens(example.words, chosen, title=told)


def layout(words: list[str]) -> list[list[int]]:
    """Token indices line by line: a turn begins a line, and no line is longer than ``LINE`` characters."""
    lines: list[list[int]] = [[]]
    used = 0
    for index, word in enumerate(words):
        if lines[-1] and (word in HEADERS or used + width(word) > LINE):
            lines.append([])
            used = 0
        lines[-1].append(index)
        used += width(word)
    return lines


def width(word: str) -> float:
    return max(2.0, len(word) + 1.0)


def draw_strip(
    ax: Axes, words: list[str], lines: list[list[int]], colours: list[str], notes: list[str],
    *, thin: int | None = None, thick: int | None = None,
) -> None:  # fmt: skip
    """Boxes from left to right and top to bottom; ``notes`` under the boxes, a thin and a thick frame around two tokens."""
    for row, line in enumerate(lines):
        x = 0.0
        for index in line:
            frame = {thin: 1.6, thick: 4.0}.get(index, 0.0)
            box = FancyBboxPatch(
                (x + 0.12, -row), width(words[index]) - 0.24, 0.52, boxstyle="round,pad=0,rounding_size=0.12",
                facecolor=colours[index], edgecolor=ORANGE if frame else "none", linewidth=frame, zorder=2 if frame else 1,
            )  # fmt: skip
            ax.add_patch(box)
            middle = x + width(words[index]) / 2
            dark = colours[index] == DROPPED
            ax.text(middle, -row + 0.25, words[index], ha="center", va="center", fontsize=11.5, family="monospace",
                    color=INK if dark else PAPER, zorder=3)  # fmt: skip
            ax.text(middle, -row - 0.18, notes[index], ha="center", va="center", fontsize=11, color=MUTED)
            x += width(words[index])
    ax.set_xlim(0, LINE)
    ax.set_ylim(-len(lines) + 0.6, 0.7)
    ax.axis("off")
