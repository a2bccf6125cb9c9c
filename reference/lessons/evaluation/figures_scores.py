"""Pictures of scores with intervals: what moves a score, who is ahead, and how many problems tell two models apart."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from reference.style import BLUE, FAINT, GREEN, INK, MUTED, ORANGE, PURPLE, RED, style
from reference.teaching.labels import label_ends
from reference.teaching.show import describe
from reference.teaching.strip import WIDTH

from .estimates import Estimate as Estimate
from .estimates import draw_estimate, in_words, keep_clear, name_right_of, room_for_labels
from .separation import half_width, problems_needed, spread_paired, spread_unpaired

LINES = ((BLUE, "-", "o"), (ORANGE, "--", "s"), (GREEN, "-.", "^"), (PURPLE, ":", "D"), (RED, "-", "v"))


def figure_swings(rows: Mapping[str, Mapping[str, Estimate]], *, baseline: float | None = None) -> Figure:
    """How far each variable of the protocol moves the score of one model.

    ``rows``: variable -> setting -> its score with the ends of its interval. ``baseline``: the score of the protocol in which
    all variables have their usual setting, a dashed line. A name that it would run through stands on the left.
    """
    with style():
        lines = sum(map(len, rows.values()))
        figure = Figure(figsize=(WIDTH, 0.9 + 0.3 * lines + 0.12 * len(rows)), layout="constrained")
        ax = figure.subplots()
        y, middles, names, said = 0.0, [], [], []
        for (variable, settings), (colour, _, marker) in zip(rows.items(), LINES, strict=False):
            places = [y + i for i in range(len(settings))]
            middles.append(sum(places) / len(places))
            for place, (setting, estimate) in zip(places, settings.items(), strict=True):
                draw_estimate(ax, estimate, place, colour=colour, marker=marker)
                names.append((name_right_of(ax, estimate, place, f"{setting}  {estimate[0]:.2f}"), estimate))
            y = places[-1] + 1.4
            ax.axhline(y - 0.7, color=FAINT, linewidth=1)
            scores = [score for score, _, _ in settings.values()]
            said.append(f"{variable} {max(scores) - min(scores):.2f} ({in_words(settings)})")
        ax.set_yticks(middles, list(rows))
        ax.set_ylim(y - 0.7, -0.7)
        room_for_labels(ax, [e for settings in rows.values() for e in settings.values()])
        ax.set_xlabel("score, with its 95 % interval")
        if baseline is not None:
            ax.axvline(baseline, color=MUTED, linewidth=1, linestyle="--", zorder=0)
            keep_clear(figure, baseline, names)
        return describe(figure, f"How far each variable moves the score: {'; '.join(said)}")


def figure_ranks(rows: Mapping[str, Mapping[str, Estimate]]) -> Figure:
    """Two models under several protocols, with intervals, and which of the two is ahead: its name has the difference.

    ``rows``: protocol -> model -> its score with the ends of its interval.
    """
    first, second = next(iter(rows.values()))
    with style():
        figure = Figure(figsize=(WIDTH, 0.9 + 0.62 * len(rows)), layout="constrained")
        ax = figure.subplots()
        said = []
        for place, (protocol, models) in enumerate(rows.items()):
            beside = [words_beside(models, *pair, named=place == 0) for pair in ((first, second), (second, first))]
            for name, words, dy, (colour, _, mark) in zip((first, second), beside, (-0.17, 0.17), LINES, strict=False):
                draw_estimate(ax, models[name], place + dy, colour=colour, marker=mark)
                name_right_of(ax, models[name], place + dy, words)
            ax.axhline(place + 0.5, color=FAINT, linewidth=1)
            gap = models[first][0] - models[second][0]
            said.append(f"{protocol}: {in_words(models)}, {beside[gap < 0] if gap else 'level'}")
        ax.set_yticks(range(len(rows)), list(rows))
        ax.set_ylim(len(rows) - 0.5, -0.6)
        room_for_labels(ax, [e for models in rows.values() for e in models.values()])
        ax.set_xlabel("score, with its 95 % interval")
        return describe(figure, ". ".join(said))


def words_beside(models: Mapping[str, Estimate], name: str, other: str, *, named: bool) -> str:
    """What stands at the mark of a model: by how much it is ahead. The name of one that is behind only if ``named``."""
    gap = models[name][0] - models[other][0]
    if gap > 0:
        return f"{name} +{gap:.2f}"
    return f"{name}, level" if gap == 0 else name if named else ""


def figure_samples(
    curves: Mapping[str, Mapping[int, Estimate]], *, baseline: tuple[str, float] | None = None
) -> Figure:
    """Scores against the number of samples per problem, such as pass@k, majority and mean, with a band for the interval.

    ``curves``: name -> number of samples -> its score with the ends of its interval. A curve that is constant has no marks.
    ``baseline``: name and score of a dashed line to compare with.
    """
    with style():
        figure = Figure(figsize=(WIDTH, 3.7), layout="constrained")
        ax = figure.subplots()
        ends, colours, said = {}, {}, []
        for (name, points), (colour, line, marker) in zip(curves.items(), LINES, strict=False):
            ks, estimates = list(points), list(points.values())
            scores, low, high = zip(*estimates, strict=True)
            if len(scores) > 1 and len(set(scores)) == 1:
                line, marker = "-", ""  # nothing depends on the number of samples
            ax.plot(ks, scores, line, color=colour, marker=marker, markersize=5)
            ax.fill_between(ks, low, high, color=colour, alpha=0.13, linewidth=0)
            ends[name], colours[name] = scores[-1], colour
            said.append(f"{name} " + ", ".join(f"{score:.2f} with {k}" for k, score in zip(ks, scores, strict=True)))
        last = max(k for points in curves.values() for k in points)
        if baseline is not None:
            name = f"{baseline[0]}: {baseline[1]:.2f}"
            ax.hlines(baseline[1], 0.9, last, color=INK, linewidth=1, linestyle="--", zorder=0)
            ends[name], colours[name] = baseline[1], INK
            said.append(f"dashed line, {name}")
        ax.set_xscale("log", base=2)
        ticks = sorted({k for points in curves.values() for k in points})
        ax.set_xticks(ticks, [str(k) for k in ticks])
        ax.minorticks_off()
        ax.set_ylim(*ax.get_ylim())
        label_ends(ax, ends, colours)
        ax.set_xlim(0.9, 1.9 * last)
        ax.spines["bottom"].set_bounds(0.9, last)
        ax.set(xlabel="samples per problem (log scale)", ylabel="score")
        return describe(figure, f"Score against samples per problem: {'; '.join(said)}")


def figure_separation(
    ns: Sequence[int], *, scores: tuple[float, float] = (0.88, 0.90), disagree: Sequence[float] = (0.06,)
) -> Figure:
    """Half-width of the 95 % interval of a difference against the number of problems, for two models of these scores.

    One sample per problem. ``disagree``: for each line of the paired comparison, the share of problems on which exactly one
    of the two models is right. Where a line crosses the difference of the scores, the interval just leaves out 0.
    """
    difference = abs(scores[1] - scores[0])
    spreads = {"not paired": spread_unpaired(*scores)}
    spreads |= {f"paired, {100 * d:g} % differ": spread_paired(*scores, disagree=d) for d in disagree}
    with style():
        figure = Figure(figsize=(WIDTH, 3.9), layout="constrained")
        ax = figure.subplots()
        ax.set_xscale("log")
        ends, colours, said = {}, {}, []
        for (name, spread), (colour, line, marker) in zip(spreads.items(), LINES, strict=False):
            points = [100 * half_width(spread, n) for n in ns]
            ax.plot(ns, points, line, color=colour)
            needed = problems_needed(spread, difference)
            ax.plot(needed, 100 * difference, marker, color=colour, markersize=8, markeredgecolor="white")
            ends[f"{name}: {needed:,}"], colours[f"{name}: {needed:,}"] = points[-1], colour
            said.append(
                f"{name}: {needed:,} problems; {', '.join(f'{w:.1f} for {n}' for n, w in zip(ns, points, strict=True))}"
            )
        ax.hlines(100 * difference, 0.9 * min(ns), max(ns), color=INK, linewidth=1, linestyle="--", zorder=0)
        ax.set_ylim(0, 1.05 * max(100 * half_width(spread, min(ns)) for spread in spreads.values()))
        ax.set_xticks(ns, [f"{n:,}" for n in ns])
        ax.minorticks_off()
        label_ends(ax, ends, colours)
        ax.set_xlim(0.9 * min(ns), 6 * max(ns))
        ax.spines["bottom"].set_bounds(0.9 * min(ns), max(ns))
        ax.set(xlabel="problems (log scale)", ylabel="half-width, points")
        ax.set_title(f"{100 * scores[0]:g} % and {100 * scores[1]:g} %: how many problems tell them apart")
        return describe(
            figure, f"Half-width of the difference in points, scores {scores[0]:g} and {scores[1]:g}. {'. '.join(said)}"
        )
