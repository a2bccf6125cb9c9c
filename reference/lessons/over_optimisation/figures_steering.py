"""Steered runs beside those without a term: gold against the proxy, and against the KL."""

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from reference.style import BLUE, GREEN, INK, MUTED, ORANGE, PAPER, PURPLE, RED, SKY, style
from reference.teaching.labels import apart
from reference.teaching.show import describe
from reference.teaching.strip import WIDTH

from .figures import kl_axis, seeds_in_words
from .recorded import Curve, Point, at_kl, mean_curve, peak, point
from .steering import Seeds

GREY = "#9aa0a6"
HALO = [withStroke(linewidth=3, foreground=PAPER)]  # of words that a line may run through
LOOKS = (
    (BLUE, "-", "o"),
    (ORANGE, "--", "s"),
    (GREEN, "-.", "^"),
    (PURPLE, ":", "D"),
    (RED, "-", "v"),
    (SKY, "--", "P"),
)
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
        name_ends(ax, places, {name: look[0] for name, (look, _) in ends.items()})
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


def name_ends(ax: Axes, places: Mapping[str, tuple[float, float]], colours: Mapping[str, str]) -> None:
    """Names on the right of the plot, in the order of the marks' heights, each with a stroke to its mark."""
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    names = sorted(places, key=lambda name: places[name][1])
    heights = [places[name][1] for name in names]
    step = 0.062 * (high - low)
    apart(heights, step)
    heights = [height - max(0.0, heights[-1] - high) for height in heights] if heights else []
    edge = right + 0.05 * (right - left)
    for name, height in zip(names, heights, strict=True):
        ax.annotate(name, places[name], xytext=(edge, height), va="center", fontsize=11, color=INK, annotation_clip=False,
                    arrowprops={"arrowstyle": "-", "color": colours[name], "linewidth": 0.8, "shrinkB": 4})  # fmt: skip
    ax.set(xlim=(left, right + 0.62 * (right - left)), ylim=(low, high))
    ax.spines["bottom"].set_bounds(left, right)
    ax.set_xticks([tick for tick in ax.get_xticks() if left <= tick <= right])


def figure_terms(plain: Seeds, steered: Mapping[str, Mapping[str, Seeds]], *, up_to: float = 9.0) -> Figure:
    """Gold against the KL, a panel for each term: its runs over the grey ones without a term.

    ``steered``: term -> its coefficient in words -> seed -> curve. Each line is the mean over the seeds, with a mark where
    it ends, and its name is at the mark. ``up_to``: the last KL shown, in nats.
    """
    said = []
    with style():
        lines = (len(steered) + 1) // 2
        figure = Figure(figsize=(WIDTH, 0.5 + 2.15 * lines), layout="constrained")
        axes = figure.subplots(lines, 2, sharex=True, sharey=True, squeeze=False)
        for ax, (term, by_coef) in zip(axes.flat, steered.items(), strict=False):
            ax.set_title(term, fontsize=12)
            draw_plain(ax, plain, "gold", up_to)
            said += [f"{term} {coef}: {words}" for coef, words in draw_coefs(ax, by_coef, up_to).items()]
        for ax in axes.flat[len(steered) :]:
            ax.set_visible(False)
        for ax in axes[-1]:
            kl_axis(ax, up_to)
        if len(steered) % 2 and lines > 1:  # the panel above the free place has the axis that would stand below
            axes[-2, 1].xaxis.set_tick_params(labelbottom=True)
        axes[0, 0].set_ylim(0, 0.75)
        for ax in axes[:, 0]:
            ax.set_ylabel("gold")
        end = point(mean_curve(plain), -1)
        said.insert(0, f"Without a term, {seeds_in_words(plain)}: gold ends with {end.gold:.0%} at {end.kl:.1f} nats")
        return describe(figure, ". ".join(said))


def draw_plain(ax: Axes, plain: Seeds, name: str, up_to: float) -> None:
    for curve, width in [*((c, 0.7) for c in plain.values()), (mean_curve(plain), 3.0)]:
        draw_line(ax, curve, name, up_to, colour=GREY, width=width)


def draw_line(ax: Axes, curve: Curve, name: str, up_to: float, *, colour: str, width: float, line: str = "-") -> None:
    near = [i for i, kl in enumerate(curve.kl) if kl <= up_to]
    values = getattr(curve, name)
    ax.plot([curve.kl[i] ** 0.5 for i in near], [values[i] for i in near], line, color=colour, linewidth=width)


def draw_coefs(ax: Axes, by_coef: Mapping[str, Seeds], up_to: float) -> dict[str, str]:
    """A line for each coefficient, its name at its end; the ends in words."""
    said, beyond = {}, []
    for (coef, curves), (colour, line, marker) in zip(by_coef.items(), LOOKS, strict=False):
        mean = mean_curve(curves)
        end = point(mean, -1)
        draw_line(ax, mean, "gold", up_to, colour=colour, width=1.8, line=line)
        if end.kl <= up_to:
            ax.plot([end.kl**0.5], [end.gold], marker, color=colour, markersize=8, markeredgecolor="white", zorder=4)
            ax.annotate(coef, (end.kl**0.5, end.gold), xytext=(7, 4), textcoords="offset points", color=INK, fontsize=11,
                        path_effects=HALO)  # fmt: skip
        else:
            name_beyond(
                ax, f"{coef}: on to {end.kl:.0f} nats".removeprefix(": "), len(beyond), colour=colour, line=line
            )
            beyond.append(coef)
        said[coef] = f"{seeds_in_words(curves)}, ends with gold {end.gold:.0%} at {end.kl:.1f} nats"
    return said


def name_beyond(ax: Axes, words: str, row: int, *, colour: str, line: str) -> None:
    """The name of a line that ends to the right of the plot, in the upper corner, where no line runs."""
    y = 0.93 - 0.13 * row
    ax.text(0.54, y, words, transform=ax.transAxes, va="center", color=INK, fontsize=11)
    ax.plot([0.43, 0.52], [y, y], line, color=colour, linewidth=1.8, transform=ax.transAxes)


def figure_steered(plain: Seeds, curves: Seeds, *, name: str, words: str = "", up_to: float = 9.0) -> Figure:
    """One kind of steered run over the grey ones without a term: proxy on the left and gold on the right, against the KL.

    ``name``: what the run is; ``words``: what else to say above the plot.
    """
    mean = mean_curve(curves)
    top, end, ways = peak(mean), point(mean, -1), ("proxy", "gold")
    with style():
        figure = Figure(figsize=(WIDTH, 4.1), layout="constrained")
        for ax, scalar in zip(figure.subplots(1, 2), ways, strict=True):
            draw_plain(ax, plain, scalar, up_to)
            for curve in curves.values():
                draw_line(ax, curve, scalar, up_to, colour=BLUE, width=0.8)
            draw_line(ax, mean, scalar, up_to, colour=BLUE, width=2.4)
            if end.kl <= up_to:
                ax.plot([end.kl**0.5], [getattr(end, scalar)], "o", color=BLUE, markersize=8, markeredgecolor="white")
            ax.set_title({"proxy": "proxy, gained", "gold": "gold, share right"}[scalar], fontsize=12)
            kl_axis(ax, up_to)
        figure.axes[1].set_ylim(0, 0.75)
        without = point(mean_curve(plain), -1)
        said = [
            f"{name}, {seeds_in_words(curves)}: ends with proxy {end.proxy:+.2f}, gold {end.gold:.0%}, {end.kl:.1f} nats, "
            f"{end.length:.0f} tokens",
            f"no term (grey): ends with proxy {without.proxy:+.2f}, gold {without.gold:.0%}, {without.kl:.1f} nats, "
            f"{without.length:.0f} tokens",
        ]
        figure.suptitle("\n".join([*([words] if words else []), *said]), fontsize=11, x=0.01, ha="left")
        best = f"the largest gold of {name} is {top.gold:.0%}, at step {top.step} and {top.kl:.2f} nats"
        return describe(figure, ". ".join([*([words.rstrip(".")] if words else []), *said, best]))


def mean_of(points: list[Point], name: str) -> float:
    return sum(getattr(p, name) for p in points) / len(points)


def count(points: list[Point]) -> str:
    return f"{len(points)} seed{'s' * (len(points) != 1)}"
