"""Each check of a mask on two or three rows of a few tokens."""

from dataclasses import replace

import pytest
from made import made

from reference.audit import Batch, checks_mask
from reference.audit.checks_mask import behind_end, empty, end, pads, prompt, shifted
from reference.audit.checks_tools import tools
from reference.audit.turns import tool_tokens, written

CHECKS = (empty, pads, shifted, prompt, end, behind_end, tools)
RIGHT = ("__qqoccce", "qqqqoccce", "___qocce_")
TOOL = ("qqokceTtteocce", "_qokceTteocce_")
TOOL_LOSS = ("00011100000111", "00011100001110")


def checks(batch):
    return {one.check: one for check in CHECKS for one in check(batch) if one.level != "note"}


@pytest.mark.parametrize("markers", [True, False])
@pytest.mark.parametrize("start", [0, 1, 5])
def test_right_rows_have_nothing_wrong(markers, start):
    assert not checks(made(*RIGHT, markers=markers, start=start, loss=("000001111", "000001111", "000001110")))


def test_turns_are_found_by_their_markers():
    batch = made(*TOOL, markers=True, loss=TOOL_LOSS)
    own, tool = written(batch), tool_tokens(batch)
    assert ["".join("01"[x] for x in row) for row in own.int().tolist()] == list(TOOL_LOSS)
    assert ["".join("01"[x] for x in row) for row in tool.int().tolist()] == ["00000011110000", "00000011100000"]
    assert not checks(batch)


def test_a_marker_that_the_model_wrote_opens_no_turn():
    assert not checks(made("qocTce", markers=True, loss=("001111",)))


def test_a_mask_of_zeros_is_a_fault_and_a_row_of_zeros_a_note():
    assert checks(made(*RIGHT, loss=("0" * 9,) * 3)).keys() == {"empty"}
    (note,) = empty(made(*RIGHT, loss=("000001111", "0" * 9, "000001110")))
    assert (note.level, note.where) == ("note", "1 of 3 rows: 1")


@pytest.mark.parametrize(("start", "markers"), [(5, False), (1, True)])
@pytest.mark.parametrize(
    ("loss", "side"),
    [(("000000111", "000000111", "000000111"), "late"), (("000011110", "000011110", "000011000"), "early")],
)
def test_one_column_off(loss, side, start, markers):
    rows = (*RIGHT[:2], "__qqocc__") if side == "early" else RIGHT
    found = checks(made(*rows, loss=loss, start=start, markers=markers))
    assert found.keys() == {"shifted"} and f"too {side}" in found["shifted"].what


def test_without_the_prompts_end_a_lost_eos_may_be_a_shift_and_says_so():
    found = checks(made("qqccce", "qqqcce", loss=("011110", "001110")))
    assert found.keys() == {"end"} and "looks like this, too" in found["end"].what


def test_the_eos_of_every_turn_counts_where_markers_are_known():
    loss = ("00011000000111", "00011000001110")
    assert not checks(made(*TOOL, loss=loss))
    found = checks(made(*TOOL, loss=loss, markers=True))["end"]
    assert found.where == "2 tokens in 2 of 2 rows, the first in row 0, column 5"


def test_rows_that_were_cut_off_are_a_note():
    (note,) = end(made("qqoccc", "qqocce", loss=("000111", "000111")))
    assert (note.level, note.where) == ("note", "1 of 2 rows: 0")


def test_demonstrations_without_an_eos_are_a_doubt():
    assert [one.level for one in end(made("qqocc_", "qqoccc", loss=("000110", "000111")))] == ["doubt"]


@pytest.mark.parametrize(("markers", "level"), [(True, "fault"), (False, "doubt")])
def test_a_prompt_in_the_loss(markers, level):
    found = prompt(made("qqocce__", "qqqoccce", loss=("01111100", "01111111"), markers=markers))
    assert [one.level for one in found] == [level]
    if markers:
        assert found[0].where == "5 tokens in 2 of 2 rows, the first in row 0, column 1"


def test_half_of_a_prompt_is_seen_by_its_width():
    found = prompt(made("qqocce", "qqocce", loss=("001111", "001111"), prompt_width=3, start=1))
    assert found[0].level == "fault" and found[0].where.startswith("2 tokens in 2 of 2 rows")


def test_whole_rows_of_sampled_batches_are_a_fault():
    batch = made("qqocce", "qoccce", loss=("011111", "011111"), start=1, per_row={"rewards": [0.0, 1.0]})
    assert [one.level for one in prompt(batch)] == ["fault"]


def test_padding_in_the_loss():
    (found,) = pads(made("qocce___", "qoccccce", loss=("00111100", "00111111")))
    assert found.where == "1 token in 1 of 2 rows, the first in row 0, column 5"


def test_what_follows_an_eos():
    (found,) = behind_end(made("qocceqqoce", loss=("0011110011",)))
    assert (found.level, found.where) == ("fault", "1 token in 1 of 1 rows, the first in row 0, column 5")
    (found,) = behind_end(made("qocceqqoce", loss=("0111111111",)))
    assert found.level == "doubt"  # everything is in the loss, as in pretraining


def test_what_a_tool_wrote():
    loss = ("00011111111111", "00011111111110")
    found = checks(made(*TOOL, loss=loss, markers=True))
    assert found["tools"].where == "7 tokens in 2 of 2 rows, the first in row 0, column 6"
    assert found["prompt"].where == "2 tokens in 2 of 2 rows, the first in row 0, column 10"  # the next turn's marker


@pytest.mark.parametrize("row", ["qqokceTeocce", "qqokceocccce"])
def test_a_call_without_a_result(row):
    loss = "".join("1" if letter in "ckTe" and place > 2 else "0" for place, letter in enumerate(row))
    found = [one for one in tools(made(row, loss=(loss,), markers=True)) if one.check == "tool_results"]
    assert [one.where for one in found] == ["1 token in 1 of 1 rows, the first in row 0, column 5"]


def test_a_row_may_end_with_its_call():
    assert not tools(made("qqokce__", loss=("00011100",), markers=True))


def test_every_check_of_a_mask_is_silent_without_one():
    from dataclasses import replace

    batch = replace(made(*RIGHT), mask=None)
    assert not [one for check in CHECKS for one in check(batch)]
    assert checks_mask.shift_of(batch) == 0


def unknown_end(*rows: str, loss: tuple[str, ...]) -> Batch:
    """A batch that does not say which id the EOS has."""
    batch = made(*rows, loss=loss)
    return replace(batch, numbers={"pad_token_id": 0.0})


def test_a_template_may_write_behind_the_eos():
    """Rows "qqoccet": t is the line break of the template, in the loss in none of them. Nothing is wrong."""
    rows, loss = ("qqoccet", "qqocet_"), ("0001110", "0001100")
    assert end(made(*rows, loss=loss)) == []
    (found,) = end(unknown_end(*rows, loss=loss))
    assert (found.level, found.what) == (
        "doubt", "Rows end in id 60, out of the loss, and the loss ends in id 1: say which one is the EOS.",
    )  # fmt: skip


def test_an_eos_inside_of_rows_that_is_never_trained_is_a_doubt():
    (found,) = end(made("qqoccet", "qqocet_", loss=("0001100", "0001000")))
    assert found.level == "doubt" and found.what.startswith(
        "The EOS (id 1) stands inside of rows and is never in the loss"
    )


def test_texts_that_are_cut_to_one_width_end_anywhere():
    assert end(made("qoccecc", "ceqocce", "ccceqoc", loss=("0111111", "1111111", "1111111"))) != []
    assert end(made("qoccecc", "ceqoccc", loss=("0111111", "1111111"))) == []


def test_a_guessed_end_that_stands_inside_of_a_completion_makes_no_fault():
    """Both rows end in t, a line break say, and t stands in the middle of the first completion."""
    (found,) = behind_end(unknown_end("qqocctcct", "qqoccct__", loss=("000111111", "000111100")))
    assert found.level == "doubt" and "Id 60 is taken for the EOS" in found.what


def test_a_line_break_behind_the_eos_is_no_shift_and_no_fault():
    rows = ("qqoccet", "qqocet_", "qqoccet")
    right = made(*rows, loss=("0001110", "0001100", "0001110"))
    assert not checks(right)
    (found,) = behind_end(made(*rows, loss=("0001111", "0001110", "0001111")))
    assert found.level == "doubt" and "a template's line break" in found.what
    assert checks(made(*rows, loss=("0011100", "0011000", "0011100")))  # early by one: the EOS is not taught
