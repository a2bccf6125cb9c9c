"""The recorded runs of tool use: every share of every run, and what success costs in calls."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from reference.style import BLUE, FAINT, GREEN, MUTED, ORANGE, PURPLE, RED, SKY, style
from reference.teaching.labels import apart
from reference.teaching.show import describe
from reference.teaching.strip import WIDTH

MARKERS, COLOURS = "osD^vPX", (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, MUTED)
Point = tuple[float, float]  # calls per problem, share of success


def figure_shares(shares: Mapping[str, Mapping[str, Sequence[float]]], *, title: str) -> Figure:
    """A line for each kind of run and a panel for each number: a dot for each seed.

    ``shares``: kind of run -> heading of a panel -> the number of each seed.
    """
    kinds, headings = list(shares), list(next(iter(shares.values())))
    with style():
        figure = Figure(figsize=(WIDTH, 1.1 + 0.42 * len(kinds)), layout="constrained")
        axes = figure.subplots(1, len(headings), sharey=True, squeeze=False)[0]
        for ax, heading in zip(axes, headings, strict=True):
            for place, kind in enumerate(kinds):
                seeds = shares[kind][heading]
                ax.axhline(place, color=FAINT, linewidth=1, zorder=0)
                ax.scatter(seeds, [place] * len(seeds), color=BLUE, s=34, alpha=0.75, linewidths=0)
            most = max(1.0, 1.1 * max(max(shares[kind][heading]) for kind in kinds))
            ax.set(xlim=(-0.08 * most, 1.08 * most), ylim=(len(kinds) - 0.5, -0.5), xticks=[0, 1])
            ax.set_title(heading.replace("calls ", "calls\n"), fontsize=11, fontweight="normal")
            ax.tick_params(left=False)
        axes[0].set_yticks(range(len(kinds)), kinds)
        figure.suptitle(title, fontsize=13, fontweight="bold", x=0.01, ha="left")
        said = "; ".join(
            f"{kind}: "
            + ", ".join(f"{heading} {' '.join(f'{x:.2f}' for x in seeds)}" for heading, seeds in row.items())
            for kind, row in shares.items()
        )
        return describe(figure, f"{title}. Per seed: {said}")


def figure_tradeoff(points: Mapping[str, Sequence[Point]], *, title: str) -> Figure:
    """A faint mark for each seed and a full one for their mean, with its name beside it."""
    with style():
        figure = Figure(figsize=(WIDTH, 3.8), layout="constrained")
        ax = figure.subplots()
        means = {}
        for (name, seeds), marker, colour in zip(points.items(), MARKERS, COLOURS, strict=False):
            calls, success = zip(*seeds, strict=True)
            means[name] = sum(calls) / len(calls), sum(success) / len(success)
            ax.scatter(calls, success, marker=marker, color=colour, alpha=0.35, s=36, linewidths=0)
            ax.scatter(*means[name], marker=marker, color=colour, s=90, edgecolors="white", zorder=3)
        ax.set(xlabel="calls per problem", ylabel="share of problems solved")
        (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
        ax.set(xlim=(left, right + 0.25 * (right - left)), ylim=(low - 0.2 * (high - low), high + 0.2 * (high - low)))
        names = sorted(means, key=lambda name: means[name][1])
        heights = [means[name][1] for name in names]
        apart(heights, 0.13 * (high - low))
        for name, height in zip(names, heights, strict=True):
            x, y = means[name]
            ax.annotate(name, (x, y), xytext=(x + 0.08 * (right - left), height), fontsize=11, va="center",
                        arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.6})  # fmt: skip
        ax.set_title(title)
        said = ", ".join(f"{name}: {x:.2f} calls, {100 * y:.0f} % solved" for name, (x, y) in means.items())
        return describe(figure, f"{title}. Means over the seeds: {said}")
