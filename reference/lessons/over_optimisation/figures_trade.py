"""Gold against the proxy: where every steered run ends, and the way of the runs without a term."""

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reference.style import INK, MUTED, style
from reference.teaching.labels import apart
from reference.teaching.show import describe
from reference.teaching.strip import WIDTH

from .figures import seeds_in_words
from .figures_steering import GREY, HALO, LOOKS, fewer
from .recorded import Point, at_kl, mean_curve, peak, point
from .steering import Seeds

ALONG = (0.25, 1.0, 4.0)  # nats, written along the run without a term


def figure_trade(
    plain: Seeds, steered: Mapping[str, Mapping[str, Seeds]], *, stopped: Mapping[int, Point] | None = None
) -> Figure:
    """Gold against the proxy: the way of the runs without a term in grey, and the end of every steered run.

    ``steered``: term -> its coefficient in words -> seed -> curve, all with the reward models of ``plain``. ``stopped``:
    where early stopping on gold would have ended the grey runs. A small mark for each seed, a large one for the mean.
    """
    with style():
        figure = Figure(figsize=(WIDTH, 5.2), layout="constrained")
        ax = figure.subplots()
        said = [draw_plain_trade(ax, plain)]
        ends = {
            f"{term} {coef}".strip(): (look, [point(curve, -1) for curve in curves.values()])
            for (term, by_coef), look in zip(steered.items(), LOOKS, strict=False)
            for coef, curves in by_coef.items()
        }
        if kept := [at for seed, at in (stopped or {}).items() if seed in plain]:
            ends["stopped early"] = ((MUTED, "-", "X"), kept)
        places = {}
        for name, ((colour, _, marker), points) in ends.items():
            places[name] = x, y = mean_of(points, "proxy"), mean_of(points, "gold")
            if len(points) > 1:
                ax.plot(
                    [p.proxy for p in points], [p.gold for p in points], marker, color=colour, alpha=0.4, markersize=5
                )
            ax.plot([x], [y], marker, color=colour, markersize=10, markeredgecolor="white", zorder=4)
            said.append(f"{name}, {count(points)}: proxy {x:+.2f}, gold {y:.0%}, KL {mean_of(points, 'kl'):.1f} nats")
        labels = {name: name + fewer(len(points), plain) for name, (_, points) in ends.items()}
        name_ends(ax, places, labels, {name: look[0] for name, (look, _) in ends.items()})
        ax.set_xlabel("proxy, gained since the base", loc="left")
        ax.set_ylabel("gold, share right")
        ax.set_title("Where each run ends, and the way without a term", fontsize=12)
        return describe(figure, ". ".join(said))


def draw_plain_trade(ax: Axes, plain: Seeds) -> str:
    """The grey way from the base to the end, with the KL written along it."""
    mean = mean_curve(plain)
    for curve in plain.values():
        ax.plot(curve.proxy, curve.gold, color=GREY, linewidth=0.7, alpha=0.7)
    ax.plot(mean.proxy, mean.gold, color=GREY, linewidth=3)
    top, end = peak(mean), point(mean, -1)
    for nats in ALONG:
        if at := at_kl(mean, nats):
            before = at.step < top.step
            ax.plot([at.proxy], [at.gold], "o", color=INK, markersize=4, zorder=3)
            ax.annotate(f"{nats:g} nat{'s' * (nats != 1)}", (at.proxy, at.gold), xytext=(-7, 7 if before else -3),
                        textcoords="offset points", ha="right", va="bottom" if before else "top", color=MUTED,
                        fontsize=10.5, path_effects=HALO)  # fmt: skip
    return (
        f"Without a term, {seeds_in_words(plain)}: gold is largest with {top.gold:.0%} at a proxy of {top.proxy:+.2f} and "
        f"{top.kl:.2f} nats, and ends with {end.gold:.0%} at {end.proxy:+.2f} and {end.kl:.1f} nats"
    )


def name_ends(
    ax: Axes, places: Mapping[str, tuple[float, float]], labels: Mapping[str, str], colours: Mapping[str, str]
) -> None:
    """Names on the right of the plot, in the order of the marks' heights, each with a stroke to its mark."""
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    names = sorted(places, key=lambda name: places[name][1])
    heights = [places[name][1] for name in names]
    step = 0.062 * (high - low)
    apart(heights, step)
    heights = [height - max(0.0, heights[-1] - high) for height in heights] if heights else []
    edge = right + 0.05 * (right - left)
    for name, height in zip(names, heights, strict=True):
        ax.annotate(labels[name], places[name], xytext=(edge, height), va="center", fontsize=11, color=INK, annotation_clip=False,
                    arrowprops={"arrowstyle": "-", "color": colours[name], "linewidth": 0.8, "shrinkB": 4})  # fmt: skip
    ax.set(xlim=(left, right + 0.62 * (right - left)), ylim=(low, high))
    ax.spines["bottom"].set_bounds(left, right)
    ax.set_xticks([tick for tick in ax.get_xticks() if left <= tick <= right])


def mean_of(points: list[Point], name: str) -> float:
    return sum(getattr(p, name) for p in points) / len(points)


def count(points: list[Point]) -> str:
    return f"{len(points)} seed{'s' * (len(points) != 1)}"
