"""Evaluation mathematics against enumeration of all subsets, all samples and all resamples, and by hand."""

import inspect
import itertools
import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference.evaluation.statistics import (
    bootstrap_interval,
    majority_score,
    majority_vote,
    pass_at_k,
    wilson_interval,
)
from reference.objectives import InputError

generated = settings(deadline=None, max_examples=200, derandomize=True)

# pass@k


@pytest.mark.parametrize("n", range(1, 8))
def test_pass_at_k_is_the_share_of_subsets_that_hold_a_right_answer(n):
    for c in range(n + 1):
        answers = [True] * c + [False] * (n - c)
        for k in range(1, n + 1):
            subsets = list(itertools.combinations(answers, k))
            assert pass_at_k(c, n, k) == pytest.approx(sum(map(any, subsets)) / len(subsets), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("p", [0.0, 0.2, 0.7, 1.0])
def test_pass_at_k_is_unbiased_over_all_outcomes_of_n_samples(p):
    n = 6
    for k in range(1, n + 1):
        expected = sum(math.comb(n, c) * p**c * (1 - p) ** (n - c) * pass_at_k(c, n, k) for c in range(n + 1))
        assert expected == pytest.approx(1 - (1 - p) ** k, rel=1e-10, abs=1e-12)


def test_drawing_with_replacement_is_biased():
    # One right answer among four: any four of the four hold it. With replacement it is missed (3/4)^4 of the time.
    assert pass_at_k(1, 4, 4) == 1.0
    assert pytest.approx(0.684, abs=5e-4) == 1 - (3 / 4) ** 4
    assert pass_at_k(1, 4, 2) == 1 - 3 / 6  # C(3, 2) / C(4, 2): half of the pairs miss it


def test_pass_at_1_is_the_share_and_large_numbers_do_not_overflow():
    assert pass_at_k(3, 10, 1) == pytest.approx(0.3, rel=1e-15)
    assert pass_at_k(10, 10_000, 1000) == pytest.approx(
        1 - math.prod((9000 - i) / (10_000 - i) for i in range(10)), rel=1e-12
    )
    assert pass_at_k(0, 10_000, 5000) == 0.0 and pass_at_k(9_999, 10_000, 2) == 1.0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((-1, 4, 1), "num_correct"),
        ((5, 4, 1), "num_correct"),
        ((1, 4, 0), "k is 0"),
        ((1, 4, 5), "k is 5"),
        ((0, 0, 1), "k is 1"),
    ],
)
def test_pass_at_k_refuses_what_cannot_be_counted(arguments, named):
    with pytest.raises(InputError, match=named):
        pass_at_k(*arguments)


# Majority vote


def test_the_vote_by_hand():
    assert majority_vote(["7", "8", "7"]) == ["7"]
    assert majority_vote(["8", "7", "7", "8", None]) == ["8", "7"]  # a tie, in the order of appearance
    assert majority_vote([None, None]) == []
    assert majority_vote([None, None, "3"]) == ["3"]  # who does not answer does not vote


@pytest.mark.parametrize(
    ("ties", "score_of_first", "score_of_second"), [("split", 0.5, 0.5), ("first", 1.0, 0.0), ("wrong", 0.0, 0.0)]
)
def test_the_tie_rule(ties, score_of_first, score_of_second):
    answers = ["8", "7", "7", "8"]
    assert majority_score(answers, "8", ties=ties) == score_of_first
    assert majority_score(answers, "7", ties=ties) == score_of_second
    assert majority_score(answers, "9", ties=ties) == 0.0
    assert majority_score([*answers, "7"], "7", ties=ties) == 1.0  # no tie: the rule is not asked
    assert majority_score([None], "7", ties=ties) == 0.0


def test_the_default_rule_is_split():
    assert majority_score(["a", "b", "c"], "b") == pytest.approx(1 / 3, rel=1e-15)


@pytest.mark.slow
@generated
@given(st.lists(st.sampled_from(["1", "2", "3", None]), min_size=1, max_size=7), st.sampled_from(["1", "2", "3"]))
def test_split_is_the_mean_of_first_over_all_orders_of_the_samples(answers, truth):
    if len(answers) > 5:
        answers = answers[:5]  # 120 orders
    orders = list(itertools.permutations(answers))
    mean = sum(majority_score(order, truth, ties="first") for order in orders) / len(orders)
    assert majority_score(answers, truth, ties="split") == pytest.approx(mean, rel=1e-12, abs=1e-15)


@generated
@given(st.lists(st.integers(0, 3), min_size=1, max_size=9))
def test_every_winner_has_the_most_votes(answers):
    counts = Counter(answers)
    assert {counts[winner] for winner in majority_vote(answers)} == {max(counts.values())}
    assert sum(majority_score(answers, truth) for truth in range(4)) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize(
    ("answers", "truth", "ties", "named"),
    [
        ([], "1", "split", "answers is empty"),
        (["1"], None, "split", "truth is None"),
        (["1"], "1", "random", "ties is"),
    ],
)
def test_the_vote_refuses(answers, truth, ties, named):
    with pytest.raises(InputError, match=named):
        majority_score(answers, truth, ties=ties)


# Intervals


@pytest.mark.parametrize(("share", "n"), [(0.5, 100), (0.8, 400), (0.03, 50), (0.0, 10), (1.0, 10)])
def test_wilson_interval_ends_where_the_share_is_just_z_standard_errors_away(share, n):
    # What defines it: at each end p, |share - p| = z * sqrt(p (1 - p) / n), with the standard error taken at p itself.
    low, high = wilson_interval(share, n)
    assert low <= share <= high
    for p in (low, high):
        assert (share - p) ** 2 == pytest.approx(1.96**2 * p * (1 - p) / n, rel=1e-9, abs=1e-12)


def test_wilson_interval_by_hand():
    # 0 of 10: low is 0, high is z^2 / (n + z^2) = 3.8416 / 13.8416
    assert wilson_interval(0.0, 10) == pytest.approx((0.0, 3.8416 / 13.8416))
    assert wilson_interval(1.0, 10) == pytest.approx((10 / 13.8416, 1.0))


def test_wilson_covers_95_percent_of_the_time():
    # 4000 experiments of n = 50 at p = 0.9, where the naive interval covers only about 88 %.
    g = torch.Generator().manual_seed(0)
    counts = (torch.rand(4000, 50, generator=g) < 0.9).sum(dim=1)
    hits = sum(low <= 0.9 <= high for low, high in (wilson_interval(c / 50, 50) for c in counts.tolist()))
    assert hits / 4000 == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize(
    ("share", "n", "z"),
    [(-0.1, 10, 1.96), (1.1, 10, 1.96), (math.nan, 10, 1.96), (0.5, 0, 1.96), (0.5, 10, 0.0), (0.5, 10, math.inf)],
)
def test_wilson_refuses(share, n, z):
    with pytest.raises(InputError, match="expected"):
        wilson_interval(share, n, z=z)


def test_the_bootstrap_against_all_resamples_of_three_values():
    # 27 equally likely resamples of (0, 1, 5); the interval's ends are quantiles of their means.
    values = [0.0, 1.0, 5.0]
    means = torch.tensor([sum(drawn) / 3 for drawn in itertools.product(values, repeat=3)], dtype=torch.float64)
    low, high = bootstrap_interval(values, level=0.8, resamples=200_000)
    assert (low, high) == pytest.approx((means.quantile(0.1).item(), means.quantile(0.9).item()), abs=1e-9)


def test_the_bootstrap_has_the_width_of_the_normal_interval_for_many_problems():
    g = torch.Generator().manual_seed(0)
    values = torch.randn(2000, generator=g, dtype=torch.float64)
    low, high = bootstrap_interval(values.tolist(), resamples=4000)
    standard_error = values.std() / 2000**0.5
    # With 4000 resamples each end is a quantile with a standard error of about 0.04 standard errors of the mean.
    assert low == pytest.approx((values.mean() - 1.96 * standard_error).item(), abs=0.15 * standard_error.item())
    assert high == pytest.approx((values.mean() + 1.96 * standard_error).item(), abs=0.15 * standard_error.item())


def test_the_bootstrap_takes_any_statistic_and_repeats_itself():
    values = [0.0, 0.0, 1.0, 4.0]
    medians = bootstrap_interval(values, statistic=lambda x: x.median(dim=1).values)
    assert medians[0] == 0.0 and medians[1] == 4.0
    assert medians == bootstrap_interval(values, statistic=lambda x: x.median(dim=1).values)
    assert bootstrap_interval(values, seed=1, resamples=50) != bootstrap_interval(values, seed=2, resamples=50)


def test_paired_differences_have_a_narrower_interval_than_two_models_apart():
    g = torch.Generator().manual_seed(0)
    difficulty = torch.rand(200, generator=g)
    better, worse = (difficulty + 0.05).tolist(), difficulty.tolist()
    paired = bootstrap_interval([a - b for a, b in zip(better, worse, strict=True)])
    assert paired == pytest.approx((0.05, 0.05), abs=1e-6)  # the difference is the same on every problem
    apart = bootstrap_interval(better)[0], bootstrap_interval(worse)[1]
    assert apart[0] < apart[1]  # judged one by one, the two models cannot be told apart


@pytest.mark.parametrize(
    ("values", "options", "named"),
    [
        ([], {}, "values"),
        ([0.5, math.nan], {}, "values"),
        ([[0.5]], {}, "values"),
        ([0.5], {"level": 1.0}, "level"),
        ([0.5], {"level": 0.0}, "level"),
        ([0.5], {"resamples": 0}, "resamples"),
    ],
)
def test_the_bootstrap_refuses(values, options, named):
    with pytest.raises(InputError, match=named):
        bootstrap_interval(values, **options)


# ---- limits and defaults, exactly ------------------------------------------------------------------------------------


def test_the_smallest_inputs_are_taken():
    # One trial, right: share 1, z 1: (1 + 1/2) / 2 = 0.75, half = 1/2 * sqrt(1/4) = 0.25.
    assert wilson_interval(1.0, 1, z=1.0) == pytest.approx((0.5, 1.0), rel=1e-12)
    # And with z 0.5: (1 + 1/8) / 1.25 = 0.9, half = 0.4 * 0.25 = 0.1.
    assert wilson_interval(1.0, 1, z=0.5) == pytest.approx((0.8, 1.0), rel=1e-12)
    low, high = bootstrap_interval([2.0], resamples=1)
    assert low == high == 2.0 and isinstance(low, float) and isinstance(high, float)


def test_an_interval_never_leaves_zero_to_one():
    ends = [wilson_interval(share, n) for n in range(1, 2000) for share in (0.0, 1.0)]
    assert min(low for low, _ in ends) == 0.0 and max(high for _, high in ends) == 1.0


def test_the_bootstrap_draws_what_its_seed_says_whatever_was_drawn_before():
    values = [0.0, 1.0, 3.0, 7.0, 7.5]
    torch.manual_seed(1)
    first = bootstrap_interval(values, resamples=50)
    torch.manual_seed(2)
    assert bootstrap_interval(values, resamples=50, seed=0) == first
    assert bootstrap_interval(values, resamples=50, seed=5) != first


def test_the_defaults_are_what_the_docstring_says():
    parameters = inspect.signature(bootstrap_interval).parameters
    assert [parameters[name].default for name in ("level", "resamples", "seed")] == [0.95, 10_000, 0]
    for function in (majority_score, wilson_interval, bootstrap_interval):
        options = list(inspect.signature(function).parameters.values())[
            2 if function is not bootstrap_interval else 1 :
        ]
        assert all(option.kind == option.KEYWORD_ONLY for option in options), function


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: wilson_interval(0.5, 10, z=float("inf")), "finite z"),
        (lambda: wilson_interval(0.5, 10, z=-1.0), "z=-1.0"),
        (lambda: bootstrap_interval([1.0, 2.0], level=-0.5), "level=-0.5"),
        (lambda: bootstrap_interval([1.0, 2.0], level=1.5), "level=1.5"),
        (lambda: bootstrap_interval(3.0), r"values is 3\.0 \(float\), expected a list"),
        (lambda: pass_at_k(1.0, 4, 2), r"num_correct is 1\.0 \(float\), expected int"),
        (lambda: pass_at_k(torch.tensor([1, 2]), 4, 2), r"num_correct is a tensor of shape \(2,\)"),
        (lambda: majority_score("aab", "a"), "answers is a str, expected a list"),
        (lambda: majority_score(torch.tensor([1, 1]), 1), "answers is a Tensor, expected a list"),
    ],
)
def test_what_cannot_be_meant_is_refused(call, named):
    with pytest.raises(InputError, match=named):
        call()


GOOD = {
    pass_at_k: {"num_correct": 1, "num_samples": 4, "k": 2},
    majority_vote: {"answers": ["8", "7", "7"]},
    majority_score: {"answers": ["8", "7", "7"], "truth": "7", "ties": "split"},
    wilson_interval: {"share": 0.5, "n": 10, "z": 1.96},
    bootstrap_interval: {"values": [0.0, 1.0], "statistic": lambda x: x.mean(dim=1)}
    | {"level": 0.95, "resamples": 20, "seed": 0},
}
ARGUMENTS = [pytest.param(f, argument, id=f"{f.__name__}-{argument}") for f in GOOD for argument in GOOD[f]]
NOTHING_GOOD = (
    1j,
    {},
    [[1], [1, 2]],
    [[]],
    torch.ones(2, 2),
    torch.tensor(1.0),
    object(),
    b"7",
    -1,
    math.nan,
    10**5000,
)
NOTHING_GOOD += ("seven", None, True, [], [10**400], ["a", []], [torch.tensor(1.0)] * 2, lambda x: x, lambda x: None)


@pytest.mark.slow
@pytest.mark.parametrize(("function", "argument"), ARGUMENTS)
def test_whatever_is_refused_is_refused_in_a_sentence_that_names_the_function(function, argument):
    refused = 0
    for value in NOTHING_GOOD:
        try:
            function(**GOOD[function] | {argument: value})
        except InputError as error:
            refused += 1
            assert str(error).startswith(f"{function.__name__}: ") and "\n" not in str(error)
    assert refused >= 5


@pytest.mark.parametrize("function", [majority_vote, lambda answers: majority_score(answers, 7)])
def test_answers_that_are_tensors_would_never_agree(function):
    """Two tensors are two things to a dict, whatever is in them."""
    with pytest.raises(InputError, match=r"majority_\w+: answers holds tensors, .* pass their \.item\(\)"):
        function([torch.tensor(7), torch.tensor(7), torch.tensor(8)])
    assert majority_vote([7, 7, 8]) == [7]


def test_numbers_of_numpy_are_numbers():
    assert pass_at_k(np.int64(1), np.int32(4), np.uint8(2)) == pass_at_k(1, 4, 2)
    assert wilson_interval(np.float32(0.5), np.int64(10)) == wilson_interval(0.5, 10)
    assert bootstrap_interval(np.array([0.0, 1.0])) == bootstrap_interval([0.0, 1.0])
    assert majority_vote(np.array([8, 7, 7])) == [7]


@pytest.mark.parametrize(
    ("statistic", "message"),
    [
        (lambda x: x.mean(), r"statistic returned a tensor of shape \(\), .* of shape \(20,\)"),
        (lambda x: x, r"statistic returned a tensor of shape \(20, 2\)"),
        (lambda x: 3.0, r"statistic returned 3\.0"),
    ],
)
def test_a_statistic_gives_one_number_per_resample(statistic, message):
    with pytest.raises(InputError, match=message):
        bootstrap_interval([0.0, 1.0], statistic=statistic, resamples=20)
    assert bootstrap_interval([0.0, 1.0], statistic=lambda x: (x > -1).any(dim=1), resamples=20) == (1.0, 1.0)


def test_more_resamples_than_torch_can_sort_are_refused():
    with pytest.raises(InputError, match=r"resamples=20000000: .* 1 to 10000000 resamples"):
        bootstrap_interval([0.0, 1.0], resamples=20_000_000)


def test_many_votes_are_compared_by_value():
    # 300 is not one object in Python: comparing counts or answers by identity would lose votes.
    answers = [int("1000")] * 300 + [int("2000")] * 300
    assert majority_vote(answers) == [1000, 2000]
    score = majority_score(answers, int("1000"), ties="first")
    assert score == 1.0 and isinstance(score, float)
