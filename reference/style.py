"""One look for every picture: a palette that colour-blind readers can tell apart, and matplotlib defaults to go with it.

The colours are Okabe and Ito's (2008), with a darker orange and sky blue, so that every line has the contrast of 3 to 1
that WCAG asks of what has to be seen. Each has one meaning throughout the course, and none is used alone: labels, hatching
or position always say the same. The background is a white card, which reads in light and dark pages alike. YELLOW is for
areas only. For words in a colour, which need 4.5 to 1, there is ``words_in``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW = (
    "#0072B2",
    "#C48700",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#4A9BC8",
    "#F0E442",
)
INK, MUTED, FAINT, PAPER = "#1a1a1a", "#5f6368", "#e4e6e9", "#ffffff"
AA_WORDS, AA_SHAPES = 4.5, 3.0  # the contrasts that WCAG 2 asks for, level AA

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


def luminance(colour: str) -> float:
    """How bright a colour such as #0072B2 is, from 0 to 1, as WCAG 2 counts."""
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """From 1 to 21, as WCAG 2 counts. AA asks 4.5 of words, 3 of large ones and of what else has to be seen."""
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def mixed(colour: str, share: float, other: str = PAPER) -> str:
    """So much of a colour, the rest white or another."""
    pairs = [(int(colour[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(b + share * (a - b)):02x}" for a, b in pairs)


def words_in(colour: str, *, on: str = PAPER) -> str:
    """The colour for words on a light ground: as it is, or darkened until it has the contrast that words need."""
    shades = (colour, *(mixed(colour, percent / 100, "#000000") for percent in range(99, -1, -1)))
    return next(shade for shade in shades if contrast(shade, on) >= AA_WORDS)


def words_on(ground: str) -> str:
    """White or black, whichever can be read better. One of the two always has 4.5."""
    return max((PAPER, "#000000"), key=lambda words: contrast(words, ground))


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
