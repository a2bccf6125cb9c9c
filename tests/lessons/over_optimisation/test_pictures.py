"""The numbers in the pictures of over-optimisation, of curves made by hand; and the widgets over their whole range."""

import itertools

import pytest

from reference.evaluation.by_length import Bucket
from reference.lessons.over_optimisation import widgets
from reference.lessons.over_optimisation.figures import figure_best_of_n, figure_over_optimisation
from reference.lessons.over_optimisation.figures_forms import figure_forms
from reference.lessons.over_optimisation.figures_length import figure_by_length
from reference.lessons.over_optimisation.figures_steering import figure_steered, figure_terms
from reference.lessons.over_optimisation.figures_trade import figure_trade
from reference.lessons.over_optimisation.recorded import Curve, Point
from reference.lessons.over_optimisation.widgets import nearest, steered_picture
from reference.objectives.shapes import InputError
from reference.runs.best_of_n import BestOfN
from reference.teaching.show import description

KL = [0.0, 0.25, 0.5, 1.0, 1.5, 2.25, 4.0, 6.25, 9.0, 16.0]
GOLD = [0.4, 0.45, 0.5, 0.5, 0.5, 0.6, 0.5, 0.4, 0.3, 0.1]


def curve(*, more=0.0, kl=KL):
    """Gold is largest at the sixth step; the proxy rises by 0.1 at each."""
    steps = range(len(kl))
    return Curve(
        kl, [0.1 * i for i in steps], [g + more for g in GOLD[: len(kl)]], [30.0 + i for i in steps], [0.1] * len(kl)
    )


def rows(more=0.0):
    found = zip(
        (1, 2, 4, 8),
        (0.0, 0.19, 0.64, 1.2),
        (0.0, 0.18, 0.6, 1.1),
        (0.0, 0.4, 0.7, 0.9),
        (0.4, 0.5, 0.55, 0.5),
        strict=True,
    )
    return [BestOfN(n, bound, kl, 1.0 + proxy, gold + more, 30.0) for n, bound, kl, proxy, gold in found]


PLAIN = {0: curve(), 1: curve(more=0.02)}
SHORT = {0: curve(more=0.1, kl=KL[:6])}


def test_the_curve_tells_peak_and_end_of_both_ways():
    figure = figure_over_optimisation({4096: PLAIN, 512: SHORT}, {4096: {0: rows(), 1: rows(0.02)}})
    for words in (
        "pool of 4,096. RL, 2 seeds: gold is largest at step 6, 61% at 2.25 nats with a proxy of +0.50",
        "at step 10 it is 11% at 16.0 nats with a proxy of +0.90",
        "Best of n, 2 seeds: gold is largest for n = 4, 56% at 0.60 nats with a proxy of +0.70",
        "for n = 8 it is 51% at 1.10 nats",
        "pool of 512. RL, seed 0 alone: gold is largest at step 6, 70% at 2.25 nats",
    ):
        assert words in description(figure)
    assert len(figure.axes) == 4
    seeds = [line for line in figure.axes[1 + 1].lines if line.get_linewidth() < 1]
    assert len(seeds) == 4  # two of RL and two of best of n
    assert max(max(line.get_xdata()) for line in seeds) == 3.0  # the root of 9 nats, the last that is shown


def test_the_curve_without_best_of_n():
    assert "Best of n" not in description(figure_over_optimisation({4096: PLAIN}, {}))


def test_the_best_of_n_tells_both_distances():
    text = description(figure_best_of_n({4096: {0: rows()}, 512: {0: rows(), 1: rows(0.1)}}, n=4))
    assert "pool of 4,096, seed 0 alone: proxy +0.70, gold 55.0%, KL 0.60 nats, formula 0.64" in text
    assert "pool of 512, 2 seeds: proxy +0.70, gold 60.0%" in text


def test_the_forms_tell_their_peaks():
    """Gold along 0.5 + d (0.3 - 0.15 d): the peak of 65 % is at the distance 1, which is 1 nat."""
    chosen = [
        BestOfN(n, d * d, d * d, 0.0, 0.5 + d * (0.3 - 0.15 * d), 30.0)
        for n, d in ((1, 0.0), (2, 0.5), (4, 1.0), (8, 1.5))
    ]
    text = description(figure_forms({4096: PLAIN, 512: SHORT}, {4096: {0: chosen}}))
    assert "best of n: alpha 0.300, beta 0.150, its peak 65% at 1.00 nats, root mean square error 0.000" in text
    assert "pool of 512: RL: alpha" in text


def test_the_trade_tells_where_each_run_ends():
    stopped = {1: Point(5, 1.5, 0.4, 0.5, 34.0), 2: Point(5, 1.5, 0.4, 0.1, 34.0)}
    figure = figure_trade(PLAIN, {"SFT mix": {"0.3": SHORT}, "entropy": {"0.01": PLAIN}}, stopped=stopped)
    for words in (
        "Without a term, 2 seeds: gold is largest with 61% at a proxy of +0.50 and 2.25 nats, and ends with 11% at +0.90",
        "SFT mix 0.3, 1 seed: proxy +0.50, gold 70%, KL 2.2 nats",
        "entropy 0.01, 2 seeds: proxy +0.90, gold 11%, KL 16.0 nats",
        "stopped early, 1 seed: proxy +0.40, gold 50%",  # the seed 2 is not among the grey runs
    ):
        assert words in description(figure)
    names = {text.get_text(): text.xyann[1] for text in figure.axes[0].texts if " 0." in text.get_text()}
    assert names["SFT mix 0.3 (1 seed)"] > names["entropy 0.01"]


def test_names_of_runs_that_end_at_one_place_are_apart():
    terms = {f"term {i}": {"1": SHORT} for i in range(6)}
    (ax,) = figure_trade(PLAIN, terms).axes
    heights = sorted(text.xyann[1] for text in ax.texts if text.get_text().startswith("term"))
    low, high = ax.get_ylim()
    assert len(heights) == 6 and all(b - a > 0.05 * (high - low) for a, b in itertools.pairwise(heights))
    assert low < heights[0] and heights[-1] <= high


def test_the_terms_name_what_ends_in_the_plot_and_what_goes_on():
    figure = figure_terms(PLAIN, {"KL": {"0.1": PLAIN, "0.5": SHORT}, "SFT mix": {"0.3": SHORT}, "all": {"": PLAIN}})
    texts = [[text.get_text() for text in ax.texts] for ax in figure.axes]
    assert (
        texts[0] == ["0.1: on to 16 nats", "0.5 (1 seed)"]
        and texts[1] == ["0.3 (1 seed)"]
        and texts[2] == ["on to 16 nats"]
    )
    assert not figure.axes[3].get_visible()
    assert "KL 0.5: seed 0 alone, ends with gold 70% at 2.2 nats" in description(figure)
    assert "Without a term, 2 seeds: gold ends with 11% at 16.0 nats" in description(figure)


def test_a_steered_run_beside_those_without_a_term():
    text = description(figure_steered(PLAIN, SHORT, name="SFT mix 0.3", words="The nearest is 0.3."))
    assert text.startswith(
        "The nearest is 0.3. SFT mix 0.3, seed 0 alone: ends with proxy +0.50, gold 70%, 2.2 nats, 35 tokens"
    )
    assert "no term (grey): ends with proxy +0.90, gold 11%, 16.0 nats, 39 tokens" in text
    assert "the largest gold of SFT mix 0.3 is 70%, at step 6 and 2.25 nats" in text


BUCKETS = [Bucket(None, -5, 10, 0.1, 0.02, 0.4), Bucket(-5, 6, 0, None, 0.0, 1.0), Bucket(6, None, 20, 0.9, 0.7, 0.97)]


def test_accuracy_by_length_tells_shares_and_pairs():
    other = [bucket._replace(share=None if bucket.share is None else bucket.share - 0.1) for bucket in BUCKETS]
    figure = figure_by_length({"pool of 4,096": {0: BUCKETS, 2: other}, "pool of 512": {0: BUCKETS}})
    assert description(figure).endswith(  # nothing of the empty bucket
        "pool of 4,096, 2 seeds: -6 or less 5% of 10, +6 or more 85% of 20. "
        "pool of 512, 1 seed: -6 or less 10% of 10, +6 or more 90% of 20"
    )


def test_the_nearest_coefficient_is_that_of_the_nearest_ratio():
    assert nearest(0.2, ["0.1", "0.5"]) == "0.1"  # a half, and 0.4
    assert nearest(0.25, ["0.1", "0.5"]) == "0.5"
    assert nearest(5.0, ["0.1", "0.5"]) == "0.5"


@pytest.fixture
def some_runs(monkeypatch):
    steered = {"SFT mix": {"0.1": PLAIN, "0.3": SHORT}, "three reward models": {"worst": SHORT}}
    monkeypatch.setattr(widgets, "steered_curves", lambda groups=tuple(steered): {g: steered[g] for g in groups})
    monkeypatch.setattr(widgets, "plain_curves", lambda steered: PLAIN)


@pytest.mark.slow
def test_the_widget_shows_a_recorded_run_and_says_which(some_runs):
    asked = description(steered_picture(("SFT mix",), 0.2))
    assert asked.startswith("The coefficient 0.2 is not recorded. The nearest that is recorded is 0.3. SFT mix 0.3")
    assert description(steered_picture(("SFT mix",), 0.1)).startswith(
        "The coefficient 0.1 is recorded. SFT mix 0.1, 2 seeds"
    )
    assert description(steered_picture(("three reward models", "worst"), 0.1)).startswith("This one has no coefficient")


@pytest.mark.slow
def test_steer_and_best_of_redraw_over_their_whole_range(some_runs, monkeypatch, panel_of, pictures_at_the_ends):
    monkeypatch.setattr(widgets, "recorded_choices", lambda: {4096: {0: rows()}})
    monkeypatch.setattr(widgets, "COEFS", (0.1, 0.2))
    assert len(pictures_at_the_ends(panel_of(widgets.steer))) == 3  # of what has no coefficient there is one
    assert len(pictures_at_the_ends(panel_of(widgets.best_of))) == 4
    assert {"steer": widgets.steer, "best_of": widgets.best_of} == widgets.WIDGETS


def test_widgets_without_recorded_runs_say_how_to_make_some(monkeypatch):
    monkeypatch.setattr(widgets, "steered_curves", dict)
    monkeypatch.setattr(widgets, "recorded_choices", dict)
    with pytest.raises(InputError, match="no steered run is recorded: python -m reference record steer-"):
        widgets.steer()
    with pytest.raises(InputError, match="no best of n is recorded: python -m reference best-of-n RUN --out FILE"):
        widgets.best_of()
