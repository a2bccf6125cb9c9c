"""Copies of a text in a corpus, by hand and against a search for padded text."""

import random

import pytest

from reference.evaluation.contamination import contaminated, ngram_overlap, ngrams, words
from reference.objectives import InputError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What is 47+8-5?", ["what", "is", "47", "+", "8", "-", "5"]),
        ("HOW much? 1,234 or 0.5.", ["how", "much", "1,234", "or", "0.5"]),
        ("Don't; it's well-known", ["don't", "it's", "well", "-", "known"]),
        ("Größe_2\n\n*Über*", ["größe", "2", "*", "über", "*"]),
        (" \n...!?", []),
    ],
)
def test_words_are_words_numbers_and_signs_in_lower_case(text, expected):
    assert words(text) == expected


def test_the_runs_of_a_text_by_hand():
    assert ngrams("a b c a b", 2) == {("a", "b"), ("b", "c"), ("c", "a")}  # (a, b) is there twice and counts once
    assert ngrams("a b c", 3) == {("a", "b", "c")} == ngrams("A, b: c!", 3)
    assert ngrams("a b", 8) == {("a", "b")}  # all that there is
    assert ngrams("?", 8) == set()


def test_the_overlap_by_hand():
    corpus = ngrams("x a b c y", 2) | ngrams("d e", 2)
    assert ngram_overlap("a b c d e", corpus, n=2) == 3 / 4  # (a, b), (b, c) and (d, e), not (c, d)
    assert ngram_overlap("a b c d e", corpus, n=5) == 0.0
    assert ngram_overlap("?", corpus, n=2) == 0.0 == ngram_overlap("a b", set(), n=2)


def test_the_threshold_is_a_share_of_the_text_and_is_enough():
    text, corpus = "a b c d e", ["a b c x d y e", "q " * 100]  # (a, b) and (b, c) of four runs
    assert contaminated(text, corpus, n=2, threshold=0.5)
    assert not contaminated(text, corpus, n=2, threshold=0.51)
    assert not contaminated(text, ["a b"], n=2) and contaminated("a b", [text], n=2, threshold=1.0)


def test_no_run_goes_from_one_document_into_the_next_and_two_may_hold_a_part_each():
    assert not contaminated("a b c d", ["a b", "c d"], n=3)
    assert contaminated("a b c d", ["a b c", "b c d"], n=3, threshold=1.0)


def test_a_short_text_is_looked_for_as_a_whole():
    assert contaminated("What is 47+8?", ["Q: what is 47+8? A: 55"])
    assert not contaminated("What is 47+8?", ["What is 47-8?", "What is 47?"])
    assert not contaminated("?", ["?"]) and not contaminated("a", [])


def test_what_it_does_not_see():
    problem = "Lena reads 12 pages in the morning and twice as many at night."
    assert contaminated(problem, [problem.upper()])
    for copy in (
        "At night Lena reads twice the 12 pages of the morning.",
        problem.replace("12", "13"),
        "Lena liest 12 Seiten.",
    ):
        assert not contaminated(problem, [copy], threshold=0.75)


@pytest.mark.parametrize("n", range(1, 5))
def test_the_overlap_is_what_a_search_in_the_texts_finds(n):
    rng = random.Random(n)
    for _ in range(60):
        text, *documents = (" ".join(rng.choices("abc", k=rng.randint(n, 8))) for _ in range(4))
        own = ngrams(text, n)
        found = [any(f" {' '.join(gram)} " in f" {document} " for document in documents) for gram in own]
        grams = {gram for document in documents for gram in ngrams(document, n)}
        assert ngram_overlap(text, grams, n=n) == pytest.approx(sum(found) / len(own))
        assert contaminated(text, documents, n=n, threshold=1.0) == all(found)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: ngrams("a b", 0), "n is 0"),
        (lambda: contaminated("a b", ["a b"], n=0), "n is 0"),
        (lambda: contaminated("a b", "a b"), "one text"),
        (lambda: contaminated("a b", ["a b"], threshold=0.0), "threshold is 0"),
        (lambda: contaminated("a b", ["a b"], threshold=50.0), "threshold is 50"),
        (lambda: ngram_overlap("a b", ["a b"], n=2), "expected n-grams"),
        (lambda: ngram_overlap("a b", "a b", n=2), "expected n-grams"),
    ],
)
def test_what_makes_no_sense_is_refused(call, named):
    with pytest.raises(InputError, match=named):
        call()
