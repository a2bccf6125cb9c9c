"""McNemar's test against binomials added up by hand, the interval against all resamples, and files compared by hand."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from completion_lines import END, write

from reference.evaluation import paired
from reference.evaluation.paired import compare, difference_interval, mcnemar
from reference.evaluation.scores import score_file
from reference.evaluation.statistics import bootstrap_interval
from reference.objectives import InputError


@pytest.mark.parametrize(
    ("only_first", "only_second", "p"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),  # one coin: 2 * 1/2
        (5, 0, 2 / 32),
        (0, 6, 2 / 64),  # the fewest problems that reach 0.05
        (1, 7, 2 * (1 + 8) / 256),
        (2, 8, 2 * (1 + 10 + 45) / 1024),
        (3, 3, 1.0),  # 2 * (1 + 6 + 15 + 20) / 64 is above 1
    ],
)
def test_mcnemar_by_hand(only_first, only_second, p):
    assert mcnemar(only_first, only_second) == p == mcnemar(only_second, only_first)


def test_mcnemar_is_the_share_of_coin_throws_that_are_at_least_as_uneven():
    for n, fewer in ((7, 1), (8, 3), (9, 4)):
        throws = [min(sum(throw), n - sum(throw)) for throw in itertools.product((0, 1), repeat=n)]
        assert mcnemar(fewer, n - fewer) == sum(uneven <= fewer for uneven in throws) / 2**n


def test_many_problems_are_counted_in_logarithms(monkeypatch):
    exact = [mcnemar(fewer, 400 - fewer) for fewer in (0, 150, 180, 199, 200)]
    monkeypatch.setattr(paired, "EXACT", 100)
    assert [mcnemar(fewer, 400 - fewer) for fewer in (0, 150, 180, 199, 200)] == pytest.approx(exact, rel=1e-10)
    assert exact[0] == pytest.approx(float(Fraction(2, 2**400))) and exact[-1] == 1.0


def test_mcnemar_refuses_counts_below_zero():
    with pytest.raises(InputError, match=r"mcnemar: only_first is -1 .* expected counts from 0 on"):
        mcnemar(-1, 2)


def test_the_interval_is_that_of_all_resamples():
    differences = [1, 1, 0, -1, 0.5]
    means = np.array([sum(drawn) / 5 for drawn in itertools.product(differences, repeat=5)])
    low, high = np.quantile(means, [0.025, 0.975])
    assert difference_interval(differences, resamples=200_000) == pytest.approx((low, high), abs=0.1)
    assert difference_interval(differences, level=0.5) == pytest.approx(
        tuple(np.quantile(means, [0.25, 0.75])), abs=0.1
    )


def test_the_interval_is_that_of_the_statistics():
    differences = [1.0] * 30 + [-1.0] * 10 + [0.0] * 60
    assert difference_interval(differences) == pytest.approx(bootstrap_interval(differences), abs=0.02)
    half = 1.96 * math.sqrt(sum(d * d for d in differences) / 100 - 0.04) / 10  # of the normal distribution
    assert difference_interval(differences) == pytest.approx((0.2 - half, 0.2 + half), abs=0.015)


def test_the_interval_depends_on_the_seed_alone():
    differences = [Fraction(1, 3), 0, -1, 1]
    assert difference_interval(differences) == difference_interval(differences)
    assert difference_interval([0, 0]) == (0.0, 0.0)


@pytest.mark.slow
def test_many_values_are_drawn_in_parts():
    many = [i / 1000 for i in range(2000)]
    low, high = difference_interval(many)
    assert low < 0.9995 < high and high - low == pytest.approx(2 * 1.96 * 0.57735 / math.sqrt(2000), rel=0.05)


@pytest.mark.parametrize("options", [{"differences": []}, {"level": 1.0}, {"resamples": 0}])
def test_the_interval_refuses_what_has_none(options):
    with pytest.raises(InputError, match="expected at least one difference, a level between 0 and 1"):
        difference_interval(**{"differences": [1, 0], **options})


def scored(path, answers, golds=None):
    """Scores of a file with one problem for each list of answers; the gold answer is 7."""
    rows = [
        {"id": key, "answer": (golds or {}).get(key, "7"), "completions": [f"= {answer}" for answer in given]}
        for key, given in answers.items()
    ]
    return score_file(write(path, *rows), extractors=[END])


def test_two_files_by_hand(tmp_path):
    first = scored(tmp_path / "a.jsonl", {"a": "7", "b": "7", "c": "1", "d": "1", "only": "7"})
    second = scored(tmp_path / "b.jsonl", {"d": "7", "c": "7", "b": "1", "a": "7", "x": "7", "y": "7"})
    found = compare(first, second, "end")
    assert (found.problems, found.first, found.second, found.difference) == (4, 0.5, 0.75, 0.25)
    assert (found.first_better, found.second_better) == (1, 2)
    assert found.p_value == mcnemar(1, 2) == 1.0 and not found.claim
    assert (found.only_in_first, found.only_in_second, found.other_gold) == (1, 2, 0)
    assert found.interval == difference_interval([0, -1, 1, 1])
    back = compare(second, first, "end")
    assert (back.difference, back.first_better, back.second_better) == (-0.25, 2, 1)


def test_of_several_samples_the_shares_are_compared(tmp_path):
    first = scored(tmp_path / "a.jsonl", {"a": "771", "b": "711"})  # 2/3 and 1/3
    second = scored(tmp_path / "b.jsonl", {"a": "777711", "b": "7711"})  # 4/6, which is as much, and 1/2
    found = compare(first, second, "end")
    assert (found.first_better, found.second_better) == (0, 1)
    assert found.difference == pytest.approx((0 + 1 / 6) / 2)


def test_better_is_claimed_where_the_test_and_the_interval_say_so(tmp_path):
    problems = [f"p{i}" for i in range(8)]
    first = scored(tmp_path / "a.jsonl", dict.fromkeys(problems, "1"))
    six = scored(tmp_path / "b.jsonl", {p: "7" if i < 6 else "1" for i, p in enumerate(problems)})
    five = scored(tmp_path / "c.jsonl", {p: "7" if i < 5 else "1" for i, p in enumerate(problems)})
    assert compare(first, six, "end").claim and compare(six, first, "end").claim
    assert not compare(first, five, "end").claim  # p is 2/32


def test_a_gold_that_is_written_in_another_way_is_the_same(tmp_path):
    first = scored(tmp_path / "a.jsonl", {"a": "7"}, golds={"a": "1,234"})
    second = scored(tmp_path / "b.jsonl", {"a": "7"}, golds={"a": "so #### 1234"})
    assert compare(first, second, "end").problems == 1


def test_a_problem_with_another_gold_is_another_problem(tmp_path):
    first = scored(tmp_path / "a.jsonl", {"a": "7", "b": "7"})
    second = scored(tmp_path / "b.jsonl", {"a": "1", "b": "1"}, golds={"b": "8"})
    found = compare(first, second, "end")
    assert (found.problems, found.other_gold, found.difference) == (1, 1, -1.0)
    with pytest.raises(InputError, match="have 1 problem of the same id, but every one has another gold answer"):
        compare(scored(tmp_path / "c.jsonl", {"b": "7"}), second, "end")


def test_files_without_a_common_problem_and_unknown_extractors_are_refused(tmp_path):
    first, second = scored(tmp_path / "a.jsonl", {"a": "7"}), scored(tmp_path / "b.jsonl", {"b": "7"})
    with pytest.raises(InputError, match=r"have no problem in common: the first file has 'a', the second 'b'.* --id"):
        compare(first, second, "end")
    with pytest.raises(InputError, match="there is no score under 'boxed'; there are end"):
        compare(first, first, "boxed")
