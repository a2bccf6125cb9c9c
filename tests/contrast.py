"""What has to be seen on a picture can be seen: WCAG 2, level AA. ``watch`` measures every picture while it is drawn.

Words: 4.5 to 1, or 3 if they are large, with the most frequent pixel of the place where they stand.
Lines, marks and outlines: 3 to 1 with the white card, as their colour, made paler by their alpha, shows on it.
Areas: 3 to 1 with the white card, or an outline that has it, or a word inside. Where two areas of a panel touch, 3 to 1
between them, or an outline, a hatching or words that tell them apart.

Left out: straight guides in FAINT; pale lines and marks beside firm ones of the same colour (seeds beside their mean);
outlines of empty places; filled curves, and bands over the whole height or width of a panel, which lie behind the lines.
"""

from collections.abc import Iterator
from functools import wraps

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.text import Text

from reference.style import AA_SHAPES, AA_WORDS, DROPPED, FAINT, PAPER, contrast, mixed

LOWEST, TOUCH = 6, 1.5  # pixels: of words that can be read, and between two areas that count as one edge
Colour = tuple[float, float, float, float]


def watch() -> None:
    """From now on, a picture that this process draws with something too faint on it raises an AssertionError."""
    paint = FigureCanvasAgg.print_png
    if hasattr(paint, "__wrapped__"):
        return

    @wraps(paint)  # matplotlib looks at its signature
    def print_and_measure(self: FigureCanvasAgg, *args: object, **options: object) -> None:
        paint(self, *args, **options)
        if found := faint(self.figure):
            raise AssertionError("\n".join(["too faint to be seen, as tests/contrast.py measures it:", *found]))

    FigureCanvasAgg.print_png = print_and_measure


def faint(figure: Figure) -> list[str]:
    """What is too faint on a figure that its canvas has just drawn."""
    panels = [ax for ax in figure.axes if ax.get_visible()]
    return sum([faint_shapes(ax) + faint_areas(ax) for ax in panels], faint_words(figure))


def shade(colour: Colour) -> str:
    """The colour that shows on the white card."""
    return mixed(to_hex(colour), colour[3])


def seen(colour: Colour) -> bool:
    return contrast(shade(colour), PAPER) >= AA_SHAPES


# ---- words -----------------------------------------------------------------------------------------------------------


def faint_words(figure: Figure) -> list[str]:
    pixels = np.asarray(figure.canvas.buffer_rgba())[::-1, :, :3].astype(np.int64) @ (1 << 16, 1 << 8, 1)
    found = []
    for text in words_of(figure):
        box, alpha = text.get_window_extent(), text.get_alpha()
        if not np.isfinite(box.extents).all() or box.height < LOWEST:
            continue  # beside a value that is none, or on a picture that is too small to be read
        part = pixels[max(0, int(box.y0)) : int(box.y1) + 1, max(0, int(box.x0)) : int(box.x1) + 1].ravel()
        if not len(part):
            continue  # outside of the picture
        values, counts = np.unique(part, return_counts=True)  # the ink has fewer pixels, and of many shades
        ground = f"#{values[counts.argmax()]:06x}"
        ink = mixed(to_hex(text.get_color()), 1.0 if alpha is None else alpha, ground)
        if contrast(ink, ground) < (AA_SHAPES if large(text) else AA_WORDS):
            found.append(f"{text.get_text()!r}: {ink} on {ground} is {contrast(ink, ground):.2f}")
    return found


def words_of(figure: Figure) -> Iterator[Text]:
    """All that are drawn: those of an axis that is switched off, or of a panel that is not there, are not."""
    unseen = {text for ax in figure.axes for part in switched_off(ax) for text in part.findobj(Text)}
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text().strip() and text not in unseen:
            yield text


def switched_off(ax: Axes) -> tuple[Artist, ...]:
    if not ax.get_visible():
        return (ax,)
    return tuple(axis for axis in (ax.xaxis, ax.yaxis) if not (ax.axison and axis.get_visible()))


def large(text: Text) -> bool:
    """WCAG's large words: 18 points, or 14 in bold."""
    return text.get_fontsize() >= (14 if text.get_fontweight() in ("bold", 700) else 18)


# ---- lines and marks -------------------------------------------------------------------------------------------------


def faint_shapes(ax: Axes) -> list[str]:
    """Lines and marks that cannot be seen, where no firm one of their kind and colour is in the panel."""
    drawn = [shape for artist in ax.get_children() if artist.get_visible() for shape in shapes_of(artist)]
    firm = {(kind, to_hex(colour)) for kind, colours in drawn for colour in colours if seen(colour)}
    return [
        f"{kind} in {' and '.join(dict.fromkeys(map(shade, colours)))}"
        for kind, colours in drawn
        if not any(seen(colour) or (kind, to_hex(colour)) in firm for colour in colours)
    ]


def shapes_of(artist: Artist) -> list[tuple[str, list[Colour]]]:
    """What has to be seen, "line" or "mark", with its colours, of which one is enough: a mark has a face and an edge."""
    if isinstance(artist, Line2D):
        return [] if is_guide(artist) else shapes_of_line(artist)
    if isinstance(artist, LineCollection):
        return [("line", [tuple(colour)]) for colour in artist.get_edgecolor()]
    if isinstance(artist, PathCollection):
        faces, edges = artist.get_facecolor(), artist.get_edgecolor()
        count = max(len(faces), len(edges))
        return [("mark", [tuple(c) for c in (*faces[i : i + 1], *edges[i : i + 1])]) for i in range(count)]
    return [("line", [arrow.get_edgecolor()])] if (arrow := getattr(artist, "arrow_patch", None)) else []


def shapes_of_line(line: Line2D) -> list[tuple[str, list[Colour]]]:
    alpha, points = line.get_alpha(), np.isfinite(line.get_xydata()).all(axis=1).sum()
    found = []
    if points > 1 and line.get_linestyle() != "None" and line.get_linewidth():
        found.append(("line", [to_rgba(line.get_color(), alpha)]))
    if points and line.get_marker() not in ("None", "", " ", None):
        ends = (line.get_markerfacecolor(), line.get_markeredgecolor())
        found.append(("mark", [to_rgba(colour, alpha if to_rgba(colour)[3] else 0) for colour in ends]))
    return found


def is_guide(line: Line2D) -> bool:
    """A straight line in FAINT: it leads the eye along a row, and says nothing."""
    return to_hex(line.get_color()) == FAINT and len(line.get_xydata()) == 2


# ---- areas -----------------------------------------------------------------------------------------------------------


def faint_areas(ax: Axes) -> list[str]:
    """Bars and boxes that cannot be seen, and pairs that touch and cannot be told apart."""
    patches = [patch for patch in ax.patches if patch.get_visible() and not is_behind(patch)]
    boxes = np.array([patch.get_window_extent().extents for patch in patches]).reshape(-1, 4)
    kept = np.isfinite(boxes).all(axis=1) & ((boxes[:, 2:] - boxes[:, :2]).min(axis=1) >= 1)
    patches, boxes = [patch for patch, keep in zip(patches, kept, strict=True) if keep], boxes[kept]
    named = have_words(ax, boxes)
    found = [
        f"{type(patch).__name__} in {face(patch)} with an edge in {shade(patch.get_edgecolor())}"
        for patch, name in zip(patches, named, strict=True)
        if not name and not is_empty(patch) and not seen(patch.get_facecolor()) and not has_outline(patch)
    ]
    return found + [
        f"areas that touch, in {face(patches[i])} and {face(patches[j])}"
        for i, j in touching(boxes)
        if not (named[i] and named[j]) and not told_apart(patches[i], patches[j])
    ]


def face(patch: Patch) -> str:
    return shade(patch.get_facecolor())


def is_behind(patch: Patch) -> bool:
    """A band over the whole height or width of a panel: its transform is not that of the data alone."""
    return isinstance(patch, Rectangle) and patch.get_data_transform() != patch.axes.transData


def is_empty(patch: Patch) -> bool:
    """An outline around nothing, such as the place of a token that is not there."""
    return face(patch) == PAPER and to_hex(patch.get_edgecolor()) in (DROPPED, FAINT)


def has_outline(patch: Patch) -> bool:
    return patch.get_linewidth() > 0 and seen(patch.get_edgecolor())


def have_words(ax: Axes, boxes: np.ndarray) -> np.ndarray:
    """Which boxes have the middle of a text in them."""
    middles = np.array([text.get_window_extent().get_points().mean(axis=0) for text in ax.texts]).reshape(-1, 1, 2)
    return ((boxes[:, :2] <= middles) & (middles <= boxes[:, 2:])).all(axis=2).any(axis=0)


def touching(boxes: np.ndarray) -> list[tuple[int, int]]:
    """The pairs of boxes that touch or overlap."""
    gap = boxes[:, None, :2] - boxes[None, :, 2:]  # of each box to the right of, or above, each other
    near = (np.maximum(gap, gap.swapaxes(0, 1)) <= TOUCH).all(axis=2)
    return [(int(i), int(j)) for i, j in np.argwhere(np.triu(near, k=1))]


def told_apart(one: Patch, other: Patch) -> bool:
    outlined, hatched = has_outline(one) or has_outline(other), one.get_hatch() != other.get_hatch()
    return outlined or hatched or face(one) == face(other) or contrast(face(one), face(other)) >= AA_SHAPES
