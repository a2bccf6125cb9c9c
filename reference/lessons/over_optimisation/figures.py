"""The curve of over-optimisation: proxy and gold against the distance from the base model, by RL and by best of n."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reference.runs.best_of_n import BestOfN
from reference.style import BLUE, INK, MUTED, ORANGE, style
from reference.teaching.show import describe
from reference.teaching.strip import WIDTH

from .recorded import Curve, mean_curve, mean_rows, peak, point

RL, BEST = (BLUE, "-", "o"), (ORANGE, "--", "s")
NATS = (0, 0.25, 1, 2, 4, 9, 16, 25)  # where the axis of the KL may have a tick
Chosen = Mapping[int, Sequence[BestOfN]]  # seed -> rows of best of n


def figure_over_optimisation(
    runs: Mapping[int, Mapping[int, Curve]], chosen: Mapping[int, Chosen], *, up_to: float = 9.0
) -> Figure:
    """Proxy above and gold below against the KL, a column for each size of the preference data.

    ``runs``: comparisons -> seed -> curve; ``chosen``: comparisons -> seed -> best of n, where it is recorded. Seeds are
    thin, their mean is thick, and a mark is at the peak of the mean gold. ``up_to``: the last KL shown, in nats.
    """
    said = []
    with style():
        figure = Figure(figsize=(WIDTH, 5.6), layout="constrained")
        axes = figure.subplots(2, len(runs), sharex=True, sharey="row", squeeze=False)
        for place, (pool, curves) in enumerate(runs.items()):
            top, bottom = axes[:, place]
            top.set_title(f"pool of {pool:,}", fontsize=12)
            said.append(f"pool of {pool:,}. {draw_rl(top, bottom, curves, up_to)}")
            if rows := chosen.get(pool):
                said.append(draw_best(top, bottom, rows))
            kl_axis(bottom, up_to)
        for ax, words in zip(axes[:, 0], ("proxy, gained", "gold, share right"), strict=True):
            ax.set_ylabel(words)
        for ax in axes[1]:
            ax.set_ylim(0, 0.72)
        legend(axes[0, 0], best=any(chosen.values()))
        return describe(figure, " ".join(said))


def draw_rl(top: Axes, bottom: Axes, curves: Mapping[int, Curve], up_to: float) -> str:
    """Every seed and the mean, and the peak of the mean; returned in words."""
    colour, line, _ = RL
    for curve, width in [*((c, 0.8) for c in curves.values()), (mean_curve(curves), 2.4)]:
        near = [i for i, kl in enumerate(curve.kl) if kl <= up_to]
        x = [curve.kl[i] ** 0.5 for i in near]
        for ax, values in ((top, curve.proxy), (bottom, curve.gold)):
            ax.plot(x, [values[i] for i in near], line, color=colour, linewidth=width, alpha=0.5 if width < 1 else 1)
    top_point, end = peak(mean_curve(curves)), point(mean_curve(curves), -1)
    mark_peak(bottom, top_point.kl, top_point.gold, RL, "RL", line=0)
    return (
        f"RL, {seeds_in_words(curves)}: gold is largest at step {top_point.step}, {top_point.gold:.0%} at {top_point.kl:.2f} nats "
        f"with a proxy of {top_point.proxy:+.2f}; at step {end.step} it is {end.gold:.0%} at {end.kl:.1f} nats with a proxy of "
        f"{end.proxy:+.2f}."
    )


def draw_best(top: Axes, bottom: Axes, rows: Chosen) -> str:
    colour, line, _ = BEST
    for those, width in [*((r, 0.8) for r in rows.values()), (mean_rows(rows), 2.4)]:
        x = [max(0.0, row.kl) ** 0.5 for row in those]
        alpha = 0.5 if width < 1 else 1
        origin = those[0].proxy
        top.plot(x, [row.proxy - origin for row in those], line, color=colour, linewidth=width, alpha=alpha)
        bottom.plot(x, [row.gold for row in those], line, color=colour, linewidth=width, alpha=alpha)
    mean = mean_rows(rows)
    best, end = max(mean, key=lambda row: row.gold), mean[-1]
    mark_peak(bottom, best.kl, best.gold, BEST, "best of n", line=1)
    return (
        f"Best of n, {seeds_in_words(rows)}: gold is largest for n = {best.n}, {best.gold:.0%} at {best.kl:.2f} nats with a "
        f"proxy of {best.proxy:+.2f}; for n = {end.n} it is {end.gold:.0%} at {end.kl:.2f} nats with a proxy of {end.proxy:+.2f}."
    )


def mark_peak(ax: Axes, kl: float, gold: float, look: tuple[str, str, str], way: str, *, line: int) -> None:
    """A mark on the curve, and its words on a line of their own under the curves, where they never meet others."""
    colour, _, marker = look
    ax.plot([kl**0.5], [gold], marker, color=colour, markersize=9, markeredgecolor="white", zorder=4)
    y = 0.06 + 0.1 * line
    ax.plot([0.05], [y], marker, color=colour, markersize=7, transform=ax.transAxes)
    ax.text(0.1, y, f"{way}: {gold:.0%} at {kl:.2g} nats", transform=ax.transAxes, va="center", color=INK, fontsize=11)


def kl_axis(ax: Axes, up_to: float) -> None:
    """The axis is the root of the KL, and its ticks say the KL itself."""
    nats = [kl for kl in NATS if kl <= up_to]
    ax.set_xticks([kl**0.5 for kl in nats], [f"{kl:g}" for kl in nats])
    ax.set_xlim(-0.02 * up_to**0.5, 1.03 * up_to**0.5)
    ax.set_xlabel("KL to the base, nats (root scale)")


def legend(ax: Axes, *, best: bool) -> None:
    """Names of the two ways, drawn where no line runs."""
    ways = [("RL", RL), ("best of n", BEST)][: 1 + best]
    for i, (name, (colour, line, marker)) in enumerate(ways):
        y = 0.07 + 0.13 * i
        ax.plot([0.62, 0.72], [y, y], line, color=colour, marker=marker, markevery=[1], transform=ax.transAxes)
        ax.text(0.75, y, name, transform=ax.transAxes, va="center", color=INK, fontsize=11)


def seeds_in_words(those: Mapping[int, object]) -> str:
    return f"{len(those)} seeds" if len(those) > 1 else f"seed {next(iter(those))} alone"


def figure_best_of_n(rows: Mapping[int, Chosen], *, n: int) -> Figure:
    """What the best of n is: proxy on the left and gold on the right against n, with n marked.

    ``rows``: comparisons -> seed -> best of n. The words above have proxy and gold at n, and both distances: the KL that was
    measured, and the formula log n - (n - 1) / n.
    """
    said = []
    with style():
        figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
        panels = figure.subplots(1, 2)
        for (pool, those), (colour, line, marker) in zip(rows.items(), (RL, BEST), strict=False):
            mean = mean_rows(those)
            at = next(row for row in mean if row.n == n)
            for ax, name in zip(panels, ("proxy", "gold"), strict=True):
                ax.plot([row.n for row in mean], [getattr(row, name) for row in mean], line, color=colour)
                ax.plot([n], [getattr(at, name)], marker, color=colour, markersize=9, markeredgecolor="white", zorder=4)
            said.append(
                f"pool of {pool:,}, {seeds_in_words(those)}: proxy {at.proxy:+.2f}, gold {at.gold:.1%}, "
                f"KL {at.kl:.2f} nats, formula {at.kl_bound:.2f}"
            )
        for ax, title in zip(panels, ("proxy, gained", "gold, share right"), strict=True):
            ax.axvline(n, color=MUTED, linewidth=1, zorder=0)
            n_axis(ax, [row.n for row in mean])
            ax.set_title(title, fontsize=12)
        for i, (pool, (colour, line, _)) in enumerate(zip(rows, (RL, BEST), strict=False)):
            panels[0].plot([0.4, 0.5], [0.16 - 0.09 * i] * 2, line, color=colour, transform=panels[0].transAxes)
            panels[0].text(0.53, 0.16 - 0.09 * i, f"pool of {pool:,}", transform=panels[0].transAxes, va="center",
                           color=INK, fontsize=11)  # fmt: skip
        figure.suptitle(f"The best of {n}\n" + "\n".join(said), fontsize=10.5, x=0.01, ha="left")
        return describe(figure, f"The best of {n} by the proxy. {'. '.join(said)}")


def n_axis(ax: Axes, ns: Sequence[int]) -> None:
    ax.set_xscale("log", base=2)
    ax.set_xticks(ns, [str(k) for k in ns])
    ax.minorticks_off()
    ax.set_xlabel("n (log scale)")
