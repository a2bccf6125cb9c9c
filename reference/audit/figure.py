"""The picture of a batch: its first rows, token by token, for pages that show no HTML."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from reference.audit.batch import Batch
from reference.audit.cells import Cell, row_cells, shown_rows, summary
from reference.audit.view import colours, is_number, number_text
from reference.style import DROPPED, GREEN, INK, KEPT, MUTED, PAPER, PURPLE, describe, style

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LINE = 76  # characters of a line
EDGES = {"EOS": (GREEN, "-"), "tool": (PURPLE, "--"), "padding": (MUTED, ":")}
MOST = 60  # lines of the picture


def figure_batch(
    batch: Batch,
    *,
    tokenizer: "PreTrainedTokenizerBase | None" = None,
    value: str | None = None,
    rows: int | Sequence[int] = 4,
) -> Figure:
    """The first ``rows`` rows, or those that are named; ``value``, such as "advantages", stands under the tokens."""
    chosen = shown_rows(batch, rows)
    lines: list[tuple[str, list[Cell]]] = []
    for row in chosen:
        parts = wrapped(row_cells(batch, row, tokenizer=tokenizer, value=value))
        lines += [(f"row {row}" if place == 0 else "", part) for place, part in enumerate(parts)]
    lines = lines[:MOST]
    largest = max((abs(c.value) for _, line in lines for c in line if is_number(c.value)), default=0.0)  # type: ignore[arg-type]
    with style():
        figure = Figure(figsize=(9.5, 0.7 + 0.46 * len(lines)), layout="constrained")
        ax = figure.subplots()
        for place, (name, line) in enumerate(lines):
            ax.text(-0.6, -place + 0.25, name, ha="right", va="center", fontsize=10, color=MUTED)
            draw_line(ax, line, -place, largest)
        draw_legend(ax)
        ax.set_xlim(-7, LINE)
        ax.set_ylim(-len(lines) + 0.6, 2.1)
        ax.axis("off")
        return describe(figure, "The tokens of a batch. " + summary(batch, chosen).replace("\n", "; ") + ".")


def wrapped(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Lines of at most ``LINE`` characters."""
    lines: list[list[Cell]] = [[]]
    length = 0.0
    for cell in cells:
        if lines[-1] and length + width(cell) > LINE:
            lines.append([])
            length = 0.0
        lines[-1].append(cell)
        length += width(cell)
    return lines


def width(cell: Cell) -> float:
    return max(len(cell.word), len(number_text(cell.value))) + 1.2


def draw_line(ax: Axes, cells: Sequence[Cell], y: float, largest: float) -> None:
    x = 0.0
    for cell in cells:
        ground, ink = colours(cell, largest)
        draw_box(ax, x, y, width(cell), cell.word, ground, ink, EDGES.get(cell.role))
        ax.text(
            x + width(cell) / 2, y - 0.2, number_text(cell.value), ha="center", va="center", fontsize=7, color=MUTED
        )
        x += width(cell)


def draw_box(
    ax: Axes, x: float, y: float, wide: float, word: str, ground: str, ink: str, edge: tuple[str, str] | None
) -> None:
    colour, dashes = edge or ("none", "-")
    box = FancyBboxPatch(
        (x + 0.12, y), wide - 0.24, 0.52, boxstyle="round,pad=0,rounding_size=0.1",
        facecolor=ground, edgecolor=colour, linestyle=dashes, linewidth=1.8,
    )  # fmt: skip
    ax.add_patch(box)
    shown = word.replace("$", r"\$")  # a dollar sign would begin a formula
    ax.text(x + wide / 2, y + 0.25, shown, ha="center", va="center", fontsize=9, family="monospace", color=ink)


def draw_legend(ax: Axes) -> None:
    x = 0.0
    kinds = [("in the loss", KEPT, PAPER), ("not in the loss", DROPPED, INK), *((name, DROPPED, INK) for name in EDGES)]
    for name, ground, ink in kinds:
        draw_box(ax, x, 1.3, len(name) + 2.0, name, ground, ink, EDGES.get(name))
        x += len(name) + 2.6
