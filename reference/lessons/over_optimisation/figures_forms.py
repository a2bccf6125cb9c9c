"""Gold against the distance, with the forms of Gao et al. (2210.10760, eq. 1) laid through it."""

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reference.style import INK, PAPER, style
from reference.teaching.show import describe
from reference.teaching.strip import WIDTH

from .figures import BEST, RL, Chosen, kl_axis
from .fits import Fit, fit
from .recorded import Curve, mean_curve, mean_rows


def figure_forms(
    runs: Mapping[int, Mapping[int, Curve]], chosen: Mapping[int, Chosen], *, up_to: float = 4.0
) -> Figure:
    """Mean gold as marks and the fitted forms as lines, a panel for each size of the preference data.

    ``runs``: comparisons -> seed -> curve; ``chosen``: comparisons -> seed -> best of n. ``up_to``: nats; what lies further
    away is neither drawn nor fitted.
    """
    said = []
    with style():
        figure = Figure(figsize=(WIDTH, 4.0), layout="constrained")
        for ax, (pool, curves) in zip(
            figure.subplots(1, len(runs), sharey=True, squeeze=False)[0], runs.items(), strict=True
        ):
            mean = mean_curve(curves)
            words = [draw_form(ax, fit(mean.kl, mean.gold, form="RL", up_to=up_to), mean.kl, mean.gold, up_to, row=0)]
            if rows := chosen.get(pool):
                kl, gold = [max(0.0, r.kl) for r in mean_rows(rows)], [r.gold for r in mean_rows(rows)]
                words.append(draw_form(ax, fit(kl, gold, form="best of n", up_to=up_to), kl, gold, up_to, row=1))
            kl_axis(ax, up_to)
            ax.set_title(f"pool of {pool:,}", fontsize=12)
            said.append(f"pool of {pool:,}: {'; '.join(words)}")
        figure.axes[0].set(ylim=(0.1, 0.72), ylabel="gold, share right")
        return describe(figure, ". ".join(said))


def draw_form(ax: Axes, found: Fit, kl: list[float], gold: list[float], up_to: float, *, row: int) -> str:
    """Marks, the line of the form, its peak; returned in words."""
    colour, line, marker = RL if found.form == "RL" else BEST
    near = [i for i, x in enumerate(kl) if x <= up_to]
    ax.plot(
        [kl[i] ** 0.5 for i in near], [gold[i] for i in near], marker, color=colour, markersize=4, markerfacecolor=PAPER
    )
    end = max(kl[i] for i in near) ** 0.5
    places = [end * i / 60 for i in range(61)]
    ax.plot(places, [found(place) for place in places], line, color=colour)
    there = "has no peak" if found.peak is None else f"its peak {found(found.peak):.0%} at {found.peak**2:.2f} nats"
    y = 0.06 + 0.1 * row
    ax.plot([0.03, 0.1], [y, y], line, color=colour, transform=ax.transAxes)
    ax.text(0.13, y, f"{found.form}: {there}", transform=ax.transAxes, va="center", color=INK, fontsize=10.5)
    return f"{found.form}: alpha {found.alpha:.3f}, beta {found.beta:.3f}, {there}, root mean square error {found.error:.3f}"
