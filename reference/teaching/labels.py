"""Words on pictures: names at the ends of lines, kept apart, and what several runs span."""

from matplotlib.axes import Axes

from reference.style import INK, words_in


def label_ends(ax: Axes, ends: dict[str, float], colours: dict[str, str] | None = None, *, gap: float = 0.095) -> float:
    """The name of each line at its right end, moved apart where two would overlap. Returns the height of the topmost.

    ``gap``: between two names, as a share of the axis, whose limits must be set before.
    """
    low, high = ax.get_ylim()
    step, names = gap * (high - low), sorted(ends, key=ends.__getitem__)
    up = [ends[name] for name in names]
    down = list(up)
    apart(up, step)
    apart(down, -step)
    places = [(a + b) / 2 for a, b in zip(up, down, strict=True)]  # as far apart as both, and around the lines
    places[0] = max(places[0], low + step / 3)
    apart(places, step)
    places[-1] = min(places[-1], high - step / 3)
    apart(places, -step)
    end = ax.lines[0].get_xdata()[-1]
    for name, place in zip(names, places, strict=True):
        colour = colours[name] if colours else INK
        ax.plot([end, 1.03 * end], [ends[name], place], color=colour, linewidth=0.8)  # from the line to its name
        ax.annotate(
            f" {name}", (1.03 * end, place), color=words_in(colour), va="center", fontsize=11, annotation_clip=False
        )
    return places[-1]


def apart(places: list[float], step: float) -> None:
    """Move sorted numbers until neighbours are ``step`` apart: upwards, or downwards from the last if it is negative."""
    for i in range(1, len(places)):
        if step > 0:
            places[i] = max(places[i], places[i - 1] + step)
        else:
            places[-1 - i] = min(places[-1 - i], places[-i] + step)


def span(values: list[float], spec: str, *, between: str = " to ") -> str:
    """0.041 to 0.044, or 0.041 where that is all. ``spec``: how a number is written, such as .3f."""
    low, high = f"{min(values):{spec}}", f"{max(values):{spec}}"
    return low if low == high else f"{low}{between}{high}"
