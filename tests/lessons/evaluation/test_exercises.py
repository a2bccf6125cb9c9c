"""What ``check`` says on the exercises of the lesson on evaluation."""

import re
from fractions import Fraction

import numpy as np
import pytest
import torch

from reference.evaluation.answers import extract_answer, read_number
from reference.evaluation.contamination import words
from reference.evaluation.statistics import majority_vote, pass_at_k
from reference.lessons import BUGS
from reference.lessons.evaluation.cases import (
    contaminated_cases,
    extract_answer_cases,
    flag_of,
    number_of,
    probability,
    winners_of,
)
from reference.lessons.evaluation.exercises import EXERCISES
from reference.teaching.check import judge

from .solutions import line_by_line, one_by_one


def message(name, function):
    return judge(EXERCISES[name], [], function).message


@pytest.mark.parametrize("value", [Fraction(1, 2), 0.5, np.float64(0.5)])
def test_a_number_is_a_number_whatever_its_type(value):
    assert number_of(lambda text: value, "") == "1/2"


@pytest.mark.parametrize("value", [True, "0.5", float("nan"), float("inf"), [0.5], object()])
def test_what_is_no_number_is_shown_as_it_is(value):
    assert number_of(lambda text: value, "") == f"returns {value!r}"


def test_no_answer_is_not_0_and_the_float_of_a_tenth_is_no_tenth():
    assert number_of(lambda text: None, "") == "no answer" != number_of(lambda text: 0, "")
    assert number_of(lambda text: 0.1, "") != number_of(lambda text: Fraction(1, 10), "")


def test_the_completions_are_what_their_comments_say():
    for seed in range(5):
        cases = [case.arguments["text"] for case in extract_answer_cases(seed)]
        answers = [extract_answer(text) for text in cases]
        assert [line_by_line(text) for text in cases] == answers
        assert [answer is None for answer in answers] == [
            not text.count("Answer:") or bool(re.search(r"Answer:\D*$|.*(or|, ).*$", text.split("Answer:")[-1].split("\n")[0]))
            or text.endswith("Answer: ") for text in cases
        ]  # fmt: skip
        assert answers[0] == answers[2] == answers[8] == answers[17] and answers[16].denominator > 1
        assert min(filter(None, answers)) < -1000 and max(filter(None, answers)) > 1000


def test_the_mistake_shows_the_completion_and_both_numbers():
    lines = message("extract_answer", lambda text: (line_by_line(text) or 1) * 2).splitlines()
    assert re.fullmatch(r"✗ extract_answer: wrong on 22 of 22 cases\. The simplest: text='Answer: (\d+)'", lines[0])
    right = int(re.search(r"\d+(?=')", lines[0])[0])
    assert lines[2:] == [f"    target {right}", f"    yours  {2 * right}"]


def test_a_probability_is_rounded_and_a_refusal_is_one_word():
    assert probability(lambda *a: torch.tensor(1 / 3, dtype=torch.float64), 1, 3, 1) == probability(pass_at_k, 1, 3, 1)
    assert probability(pass_at_k, 2, 4, 5) == "raises ValueError"
    assert probability(lambda *a: None, 1, 3, 1) is None  # so that it is asked for the return statement
    assert "is there a return" in message("pass_at_k", lambda *a: None)


def test_an_error_that_is_no_refusal_is_shown():
    assert "ZeroDivisionError" in message("pass_at_k", lambda c, n, k: c / 0)


def test_winners_are_compared_as_numbers():
    votes = [Fraction(1, 2), 0.5, 3, None]
    assert winners_of(majority_vote, votes) == [0.5] == winners_of(lambda answers: [0.5], votes)
    assert (
        winners_of(lambda answers: 0.5, votes) == "returns 0.5"
        and winners_of(lambda answers: None, votes) == "returns None"
    )
    emptied = winners_of(lambda answers: answers.clear() or answers, votes)
    assert emptied == [] and len(votes) == 4  # it gets a list of its own


def test_only_true_and_false_flag_a_text():
    for value in (True, np.True_, torch.tensor(True)):
        assert flag_of(lambda *a, v=value, **o: v, "a", [], n=2, threshold=0.5) == "flagged"
    assert flag_of(lambda *a, **o: 0.7, "a", [], n=2, threshold=0.5) == "returns 0.7"
    assert flag_of(lambda *a, **o: None, "a", [], n=2, threshold=0.5) == "returns None"


def test_half_of_the_texts_are_flagged():
    flags = [case.through(one_by_one, *case.arguments.values(), **case.options) for case in contaminated_cases(0)]
    assert flags.count("flagged") == len(flags) / 2


def test_a_constant_detector_is_not_taken_for_one_with_a_mistake():
    for value in (True, False):
        assert "wrong on 10 of 20 cases" in message("contaminated", lambda text, corpus, *, n, threshold, v=value: v)


def named(name, function):
    """The name of the mistake that ``check`` finds."""
    found = judge(EXERCISES[name], BUGS, function).bug
    return found and found.name


@pytest.mark.parametrize("short", ["whole", False, True])
@pytest.mark.parametrize("lowered", [True, False])
def test_a_range_that_ends_too_early_is_named_whatever_becomes_of_a_short_text(lowered, short):
    def runs(found, n):
        return {tuple(found[i : i + n]) for i in range(len(found) - n)}

    def contaminated(text, corpus, *, n, threshold):
        found = words(text)
        n = min(n, len(found)) if lowered or short == "whole" else n
        own = runs(found, n) or ({tuple(found)} if short == "whole" else set())
        seen = {run for document in corpus for run in runs(words(document), n)}
        return len(own & seen) / len(own) >= threshold if own else short

    assert named("contaminated", contaminated) == "the last run missing"


def test_a_vote_that_none_wins_is_named_also_where_none_is_taken_out_afterwards():
    def majority_vote(answers):
        most = max((answers.count(a) for a in answers), default=0)
        return [a for a in dict.fromkeys(answers) if answers.count(a) == most and a is not None]

    assert named("majority_vote", majority_vote) == "completions without an answer vote"


PATTERNS = [r"Answer:\s*(-?[\d,.]+)", r"Answer: (-?\d+)", r"Answer:[*\s]*(-?[\d,.]+)"]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_for_a_number_is_named(pattern):
    def first(text):
        found = re.search(pattern, text)
        return read_number(found[1]) if found else None

    def last(text):
        found = re.findall(pattern, text)
        return read_number(found[-1]) if found else None

    assert named("extract_answer", first) == "the first number behind a mark"
    assert named("extract_answer", last) == "the first of two candidates"
