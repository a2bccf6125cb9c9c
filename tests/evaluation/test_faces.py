"""The four faces on texts so short that every number can be counted."""

import json
from math import isnan, sqrt

import pytest
from completion_lines import write

from reference.__main__ import main
from reference.evaluation.faces import (
    KINDS,
    false_checks,
    grouped_mean,
    kl_by_position,
    kl_of_beginnings,
    length_at_equal_correctness,
    line_use,
    repeated_lines,
)
from reference.evaluation.faces_files import faces
from reference.evaluation.faces_report import faces_json, faces_table
from reference.evaluation.scores import score_file
from reference.objectives import InputError
from reference.world.tasks import OPENINGS, REMARKS

PLAIN = "50-3=47\nAnswer: 47"
CHATTY = f"{OPENINGS[0]}\n50-3=46\nWait, 50-3=47\nCheck: 47+3=50\nCheck: 47+3=50\n{REMARKS[0]}\nAnswer: 47"
WRONG = "50-3=46\nCheck: 46+3=50\nAnswer: 46"
CUT = "50-3=47\nCheck: 47+"


def line(identity, texts, **more):
    return {"id": identity, "question": "What is 50-3?" + identity, "answer": "47", "completions": texts} | more


def test_right_and_wrong_ones_have_lengths_of_their_own():
    assert length_at_equal_correctness([4, 6, 20], [True, True, False]) == (5, 2, 20, 1)
    assert length_at_equal_correctness([4], [True]) == (4, 1, None, 0)
    with pytest.raises(InputError, match="2 lengths and 1 verdicts"):
        length_at_equal_correctness([1, 2], [True])


def test_the_kl_at_a_position_is_the_mean_of_those_that_get_there():
    ratios = [[[1.0, 0.5], [3.0]], [[5.0, 1.5]]]
    first, second = kl_by_position(ratios)
    assert first.mean == 3 and first.completions == 3 and second.mean == 1 and second.completions == 2
    assert first.error == pytest.approx(sqrt(2 * ((-2 + 0) ** 2 + 2**2)) / 3)  # sums of a problem around the mean
    assert kl_of_beginnings(ratios)[0] == pytest.approx((1.5 + 3 + 6.5) / 3)
    with pytest.raises(InputError, match="complete --against"):
        kl_by_position([[[], []]])


def test_the_error_of_a_mean_counts_groups():
    numbers = [1.0, 2.0, 4.0, 9.0]  # around 4: 9 + 4 + 0 + 25 = 38
    assert grouped_mean([[x] for x in numbers]) == (4, pytest.approx(sqrt(38 / 3 / 4)), 4)
    assert grouped_mean([[x, x] for x in numbers])[1] == pytest.approx(sqrt(38 / 3 / 4))  # a copy is no new problem
    assert isnan(grouped_mean([numbers, []]).error)
    with pytest.raises(InputError, match="no numbers"):
        grouped_mean([[]])


def test_lines_are_counted_by_what_they_are():
    found = {kind: line_use([PLAIN, CHATTY, WRONG, CUT], kind) for kind in KINDS}
    assert found == {"opening": (0.25, 0.25), "check": (0.75, 1.0), "restart": (0.25, 0.25), "remark": (0.25, 0.25)}
    assert line_use(["Let me Check: no", "Wait", "So far so good"], "check") == (0, 0)
    with pytest.raises(InputError, match="no completions"):
        line_use([], "check")


def test_a_check_is_false_where_its_sum_is():
    assert false_checks([PLAIN, CHATTY, WRONG, CUT]) == (1, 3)  # what is no whole sum is not judged
    assert false_checks(["Check: 3-5=-2", "check: 1+1=3"]) == (0, 1)


def test_a_repeated_line_is_one_that_the_same_completion_has_before():
    assert repeated_lines([CHATTY, PLAIN, PLAIN]) == pytest.approx(1 / (7 + 2 + 2))
    assert repeated_lines(["a\n\na \n a"]) == pytest.approx(2 / 3)
    assert repeated_lines([""]) == 0


@pytest.fixture
def small(tmp_path):
    """Two problems of four completions; the second has another right one than the first, and a truncated one."""
    return write(
        tmp_path / "small.jsonl",
        line("a", [PLAIN, PLAIN, CHATTY, WRONG], tokens=[8, 8, 40, 20]),
        line("b", [WRONG, WRONG, WRONG, CUT], tokens=[20, 20, 20, 10], truncated=[False, False, False, True]),
    )


def test_a_file_is_measured(small):
    found = faces(small, k=2)
    assert (found.problems, found.completions, found.too_few, found.unit) == (2, 8, 0, "tokens")
    assert found.pass_1 == pytest.approx((3 / 4 + 0) / 2) and found.pass_k == pytest.approx((1 + 0) / 2)
    assert found.lengths == (pytest.approx(56 / 3), 3, 18, 5) and list(found.right_lengths.values()) == [
        pytest.approx(56 / 3)
    ]
    assert found.distinct_texts == pytest.approx((2 - 1 / 6 + 2 - 3 / 6) / 2)  # pairs of equal texts: 1 and 3 of 6
    assert found.distinct_answers == pytest.approx(((3 + 2 * 3) / 6 + 1) / 2)  # 47 47 47 46, and 46 46 46 none
    assert found.answered == 7 / 8 and found.truncated == 1 / 8
    assert found.false_checks == (4, 6) and found.lines["check"] == (6 / 8, 7 / 8)
    assert found.kl is None and found.kl_beginnings is None


def test_pass_at_1_is_that_of_the_command_score(small):
    assert faces(small).pass_1 == pytest.approx(score_file(small).rate("stated"))


def test_a_file_with_log_ratios_has_the_rows_of_the_kl(tmp_path, small):
    path = write(
        tmp_path / "moved.jsonl",
        line("a", [PLAIN, WRONG], log_ratios=[[0.25, 0.5], [0.75]], protocol={"model": "m", "against": "base"}),
        line("b", [PLAIN], log_ratios=[[2.0, -0.5]], protocol={"model": "m", "against": "base"}),
        line("c", [PLAIN, WRONG], log_ratios=[[1.0]], protocol={"model": "m", "against": "base"}),
    )
    found = faces(path, k=1)
    assert [mean.mean for mean in found.kl] == [1, 0] and found.kl_beginnings.mean == 1
    text = faces_table([faces(small, k=1), found])
    assert "(model m, against base)" in text and "log_ratios are not a list of numbers for each completion" in text
    row = next(row for row in text.splitlines() if "KL at token 1" in row)
    assert row.split()[-4:] == ["-", "1.0000", "±", "0.6667"]  # problems are -1 and 1 from the mean: sqrt(2 * 2) / 3
    assert "1.0000\n" in faces_table([faces(write(tmp_path / "one.jsonl", line("b", [PLAIN], log_ratios=[[1.0]])))])


@pytest.mark.parametrize(
    "ratios",
    [[[1e308, -1e308]], [[1e308], [1e308]], [[float("nan")]], [[True]], [[None]], [["a"]], [[[1.0]]], {"a": 1}, "x"],
)
def test_log_ratios_that_cannot_be_are_left_out_and_noted(tmp_path, ratios):
    text = faces_table([faces(write(tmp_path / "odd.jsonl", line("a", [PLAIN], log_ratios=ratios)))])
    assert "KL at token" not in text and "lines whose log_ratios are not a list of numbers" in text


def test_files_are_compared_for_as_many_n_grams_and_for_the_problems_that_all_have_right(tmp_path, small):
    longer = write(tmp_path / "longer.jsonl", line("a", [CHATTY] * 4), line("b", [CHATTY] * 4))
    text = faces_table([faces(small, k=2), faces(longer, k=2)])
    count = faces(small).ngrams[1].total
    assert f"distinct 1-grams of {count}" in text and "1 problem that all have right" in text
    row = next(row for row in text.splitlines() if "1 problem that all" in row)
    assert row.split()[-4:] == ["18.7", "tokens", f"{len(CHATTY)}.0", "characters"]
    found = faces_json([faces(small, k=2), faces(longer, k=2)])
    assert [f["distinct_ngrams"]["1"]["compared"] for f in found["files"]] == [count, count]
    assert (
        found["files"][1]["distinct_ngrams"]["1"]["share"]
        < found["files"][1]["distinct_ngrams"]["1"]["share_of_compared"]
    )


def test_the_command_prints_a_table_or_json_and_refuses_in_a_sentence(small, tmp_path, capsys):
    assert main(["faces", small, "--k", "4"]) == 0
    assert "different answers among 4" in capsys.readouterr().out
    assert main(["faces", small, small, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [f["file"] for f in found["files"]] == [small, small] and found["files"][0]["too_few"] == 2
    assert found["files"][0]["pass_k"] is None and found["problems_all_have_right"] == 1
    for bad, why in ((["-", "-"], "can be read once"), ([str(tmp_path)], "is a folder"), (["nowhere"], "nowhere")):
        assert main(["faces", *bad]) == 2
        assert why in capsys.readouterr().err


def test_the_command_takes_the_options_that_its_refusals_name(tmp_path, capsys):
    """Fields that nobody guesses, and gold answers of another file."""
    mine = write(tmp_path / "mine.jsonl", {"id": "a", "mine": PLAIN}, {"id": "a", "mine": WRONG})
    gold = write(tmp_path / "gold.jsonl", {"id": "a", "right": "47"})
    assert main(["faces", mine]) == 2 and "--completion" in capsys.readouterr().err
    assert main(["faces", mine, "--completion", "mine"]) == 2 and "--gold" in capsys.readouterr().err
    options = ["--completion", "mine", "--gold", gold, "--answer", "right", "--k", "2", "--json"]
    assert main(["faces", mine, *options]) == 0
    (found,) = json.loads(capsys.readouterr().out)["files"]
    assert (found["pass_1"], found["distinct_answers"]) == (0.5, 2)
    assert main(["faces", "-", "--gold", "-"]) == 2 and "can be read once" in capsys.readouterr().err


def test_files_with_other_k_do_not_stand_beside_each_other(small):
    with pytest.raises(InputError, match="one k for all"):
        faces_table([faces(small, k=1), faces(small, k=2)])
    with pytest.raises(InputError, match="expected at least 1"):
        faces(small, k=0)
