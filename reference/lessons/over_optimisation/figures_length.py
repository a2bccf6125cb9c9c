"""What a reward model has learned: how often it gets a pair right, by how much longer the right completion is."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reference.evaluation.by_length import Bucket
from reference.evaluation.statistics import wilson_interval
from reference.style import BLUE, FAINT, GREEN, INK, MUTED, ORANGE, style
from reference.teaching.show import describe
from reference.teaching.strip import WIDTH

LOOKS = ((BLUE, "o"), (ORANGE, "s"), (GREEN, "^"))
Seeds = Mapping[int, Sequence[Bucket]]  # seed -> buckets


def figure_by_length(models: Mapping[str, Seeds]) -> Figure:
    """How often the right one of two completions gets the larger reward, by how much longer it is.

    ``models``: name -> seed -> buckets of ``accuracy_by_length``, all of the same pairs. A small mark for each seed and a
    large one for their mean, with the 95 % interval of that share among so many pairs. A bucket without pairs has no mark.
    """
    edges = next(iter(next(iter(models.values())).values()))
    said = []
    with style():
        figure = Figure(figsize=(WIDTH, 3.8), layout="constrained")
        ax = figure.subplots()
        for place in range(len(edges)):
            ax.axvline(place + 0.5, color=FAINT, linewidth=1, zorder=0)
        for i, ((name, seeds), (colour, marker)) in enumerate(zip(models.items(), LOOKS, strict=False)):
            dx = 0.2 * (i - (len(models) - 1) / 2)
            shares = [
                draw_bucket(ax, same, place + dx, colour, marker) for place, same in enumerate(each_bucket(seeds))
            ]
            y = 0.95 - 0.09 * i
            ax.plot([0.03], [y], marker, color=colour, markersize=8, transform=ax.transAxes)
            ax.text(0.06, y, name, transform=ax.transAxes, va="center", color=INK, fontsize=11)
            words = [f"{where(edge)} {share}" for edge, share in zip(edges, shares, strict=True) if share]
            said.append(f"{name}, {len(seeds)} seed{'s' * (len(seeds) != 1)}: {', '.join(words)}")
        ax.axhline(0.5, color=MUTED, linewidth=1, linestyle="--", zorder=0)
        ax.set_xticks(range(len(edges)), [where(edge) for edge in edges])
        ax.set(ylim=(-0.03, 1.05), xlabel="the right one is longer by, tokens", ylabel="pairs won by the right one")
        return describe(figure, f"Share of pairs in which the right one gets the larger reward. {'. '.join(said)}")


def each_bucket(seeds: Seeds) -> list[tuple[Bucket, ...]]:
    """The same bucket of all seeds, bucket by bucket."""
    return list(zip(*seeds.values(), strict=True))


def draw_bucket(ax: Axes, same: Sequence[Bucket], x: float, colour: str, marker: str) -> str:
    """Marks and interval of one bucket; returned is the share in words, empty where there are no pairs."""
    shares = [bucket.share for bucket in same if bucket.share is not None]
    if not shares:
        return ""
    mean, pairs = sum(shares) / len(shares), same[0].pairs
    ax.plot([x, x], wilson_interval(mean, pairs), color=colour, linewidth=1.8)
    if len(shares) > 1:
        ax.plot([x + 0.06] * len(shares), shares, marker, color=colour, markersize=4, alpha=0.5, markeredgewidth=0)
    ax.plot([x], [mean], marker, color=colour, markersize=8, markeredgecolor="white")
    return f"{mean:.0%} of {pairs}"


def where(bucket: Bucket) -> str:
    """The edges of a bucket in tokens, both included."""
    if bucket.below is None:
        return f"{bucket.least:+d} or more"
    return f"{bucket.below - 1:+d} or less" if bucket.least is None else f"{bucket.least:+d} to {bucket.below - 1:+d}"
