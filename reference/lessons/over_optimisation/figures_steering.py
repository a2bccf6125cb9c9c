"""Steered runs beside those without a term: gold against the proxy, and against the KL."""

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from reference.style import BLUE, GREEN, INK, ORANGE, PAPER, PURPLE, RED, SKY, style
from reference.teaching.show import describe
from reference.teaching.strip import WIDTH

from .figures import kl_axis, seeds_in_words
from .recorded import Curve, mean_curve, peak, point
from .steering import Seeds

GREY = "#8c9298"
HALO = [withStroke(linewidth=3, foreground=PAPER)]  # of words that a line may run through
LOOKS = (
    (BLUE, "-", "o"),
    (ORANGE, "--", "s"),
    (GREEN, "-.", "^"),
    (PURPLE, ":", "D"),
    (RED, "-", "v"),
    (SKY, "--", "p"),
    (INK, "-.", "*"),
)


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
            said += [
                f"{term} {coef}".strip() + f": {words}" for coef, words in draw_coefs(ax, by_coef, plain, up_to).items()
            ]
        for ax in axes.flat[len(steered) :]:
            ax.set_visible(False)
        for ax in axes[-1]:
            kl_axis(ax, up_to)
        if len(steered) % 2 and lines > 1:  # the panel above the free place has the axis that would stand below
            axes[-2, 1].xaxis.set_tick_params(labelbottom=True)
        axes[0, 0].set_ylim(0, 0.8)
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


def draw_coefs(ax: Axes, by_coef: Mapping[str, Seeds], plain: Seeds, up_to: float) -> dict[str, str]:
    """A line for each coefficient, its name at its end; the ends in words."""
    said, beyond = {}, []
    for (coef, curves), (colour, line, marker) in zip(by_coef.items(), LOOKS, strict=False):
        mean = mean_curve(curves)
        end, words = point(mean, -1), (coef + fewer(len(curves), plain)).strip()
        draw_line(ax, mean, "gold", up_to, colour=colour, width=1.8, line=line)
        if end.kl <= up_to:
            ax.plot([end.kl**0.5], [end.gold], marker, color=colour, markersize=8, markeredgecolor="white", zorder=4)
            ax.annotate(words, (end.kl**0.5, end.gold), xytext=(7, 4), textcoords="offset points", color=INK, fontsize=11,
                        path_effects=HALO)  # fmt: skip
        else:
            name_beyond(
                ax, f"{words}: on to {end.kl:.0f} nats".removeprefix(": "), len(beyond), colour=colour, line=line
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
        figure.axes[1].set_ylim(0, 0.8)
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


def fewer(seeds: int, plain: Seeds) -> str:
    """What a name says of a kind with fewer seeds than the grey runs have."""
    return "" if seeds >= len(plain) else f" ({seeds} seed{'s' * (seeds != 1)})"
