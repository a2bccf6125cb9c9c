"""Scores with their intervals on a picture: a mark with its line, the name beside it, and the axis."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.ticker import MaxNLocator

from reference.style import INK

Estimate = tuple[float, float, float]  # a score, and the two ends of its interval
CLEAR = 6  # pixels between a name and a line on its right


def draw_estimate(ax: Axes, estimate: Estimate, y: float, *, colour: str, marker: str) -> None:
    score, low, high = estimate
    ax.plot([low, high], [y, y], color=colour, linewidth=1.8)
    ax.plot([score], [y], color=colour, marker=marker, markersize=7, markeredgecolor="white")


def name_right_of(ax: Axes, estimate: Estimate, y: float, text: str) -> Annotation:
    return ax.annotate(text, (estimate[2], y), xytext=(6, 0), textcoords="offset points", va="center", color=INK,
                       fontsize=11, annotation_clip=False)  # fmt: skip


def keep_clear(figure: Figure, x: float, names: Sequence[tuple[Annotation, Estimate]]) -> None:
    """Names that the upright line at x would run through move to the left of their intervals. The figure has one plot."""
    figure.draw_without_rendering()  # where a name ends is known once it was laid out
    line = figure.axes[0].transData.transform((x, 0))[0]
    for name, (_, low, _) in names:
        extent = name.get_window_extent()
        if extent.x0 <= line <= extent.x1 + CLEAR:
            name.xy = (low, name.xy[1])
            name.set(position=(-6, 0), horizontalalignment="right")


def in_words(settings: Mapping[str, Estimate]) -> str:
    return ", ".join(
        f"{name} {score:.2f} from {low:.2f} to {high:.2f}" for name, (score, low, high) in settings.items()
    )


def room_for_labels(ax: Axes, estimates: Sequence[Estimate], *, share: float = 0.35) -> None:
    """Ticks from below all intervals to above them, the axis from the first tick to the last, and free space for names."""
    low, high = min(e[1] for e in estimates), max(e[2] for e in estimates)
    ticks = MaxNLocator(nbins=6, steps=[1, 2, 5, 10]).tick_values(low, max(high, low + 0.02))
    wide = ticks[-1] - ticks[0]
    ax.set_xticks(ticks)
    ax.set_xlim(ticks[0] - 0.03 * wide, ticks[-1] + share * wide)
    ax.spines["bottom"].set_bounds(ticks[0], ticks[-1])
    ax.tick_params(left=False)
    ax.spines["left"].set_visible(False)
