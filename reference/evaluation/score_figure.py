"""The picture of ``score``: a row for each extractor, the score with its interval, one mark for each file."""

import os
from collections.abc import Sequence

from matplotlib.figure import Figure

from reference.evaluation.printable import printable
from reference.evaluation.scores import Scores
from reference.style import BLUE, FAINT, INK, ORANGE, describe, style

MARKS = (("o", BLUE), ("s", ORANGE))


def figure_scores(files: Sequence[Scores]) -> Figure:
    """Scores of one file, or of two, under every extractor, with 95 % intervals. Large type: it is read at half width."""
    names, readings = files[0].extractors, []
    with style():
        figure = Figure(figsize=(6.4, 1.7 + 0.42 * len(names) * len(files)), layout="constrained")
        ax = figure.subplots()
        for place, (scores, (mark, colour)) in enumerate(zip(files, MARKS, strict=False)):
            label = (
                "the standard input"
                if scores.reading.path == "-"
                else printable(os.path.basename(scores.reading.path), 40)
            )
            for row, name in enumerate(names):
                rate, (low, high) = scores.rate(name), scores.interval(name)
                y = row + (place - (len(files) - 1) / 2) * 0.42
                ax.plot([100 * low, 100 * high], [y, y], color=colour, linewidth=2, solid_capstyle="butt")
                ax.plot(
                    [100 * rate], [y], mark, color=colour, markersize=9, clip_on=False, label=label if not row else None
                )
                ax.annotate(f"{100 * rate:.1f}", (100 * high, y), xytext=(6, 0), textcoords="offset points",
                            va="center", fontsize=13, color=INK)  # fmt: skip
                readings.append(f"{label} {name} {100 * rate:.1f} % [{100 * low:.1f}, {100 * high:.1f}]")
        ax.set_yticks(range(len(names)), names, fontsize=13)
        ax.set_ylim(len(names) - 0.5, -0.5)  # the first extractor on top
        ax.set_xlim(0, 112)
        ax.set_xticks(range(0, 101, 20))
        ax.grid(axis="x", color=FAINT)
        ax.set_axisbelow(True)
        ax.tick_params(axis="x", labelsize=13)
        ax.set_xlabel(f"score (%), 95 % interval, {len(files[0].samples)} problems", fontsize=13)
        if len(files) > 1:
            figure.legend(loc="outside upper left", ncols=2, frameon=False, fontsize=13)
        return describe(figure, "Score by extractor: " + "; ".join(readings))
