"""Token strips: a text as its tokens in boxes, with a note under each."""

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from reference.style import DROPPED, INK, MUTED, ORANGE, PAPER

LINE = 58  # characters per line of a strip
WIDTH = 7.6  # inches; a figure this wide can still be read where a notebook has half of the screen
HEADERS = ("<|user|>", "<|assistant|>", "<|tool|>")  # a turn begins on a line of its own


def layout(words: list[str]) -> list[list[int]]:
    """Token indices line by line: a turn begins a line, and no line is longer than ``LINE`` characters."""
    lines: list[list[int]] = [[]]
    length = 0
    for index, word in enumerate(words):
        if lines[-1] and (word in HEADERS or length + width(word) > LINE):
            lines.append([])
            length = 0
        lines[-1].append(index)
        length += width(word)
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
