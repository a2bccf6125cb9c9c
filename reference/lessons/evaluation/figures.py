"""Pictures with controls: several ways of counting k samples, and what a detector of copies flags."""

from collections.abc import Collection, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reference.evaluation.contamination import ngram_overlap, ngrams, words
from reference.style import BLUE, FAINT, GREEN, INK, MUTED, ORANGE, PAPER, PURPLE, RED, style, words_in
from reference.teaching.labels import label_ends
from reference.teaching.show import describe
from reference.teaching.strip import WIDTH

from .examples import Text
from .expected import Votes, expected_majority, expected_pass, expected_power

WAYS = {"pass@k": (BLUE, "-"), "1-(1-c/n)^k": (ORANGE, "--"), "majority": (GREEN, "-.")}


def figure_pass_k(problems: Sequence[Votes], *, samples: int, k: int) -> Figure:
    """pass@k and a vote among k samples against k, as estimated from ``samples`` samples of each problem.

    ``problems``: the votes of each. What is drawn are expectations over every choice of samples, so no curve has noise.
    """
    ks = range(1, samples + 1)
    curves = {
        "pass@k": [expected_pass(problems, j) for j in ks],
        "1-(1-c/n)^k": [expected_power(problems, j, samples=samples) for j in ks],
        "majority": [expected_majority(problems, j) for j in ks],
    }
    with style():
        figure = Figure(figsize=(WIDTH, 3.7), layout="constrained")
        ax = figure.subplots()
        ax.set_ylim(0, 1.05)
        for name, values in curves.items():
            ax.plot(ks, values, WAYS[name][1], color=WAYS[name][0], marker="." if samples == 1 else None)
        ax.axvline(k, color=MUTED, linewidth=1, ymax=1 / 1.05)
        ends = {name: values[-1] for name, values in curves.items()}
        label_ends(ax, ends, {name: colour for name, (colour, _) in WAYS.items()})
        ax.set_xlim(0.5, 1.3 * samples + 0.5)
        ax.set_xticks(sorted({1, k, samples}))
        ax.spines["bottom"].set_bounds(0.5, samples)
        ax.set(xlabel="k", ylabel="score")
        at = ", ".join(f"{name} {values[k - 1]:.3f}" for name, values in curves.items())
        ax.set_title(f"{samples} samples per problem, k = {k}\n{at}", fontsize=12)
        said = "; ".join(f"{name} {values[0]:.3f} to {values[-1]:.3f}" for name, values in curves.items())
        return describe(
            figure,
            f"{len(problems)} problems, {samples} samples each. At k = {k}: {at}. From k = 1 to {samples}: {said}",
        )


TRUTHS = {"leaked": (RED, "o"), "paraphrased": (PURPLE, "D"), "clean": (BLUE, "s")}
READABLE = 16  # texts whose first words are written beside their marks
FIRST_WORDS = 34  # characters


def overlaps_with(texts: Sequence[Text], corpus: Collection[str], n: int) -> list[float]:
    """The shares that ``contaminated`` compares with its threshold: for a text of fewer than n words n is its length."""
    sizes = [min(n, max(1, len(words(t.text)))) for t in texts]
    seen = {size: {gram for document in corpus for gram in ngrams(document, size)} for size in set(sizes)}
    return [ngram_overlap(t.text, seen[size], n=size) for t, size in zip(texts, sizes, strict=True)]


def figure_detector(texts: Sequence[Text], corpus: Collection[str], *, n: int, threshold: float) -> Figure:
    """The share of n-grams of each text that stand in the corpus, and what a threshold flags: a full mark is flagged.

    Precision is the share of flagged texts that are in the corpus, word for word or in other words. Recall is the share of
    these texts that is flagged.
    """
    few = len(texts) <= READABLE
    pairs = list(zip(texts, overlaps_with(texts, corpus, n), strict=True))
    # by truth, and many texts by their share too; of few texts each keeps its line when n changes
    pairs.sort(key=lambda pair: (list(TRUTHS).index(pair[0].truth), 0.0 if few else -pair[1]))
    shown, shares = [text for text, _ in pairs], [share for _, share in pairs]
    flagged = [share >= threshold for share in shares]
    held = [t.truth != "clean" for t in shown]
    hits = sum(f and h for f, h in zip(flagged, held, strict=True))
    precision, recall = (f"{hits / whole:.2f}" if whole else "-" for whole in (sum(flagged), sum(held)))
    title = f"n = {n}, threshold {threshold:g}: precision {precision}, recall {recall}"
    with style():
        figure = Figure(figsize=(WIDTH, 1.2 + (0.29 * len(shown) if few else 3.2)), layout="constrained")
        ax = figure.subplots()
        for place, (text, share, flag) in enumerate(zip(shown, shares, flagged, strict=True)):
            colour, marker = TRUTHS[text.truth]
            ax.plot([0, share], [place, place], color=FAINT, linewidth=1, zorder=0)
            ax.plot(share, place, marker, color=colour, markerfacecolor=colour if flag else PAPER, clip_on=False,
                    markersize=7 if few else 4)  # fmt: skip
        ax.axvline(threshold, color=INK, linestyle="--", linewidth=1.2)
        ax.set(xlim=(0, 1.02), ylim=(len(shown) - 0.4, -0.6), xlabel="share of the n-grams that stand in the corpus")
        label_texts(ax, shown)
        figure.suptitle(
            f"{title}\nA full mark is flagged, an empty one is not.", fontsize=13, fontweight="bold", x=0.01, ha="left"
        )
        return describe(figure, f"{title}. {told(shown, flagged)}")


def label_texts(ax: Axes, shown: Sequence[Text]) -> None:
    """The first words of each text on the left, if there are few, and the truth in the middle of its texts on the right."""
    few = len(shown) <= READABLE
    ax.set_yticks(range(len(shown)) if few else [], [t.text[:FIRST_WORDS] + "…" for t in shown] if few else [])
    ax.tick_params(left=False)
    for truth, (colour, _) in TRUTHS.items():
        places = [place for place, t in enumerate(shown) if t.truth == truth]
        if places:
            ax.annotate(
                truth,
                (1.04, sum(places) / len(places)),
                color=words_in(colour),
                va="center",
                fontsize=11,
                annotation_clip=False,
            )


def told(shown: Sequence[Text], flagged: Sequence[bool]) -> str:
    """How many texts of each kind are flagged, and which, if there are few."""
    parts = []
    for truth in TRUTHS:
        kind = [(t, flag) for t, flag in zip(shown, flagged, strict=True) if t.truth == truth]
        names = [repr(t.text[:FIRST_WORDS] + "…") for t, flag in kind if flag]
        listed = f": {', '.join(names)}" if names and len(shown) <= READABLE else ""
        parts.append(f"flagged {len(names)} of {len(kind)} {truth}{listed}")
    return "; ".join(parts)
