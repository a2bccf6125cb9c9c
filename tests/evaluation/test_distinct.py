"""How many different things there are, counted by hand; and among fewer of them, against all subsets."""

from itertools import combinations

import pytest

from reference.evaluation.distinct import Times, count_times, distinct_ngrams, expected_distinct, ngram_times, words_of
from reference.objectives import InputError


def test_words_numbers_and_signs_are_words():
    assert words_of("Check: 50-3=47\nIt's so.") == ["Check", ":", "50", "-", "3", "=", "47", "It", "'", "s", "so", "."]
    assert words_of("\n \t") == []


def test_n_grams_do_not_go_from_one_text_into_the_next():
    texts = ["a b a b", "b a", "c"]
    assert ngram_times(texts, 1) == (7, {3: 2, 1: 1})  # a and b three times, c once
    assert ngram_times(texts, 2) == (4, {2: 2})  # a b, b a, a b; b a
    assert distinct_ngrams(texts, 1) == 3 / 7 and distinct_ngrams(texts, 2) == 2 / 4


@pytest.mark.parametrize("things", ["aaabbc", "abcdef", "aaaaaa", "aab"])
def test_what_is_expected_is_the_mean_over_all_subsets(things):
    for count in range(1, len(things) + 1):
        subsets = list(combinations(things, count))
        mean = sum(len(set(subset)) for subset in subsets) / len(subsets)
        assert expected_distinct(count_times(things), count) == pytest.approx(mean)


def test_what_is_no_kind_of_its_own_is_still_drawn():
    """Of two completions one has no answer: one of the two, drawn at random, has half an answer."""
    assert expected_distinct(count_times(["59"], total=2), 1) == pytest.approx(0.5)
    assert expected_distinct(count_times([], total=2), 2) == 0


def test_texts_that_are_only_written_twice_differ_less_unless_as_many_are_compared():
    once, twice = ["a b c d"], ["a b c d", "a b c d"]
    assert distinct_ngrams(once, 1) == 1 and distinct_ngrams(twice, 1) == pytest.approx(0.5)
    assert distinct_ngrams(twice, 1, count=4) == pytest.approx((4 * (1 - 15 / 70)) / 4)  # C(6, 4) / C(8, 4) miss one
    assert distinct_ngrams(twice, 1, count=1) == pytest.approx(1)


def test_many_things_are_counted_as_exactly_as_few():
    times = count_times(range(100_000))
    assert expected_distinct(times, 60_000) == pytest.approx(60_000)


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="n is 0"):
        distinct_ngrams(["a"], 0)
    with pytest.raises(InputError, match="no text has 2 words"):
        distinct_ngrams(["a", "b"], 2)
    with pytest.raises(InputError, match="count is 3, expected 1 to the 2"):
        distinct_ngrams(["a b"], 1, count=3)
    with pytest.raises(InputError, match="count is 0"):
        distinct_ngrams(["a b"], 1, count=0)


def test_a_few_of_a_million_are_as_exact_as_half_of_them():
    """Of things that all differ, so many differ as were drawn; and one of a million is in one of a million draws."""
    assert expected_distinct(count_times(range(1_000_000)), 1) == pytest.approx(1, rel=1e-12)
    assert expected_distinct(Times(1_000_000, {1: 1}), 1) == pytest.approx(1e-6, rel=1e-12)
    assert expected_distinct(Times(1_000_000, {3: 2}), 2) == pytest.approx(2 * (1 - (1 - 3e-6) * (1 - 3 / 999_999)))
