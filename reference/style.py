"""One look for every picture: a palette that colour-blind readers can tell apart, and matplotlib defaults to go with it.

The colours are Okabe and Ito's (2008). Each has one meaning throughout the course, and none is used alone: labels,
hatching or position always say the same. The background is a white card, which reads in light and dark pages alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#F0E442",
)
INK, MUTED, FAINT, PAPER = "#1a1a1a", "#5f6368", "#e4e6e9", "#ffffff"

KEPT, DROPPED = BLUE, "#d5d8dc"  # tokens the mask keeps, and those it leaves out
RIGHT, WRONG = GREEN, RED

RC: dict[Any, Any] = {  # matplotlib names each key in a type of its own
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.labelsize": 12,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "font.size": 12,
    "lines.linewidth": 2.2,
    "figure.dpi": 110,
    "savefig.dpi": 150,
    "savefig.bbox": "tight",
}


@contextmanager
def style() -> Iterator[None]:
    """matplotlib with our defaults, and the reader's own restored afterwards."""
    import matplotlib

    with matplotlib.rc_context(RC):
        yield


def describe(figure: Figure, text: str) -> Figure:
    """Attach what the figure shows, in a sentence with its numbers."""
    figure.description = text  # type: ignore[attr-defined]  # an attribute of ours
    return figure


def description(figure: Figure) -> str:
    return getattr(figure, "description", "figure")
