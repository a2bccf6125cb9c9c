"""The recorded runs of tool use: what success costs in calls."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from reference.style import BLUE, GREEN, MUTED, ORANGE, PURPLE, RED, SKY, style
from reference.teaching.labels import apart
from reference.teaching.show import describe
from reference.teaching.strip import WIDTH

MARKERS, COLOURS = "osD^vPX", (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, MUTED)
Point = tuple[float, float]  # calls per problem, share of success


def figure_tradeoff(points: Mapping[str, Sequence[Point]], *, title: str, line: bool = False) -> Figure:
    """A faint mark for each seed and a full one for their mean, with its name beside it.

    ``line``: join the means in their order, where one number was varied.
    """
    with style():
        figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
        ax = figure.subplots()
        means = {}
        for (name, seeds), marker, colour in zip(points.items(), MARKERS, COLOURS, strict=False):
            calls, success = zip(*seeds, strict=True)
            means[name] = sum(calls) / len(calls), sum(success) / len(success)
            ax.scatter(calls, success, marker=marker, color=colour, alpha=0.35, s=36, linewidths=0)
            ax.scatter(*means[name], marker=marker, color=colour, s=90, edgecolors="white", zorder=3)
        if line:
            ax.plot(*zip(*means.values(), strict=True), color=MUTED, linewidth=1, zorder=1)
        ax.set(xlabel="calls per problem", ylabel="share of problems solved", ylim=(0, 1.02))
        ax.set_xlim(-0.08, 1.18 * max(x for x, _ in means.values()) + 0.3)
        ax.set_title(title)
        names = sorted(means, key=lambda name: means[name][1])
        heights = [means[name][1] for name in names]
        apart(heights, 0.07)
        apart([*heights, 1.04], -0.07)  # none above the axis
        for name, height in zip(names, heights, strict=True):
            x, y = means[name]
            ax.annotate(name, (x, y), xytext=(x + 0.07, height), fontsize=11, va="center",
                        arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.6})  # fmt: skip
        said = ", ".join(f"{name}: {x:.2f} calls, {100 * y:.0f} % solved" for name, (x, y) in means.items())
        return describe(figure, f"{title}. Means over the seeds: {said}")
