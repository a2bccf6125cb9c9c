"""Scores of small files, counted by hand: shares per problem, votes, pass@k, and on what the extractors disagree."""

import itertools
import json
import random
import re

import pytest
from completion_lines import BROKEN, END, FIRST, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reference.evaluation.judging import Votes, compared, vote
from reference.evaluation.score_json import as_json
from reference.evaluation.score_report import report
from reference.evaluation.scores import score_file
from reference.evaluation.statistics import majority_score, pass_at_k, wilson_interval
from reference.objectives import InputError

FIELDS = ("id", "question", "answer", "completion", "completions", "messages", "choices", "message", "role", "content", "type", "text",
          "truncated", "finish_reason", "tokens", "doc", "resps", "filter", "gold_index", "ground_truth", "protocol")  # fmt: skip
FILE = [  # END and FIRST judge: right right, right wrong, wrong right | wrong wrong (nothing found by END)
    {"id": "a", "answer": "7", "completions": ["7 = 7", "1 = 7", "7 = 1"]},
    {"id": "b", "answer": "8", "completions": ["1"]},
]


@pytest.fixture
def scores(tmp_path):
    return score_file(write(tmp_path / "f.jsonl", *FILE), extractors=[END, FIRST])


def test_counts_and_rates_by_hand(scores):
    assert scores.ids == ["a", "b"] and scores.samples == [3, 1] and scores.completions == 4
    assert scores.right == {"end": [2, 0], "first": [2, 0]}
    assert scores.rate("end") == (2 / 3 + 0) / 2  # the mean over problems, not 2 of 4 completions
    assert scores.interval("end") == wilson_interval(1 / 3, 2)
    assert scores.answered == {"end": 3, "first": 4}
    assert scores.characters == 5 + 5 + 5 + 1 and scores.tokens is None


def test_the_majority_by_hand(scores):
    assert scores.majority == {"end": [1.0, 0.0], "first": [1.0, 0.0]}  # 7 7 1 and 7 1 7
    assert scores.majority_rate("end") == 0.5 and scores.tied == {"end": 0, "first": 0}


def test_disagreements_are_counted_in_completions(scores):
    assert scores.differing("end", "first") == scores.differing("first", "end") == 2
    assert scores.differing("end", "end") == 0
    assert scores.verdicts == {(True, True): 1, (True, False): 1, (False, True): 1, (False, False): 1}
    example = scores.examples[True, False]
    assert (example.line, example.text, example.golds) == (1, "1 = 7", ("7",))
    assert example.taken == {"end": "7", "first": "1"} and example.right == {"end": True, "first": False}


def test_pass_at_k_leaves_out_problems_with_fewer_completions_and_counts_them(scores):
    assert scores.pass_at("end", 1) == (pytest.approx(scores.rate("end")), 0)
    assert scores.pass_at("end", 2) == (pass_at_k(2, 3, 2), 1) == (1.0, 1)
    assert scores.pass_at("end", 4) == (None, 2)


def test_the_shortest_completion_of_a_disagreement_is_kept(tmp_path):
    rows = [{"id": i, "answer": "7", "completion": "x" * i + " = 7"} for i in (3, 1, 2)]
    scores = score_file(write(tmp_path / "f.jsonl", *rows), extractors=[END, FIRST])
    assert scores.examples[True, False].line == 2 and scores.first.line == 1


def test_a_truncated_completion_has_no_answer(tmp_path):
    row = {"id": 1, "answer": "7", "completions": ["= 7", "= 7"], "truncated": [True, False]}
    scores = score_file(
        write(tmp_path / "f.jsonl", row, {"id": 2, "answer": "7", "completions": [" \n"]}), extractors=[END]
    )
    assert scores.right["end"] == [1, 0] and scores.answered["end"] == 1
    assert (scores.truncated, scores.empty) == (1, 1)
    assert scores.first.taken == {"end": "7"}  # the first completion in which something was found


def test_lines_of_one_problem_count_together_wherever_they_stand(tmp_path):
    rows = [{"id": i, "answer": "7", "completion": text, "tokens": n}
            for i, text, n in ((1, "= 7", 2), (2, "= 1", 3), (1, "= 8", 5), (1, "= 7", 7))]  # fmt: skip
    scores = score_file(write(tmp_path / "f.jsonl", *rows), extractors=[END])
    assert scores.samples == [3, 1] and scores.right["end"] == [2, 0] and scores.tokens == 17


def test_any_of_several_golds_is_right(tmp_path):
    row = {"id": 1, "answer": ["7", "8"], "completions": ["= 8", "= 7", "= 9"]}
    assert score_file(write(tmp_path / "f.jsonl", row), extractors=[END]).right["end"] == [2]


def test_an_extractor_that_raises_has_found_nothing_and_is_counted(tmp_path):
    scores = score_file(write(tmp_path / "f.jsonl", *FILE), extractors=[END, BROKEN])
    assert scores.failed == {"broken": 4} and scores.right["broken"] == [0, 0] and scores.answered["broken"] == 0


def one_problem(answers, truth):
    """The votes on one problem; None is a completion without an answer."""
    return Votes([[answer] for answer in answers], [(answer == truth,) for answer in answers])


@pytest.mark.parametrize("ties", ["split", "first", "wrong"])
def test_votes_are_those_of_the_statistics(ties):
    for n in (1, 2, 3, 4):
        for answers in itertools.product(["1", "2", "3", None], repeat=n):
            score, tied = vote(one_problem(answers, "1"), 0, ties)
            assert score == majority_score(list(answers), "1", ties=ties)
            counts = sorted((answers.count(answer) for answer in "123"), reverse=True)
            assert tied == (n > 1 and counts[0] == counts[1] > 0)


def test_answers_are_compared_as_numbers_or_without_case_and_spaces():
    assert compared("1,234") == compared("$1234.0") == "1234"
    assert compared(" Two  apples") == compared("two apples") != compared("two pears")
    assert compared("1" * 200 + "2") == compared("1" * 201)
    assert compared("1/3") == compared("\\frac{1}{3}") != compared("0.333")


def test_one_number_that_the_extractor_judges_in_two_ways_is_two_candidates(tmp_path):
    # exact_match of lm-eval: 18.0 is not 18. The vote must not make right what the extractor takes for wrong.
    row = {"id": 1, "answer": "18", "completions": ["#### 18.0", "#### 18.0", "#### 18"]}
    path = write(tmp_path / "f.jsonl", row)
    assert score_file(path, extractors=["lm-eval-strict"]).majority["lm-eval-strict"] == [0.0]
    assert score_file(path, extractors=["hashes"]).majority["hashes"] == [1.0]


def test_the_extractors_are_all_but_the_slow_one_and_can_be_named(tmp_path):
    path = write(tmp_path / "f.jsonl", *FILE)
    assert score_file(path).extractors == (
        "stated", "phrase", "hashes", "boxed", "last-number", "lm-eval-strict", "lm-eval-flexible",
    )  # fmt: skip
    assert score_file(path, extractors=["boxed", END, "boxed"]).extractors == ("boxed", "end")
    with pytest.raises(InputError, match="there is no extractor 'box'; there are stated, phrase"):
        score_file(path, extractors=["box"])
    assert score_file(path, extractors="boxed").extractors == ("boxed",)
    with pytest.raises(InputError, match="extractors is empty"):
        score_file(path, extractors=[])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ties": "last"}, "expected one of split, first, wrong"),
        ({"fields": {"gold": "answer"}}, "expected fields of id, question, answer, completion"),
    ],
)
def test_unknown_rules_and_fields_are_refused(options, words, tmp_path):
    with pytest.raises(InputError, match=words):
        score_file(write(tmp_path / "f.jsonl", *FILE), **options)


def test_the_order_of_lines_and_of_completions_changes_no_score(tmp_path):
    rng = random.Random(0)
    flat = [{"id": i, "answer": "7", "completion": f"= {rng.choice('789')}"} for i in range(20) for _ in range(5)]
    one = score_file(write(tmp_path / "a.jsonl", *flat), extractors=[END])
    rng.shuffle(flat)
    listed = [
        {"id": i, "answer": "7", "completions": [row["completion"] for row in flat if row["id"] == i]}
        for i in range(20)
    ]
    for path in (write(tmp_path / "b.jsonl", *flat), write(tmp_path / "c.jsonl", *listed)):
        other = score_file(path, extractors=[END])
        by_id = dict(zip(other.ids, zip(other.right["end"], other.majority["end"], strict=True), strict=True))
        assert by_id == dict(zip(one.ids, zip(one.right["end"], one.majority["end"], strict=True), strict=True))


def test_fields_and_golds_can_be_given(tmp_path):
    path = write(tmp_path / "f.jsonl", {"n": "a", "said": "= 7", "completion": "no"})
    gold = write(tmp_path / "g.jsonl", {"n": "a", "answer": "so #### 7"})
    scores = score_file(path, extractors=[END], fields={"id": "n", "completion": "said"}, gold=gold)
    assert scores.rate("end") == 1.0


def test_hundreds_of_samples_of_one_problem_are_one_trial(tmp_path):
    row = json.loads(json.dumps({"id": 1, "answer": "7", "completions": ["= 7", "= 8"] * 200}))
    scores = score_file(write(tmp_path / "f.jsonl", row), extractors=[END])
    assert scores.interval("end") == wilson_interval(0.5, 1)


WORDS = st.sampled_from(
    ["7", "= 7", "#### 7", "\\boxed{", "the answer is 7", "assistant", "length", "\ud800", "", "1e999", "½"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4), max_leaves=8,
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6), min_size=1, max_size=4))
def test_whatever_the_fields_hold_is_scored_or_refused(tmp_path, rows):
    path = write(tmp_path / "f.jsonl", {"id": "x", "answer": "7", "completion": "= 7"}, *rows)
    scores = score_file(path)
    assert scores.completions == sum(scores.verdicts.values()) >= 1
    assert all(0 <= scores.rate(name) <= 1 for name in scores.extractors)
    left_out = sum(n for kind, n in scores.reading.trouble.counts.items() if "left out" in kind)
    assert left_out + len(scores.reading.problems) <= 1 + len(rows)
    assert report(scores, ks=[1, 2]) and json.dumps(as_json([scores], []))


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.booleans())
def test_whatever_the_bytes_are_the_file_is_scored_or_refused(tmp_path, data, behind):
    good = b'{"id": "x", "answer": "7", "completion": "= 7"}\n'
    path = write(tmp_path / "f.jsonl", good + data if behind else data + good)
    try:
        assert score_file(path, extractors=[END]).completions >= 1
    except InputError as refusal:
        assert not behind and re.search("could be scored|unpack it, or write its rows as JSONL", str(refusal))
