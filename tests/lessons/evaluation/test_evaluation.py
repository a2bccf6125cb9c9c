"""The figures, the widgets and the numbers in the questions of the lesson on evaluation."""

import itertools
import math

import pytest

from reference.evaluation.contamination import contaminated, ngram_overlap, ngrams
from reference.evaluation.paired import mcnemar
from reference.evaluation.statistics import bootstrap_interval, majority_score, pass_at_k, wilson_interval
from reference.lessons.evaluation import widgets
from reference.lessons.evaluation.examples import CORPUS, PROBLEMS, TEXTS, Text
from reference.lessons.evaluation.expected import (
    Votes,
    expected_majority,
    expected_pass,
    expected_power,
    votes_of,
)
from reference.lessons.evaluation.experiments import PROTOCOLS
from reference.lessons.evaluation.figures import figure_detector, figure_pass_k, overlaps_with
from reference.lessons.evaluation.figures_scores import figure_ranks, figure_samples, figure_separation, figure_swings
from reference.lessons.evaluation.questions import QUESTIONS
from reference.lessons.evaluation.separation import half_width, problems_needed, spread_paired, spread_unpaired
from reference.objectives import InputError
from reference.teaching.show import description


def why(question: str) -> str:
    return " ".join(option.why for option in QUESTIONS[question].options)


def answers_of(votes: Votes) -> list[str | None]:
    wrong = [f"wrong {i}" for i, count in enumerate(votes.wrong) for _ in range(count)]
    return ["right"] * votes.right + wrong + [None] * votes.none


SMALL = [Votes(2, (3, 1), 1), Votes(3, (3, 2)), Votes(2, (2, 2, 1)), Votes(0, (2, 1), 2), Votes(4), Votes(1, (), 3)]


@pytest.mark.parametrize("votes", SMALL)
def test_expectations_are_means_over_all_choices(votes):
    answers = answers_of(votes)
    assert votes_of(answers, "right") == votes and votes.samples == len(answers)
    for k in range(1, len(answers) + 1):
        choices = list(itertools.combinations(answers, k))
        solved = sum("right" in choice for choice in choices) / len(choices)
        voted = sum(majority_score(choice, "right") for choice in choices) / len(choices)
        power = [1 - (1 - choice.count("right") / k) ** 3 for choice in choices]
        assert expected_pass([votes], k) == pytest.approx(solved, abs=1e-12)
        assert expected_majority([votes], k) == pytest.approx(voted, abs=1e-12)
        assert expected_power([votes], 3, samples=k) == pytest.approx(sum(power) / len(power), abs=1e-12)


def test_more_samples_than_there_are_cannot_be_chosen():
    with pytest.raises(InputError, match="samples is 9, and a problem has 7"):
        expected_power([Votes(2, (3, 1), 1)], 2, samples=9)


def test_the_biased_estimate_depends_on_the_number_of_samples_and_the_unbiased_one_does_not():
    four, sixteen = (description(figure_pass_k(PROBLEMS, samples=n, k=4)) for n in (4, 16))
    right = sum(pass_at_k(votes.right, 16, 4) for votes in PROBLEMS) / len(PROBLEMS)
    assert f"At k = 4: pass@k {right:.3f}, 1-(1-c/n)^k 0.632" in four
    assert f"At k = 4: pass@k {right:.3f}, 1-(1-c/n)^k 0.688" in sixteen
    assert "majority 0.438 to 0.556" in sixteen  # a wrong favourite keeps the vote below pass@k
    assert {votes.samples for votes in PROBLEMS} == {16}


def test_one_sample_is_one_point():
    assert "From k = 1 to 1: pass@k 0.438 to 0.438" in description(figure_pass_k(PROBLEMS, samples=1, k=1))


def test_the_detector_finds_what_was_copied_and_nothing_that_was_said_in_other_words():
    assert len({t.text[:30] for t in TEXTS}) == len(TEXTS) > 10
    figure = figure_detector(TEXTS, CORPUS, n=8, threshold=0.5)
    assert figure.get_suptitle().endswith("recall 0.57\nA full mark is flagged, an empty one is not.")
    text = description(figure)
    assert text.startswith("n = 8, threshold 0.5: precision 1.00, recall 0.57. flagged 4 of 4 leaked: 'A farmer")
    assert text.endswith("flagged 0 of 3 paraphrased; flagged 0 of 5 clean")  # 4 of 7 that the corpus holds
    eager = description(figure_detector(TEXTS, CORPUS, n=1, threshold=0.5))
    assert "flagged 4 of 4 leaked" in eager and "flagged 4 of 5 clean" in eager  # single words are everywhere
    for n in (1, 3, 8, 13):
        shares = overlaps_with(TEXTS, CORPUS, n)
        assert [share >= 0.5 for share in shares] == [contaminated(t.text, CORPUS, n=n) for t in TEXTS]


def test_of_many_texts_the_numbers_are_told_and_no_words():
    many = [Text(f"a b {i}", "clean") for i in range(20)] + [Text("x y z", "leaked")]
    text = description(figure_detector(many, ["x y z"], n=3, threshold=1.0))
    assert text == "n = 3, threshold 1: precision 1.00, recall 1.00. flagged 1 of 1 leaked; flagged 0 of 0 paraphrased; " \
        "flagged 0 of 20 clean"  # fmt: skip
    assert "precision -, recall 0.00" in description(figure_detector(many, ["q"], n=3, threshold=1.0))


ROWS = {
    "prompt": {"chat": (0.86, 0.81, 0.9), "bare": (0.61, 0.54, 0.67)},
    "decoding": {"greedy": (0.9, 0.85, 0.93), "1.0": (0.86, 0.81, 0.9)},
    "budget": {"32 tokens": (0.44, 0.37, 0.51), "128 tokens": (0.86, 0.81, 0.9)},
    "extractor": {"stated": (0.86, 0.81, 0.9)},
    "counted": {"mean": (0.86, 0.81, 0.9), "pass@8": (0.97, 0.94, 0.99)},
}


def test_the_swing_of_a_variable_is_from_its_lowest_to_its_highest_score():
    figure = figure_swings(ROWS, baseline=0.86)
    text = description(figure)
    assert "prompt 0.25 (chat 0.86 from 0.81 to 0.90, bare 0.61 from 0.54 to 0.67); decoding 0.04 (" in text
    assert "budget 0.42 (" in text and "extractor 0.00 (" in text and "counted 0.11 (" in text
    labels = [note.get_text() for note in figure.axes[0].texts]
    assert labels[:2] == ["chat  0.86", "bare  0.61"] and len(labels) == 9  # each setting is named beside its interval


def test_it_is_said_who_is_ahead_under_each_protocol():
    rows = {
        "long": {"A": (0.86, 0.8, 0.9), "B": (0.81, 0.75, 0.86)},
        "short": {"A": (0.6, 0.5, 0.7), "B": (0.7, 0.6, 0.8)},
        "greedy": {"A": (0.9, 0.8, 0.95), "B": (0.9, 0.8, 0.95)},
    }
    figure = figure_ranks(rows)
    # the first row names both models, the others the one that is ahead, beside its own mark
    marks = [(note.get_text(), note.xy[0]) for note in figure.axes[0].texts]
    assert marks[:4] == [("A +0.05", 0.9), ("B", 0.86), ("", 0.7), ("B +0.10", 0.8)]
    assert marks[4:] == [("A, level", 0.95), ("B, level", 0.95)]
    text = description(figure)
    assert "long: A 0.86 from 0.80 to 0.90, B 0.81 from 0.75 to 0.86, A +0.05. short: " in text
    assert "B 0.70 from 0.60 to 0.80, B +0.10. greedy: " in text and text.endswith("B 0.90 from 0.80 to 0.95, level")


def test_no_name_hides_the_dashed_line():
    rows = {"prompt": {"chat": (0.86, 0.81, 0.9), "a space": (0.64, 0.59, 0.69), "bare": (0.1, 0.05, 0.15)}}
    figure = figure_swings(rows, baseline=0.86)
    figure.draw_without_rendering()
    line = figure.axes[0].transData.transform((0.86, 0))[0]
    extents = [note.get_window_extent() for note in figure.axes[0].texts]
    assert [extent.x0 > line or extent.x1 < line for extent in extents] == [True, True, True]
    assert [note.xy[0] for note in figure.axes[0].texts] == [0.9, 0.59, 0.15]  # only the second moves to the other end
    assert [note.xy[0] for note in figure_swings(rows).axes[0].texts] == [0.9, 0.69, 0.15]


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.99), (0.69, 0.93), (1.0, 1.0)])
def test_the_axis_of_intervals_ends_at_its_last_tick(low, high):
    ax = figure_swings({"prompt": {"chat": (low, low, high)}}).axes[0]
    ticks = ax.get_xticks()
    assert ax.spines["bottom"].get_bounds() == (ticks[0], ticks[-1])
    assert ticks[0] <= low <= high <= ticks[-1] and 3 <= len(ticks) <= 8


def test_the_curves_over_samples_say_their_points():
    curves = {"pass@k": {1: (0.7, 0.6, 0.8), 4: (0.9, 0.85, 0.95)}, "mean": {1: (0.7, 0.6, 0.8), 4: (0.71, 0.65, 0.78)}}
    assert description(figure_samples(curves)) == (
        "Score against samples per problem: pass@k 0.70 with 1, 0.90 with 4; mean 0.70 with 1, 0.71 with 4"
    )


def test_a_constant_curve_has_no_marks_and_a_baseline_is_named():
    curves = {"pass@k": {1: (0.7, 0.6, 0.8), 4: (0.9, 0.85, 0.95)}, "mean": {1: (0.7, 0.6, 0.8), 4: (0.7, 0.6, 0.8)}}
    figure = figure_samples(curves, baseline=("one sample, T = 1", 0.97))
    lines = figure.axes[0].lines
    assert [(line.get_linestyle(), line.get_marker()) for line in lines[:2]] == [("-", "o"), ("-", "")]
    assert " one sample, T = 1: 0.97" in [note.get_text() for note in figure.axes[0].texts]
    assert figure.axes[0].get_ylim()[1] > 0.97
    assert description(figure).endswith("mean 0.70 with 1, 0.70 with 4; dashed line, one sample, T = 1: 0.97")
    point = figure_samples({"mean": {1: (0.7, 0.6, 0.8)}})
    assert point.axes[0].lines[0].get_marker() == "o"  # one point without its mark would not be seen


def test_the_spread_of_a_difference_is_the_variance_of_all_pairs_of_verdicts():
    # of 100 problems both are right on 85, the first alone on 3, the second alone on 5, neither on 7
    pairs = [(1, 1)] * 85 + [(1, 0)] * 3 + [(0, 1)] * 5 + [(0, 0)] * 7
    differences = [b - a for a, b in pairs]
    mean = sum(differences) / 100
    variance = sum((d - mean) ** 2 for d in differences) / 100
    assert spread_paired(0.88, 0.90, disagree=0.08) == pytest.approx(variance)
    # models that know nothing of each other disagree on 0.88 * 0.10 + 0.12 * 0.90 of the problems: pairing gains nothing
    assert spread_paired(0.88, 0.90, disagree=0.196) == pytest.approx(spread_unpaired(0.88, 0.90))
    low, high = bootstrap_interval(differences)
    assert half_width(variance, 100) == pytest.approx((high - low) / 2, abs=0.006)


@pytest.mark.parametrize("disagree", [0.01, 0.3])
def test_a_share_that_these_scores_do_not_allow_is_refused(disagree):
    with pytest.raises(InputError, match=r"allow 0.02 to 0.22"):
        spread_paired(0.88, 0.90, disagree=disagree)


def test_from_the_number_that_is_named_on_the_difference_is_seen():
    for spread in (spread_unpaired(0.88, 0.90), spread_paired(0.88, 0.90, disagree=0.06)):
        n = problems_needed(spread, 0.02)
        assert half_width(spread, n) <= 0.02 < half_width(spread, n - 1)
    text = description(figure_separation([100, 200, 1000], disagree=(0.06,)))
    assert "not paired: 1,879 problems; 8.7 for 100, 6.1 for 200, 2.7 for 1000" in text
    assert "paired, 6 % differ: 573 problems; 4.8 for 100" in text


# The numbers in the questions


def test_how_many_problems_88_and_90_take():
    spread = spread_unpaired(0.88, 0.90)
    assert problems_needed(spread, 0.02) == 1879 and "n = 1,879" in why("eval_88_90")
    assert [round(100 * half_width(spread, n)) for n in (100, 200)] == [9, 6]
    assert "9 points to either side" in why("eval_88_90") and "half-width is 6 points" in why("eval_88_90")


def test_samples_that_always_agree_make_an_interval_four_times_too_narrow():
    assert half_width(0.25, 200) / half_width(0.25, 3200) == 4 and "4 times too narrow" in why(
        "eval_problems_not_samples"
    )


def test_what_one_changed_word_costs():
    text = " ".join(chr(97 + i // 26) + chr(97 + i % 26) for i in range(40))
    copy = text.replace(" at ", " other ")  # the 20th word
    assert len(ngrams(text, 8)) == 33 and ngram_overlap(text, ngrams(copy, 8), n=8) == 25 / 33
    assert round(100 * 25 / 33) == 76 and "8 of 33 runs. The other 25 are shared, which is 76 %" in why(
        "eval_paraphrase"
    )


@pytest.mark.parametrize(("lost", "won", "half", "p"), [(0, 8, "2.7", "0.008"), (20, 28, "6.8", "0.31")])
def test_the_difference_of_two_models_on_the_same_200_problems(lost, won, half, p):
    spread = spread_paired(0.86, 0.90, disagree=(lost + won) / 200)
    assert f"{100 * half_width(spread, 200):.1f}" == half and f"4.0 ± {half} points" in why("eval_paired")
    assert f"{mcnemar(lost, won):.{len(p) - 2}f}" == p and f"is {p}" in why("eval_paired")
    assert (172 / 200, 180 / 200, (won - lost) / 200) == (0.86, 0.90, 0.04)


def test_the_intervals_of_the_questions():
    as_text = [" to ".join(f"{100 * end:.0f}" for end in wilson_interval(share, 200)) for share in (0.86, 0.90)]
    assert as_text == ["81 to 90", "85 to 93"]
    texts = [option.text for option in QUESTIONS["eval_paired"].options + QUESTIONS["eval_greedy"].options]
    assert any("81 to 90 % and 85 to 93 %" in text for text in texts) and "81 % to 90 %." in texts
    assert math.isclose(172 / 200, 0.86)


def test_the_right_option_is_not_the_longest_as_a_rule():
    longest = [max(q.options, key=lambda option: len(option.text)).right for q in QUESTIONS.values()]
    assert sum(longest) <= len(QUESTIONS) / 3


@pytest.mark.slow
def test_every_control_redraws_over_its_whole_range(panel_of, pictures_at_the_ends):
    assert len(pictures_at_the_ends(panel_of(widgets.pass_k))) == 4  # k is never above n: two of the corners are one
    assert len(pictures_at_the_ends(panel_of(widgets.detector))) == 5
    assert len(pictures_at_the_ends(panel_of(widgets.ranking))) == len(PROTOCOLS)


@pytest.mark.slow
def test_the_widgets_take_what_was_measured(panel_of):
    panel = panel_of(lambda: widgets.pass_k([votes_of([5, 7, None, 5], 5), votes_of([1, 2, 2, 3], 2)]))
    assert [control.max for control in panel.children[0].children] == [4, 4] and "2 problems" in panel.children[1].value
    panel = panel_of(lambda: widgets.detector([Text("x y", "leaked")], ["x y"]))
    assert "flagged 1 of 1 leaked" in panel.children[1].value
