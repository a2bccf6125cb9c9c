"""Ids, attention, positions and padding on rows of a few tokens."""

from dataclasses import replace

import pytest
import torch
from made import made, seen

from reference.audit.checks_layout import attention, ids, padding, positions
from reference.audit.ends import ended, eos_id, pad_id, real

ROWS = ("__qocce", "qqqocce", "qoce___")


def test_right_rows_have_nothing_wrong():
    batch = made(*ROWS)
    assert not [one for check in (ids, attention, positions, padding) for one in check(batch)]


def test_what_the_batch_does_not_say_is_read_from_the_tokens():
    batch = replace(made(*ROWS), numbers={})
    assert (pad_id(batch), eos_id(batch)) == (0, 1)
    assert ended(batch).tolist() == [True, True, True]
    without = replace(batch, attention_mask=None, numbers={"pad_token_id": 0.0})
    assert real(without).equal(batch.attention_mask)
    assert real(replace(without, numbers={})) is None


def test_of_one_id_for_padding_and_end_the_first_behind_a_row_ends_it():
    batch = made("qqcceee", "qccccce")
    batch = replace(batch, attention_mask=None, numbers={"pad_token_id": 1.0, "eos_token_id": 1.0})
    assert real(batch).sum(dim=1).tolist() == [5, 7]
    assert ended(batch).tolist() == [True, True]


def test_ids_below_0():
    batch = made("qocce")
    batch.tokens[0, 1] = -100
    assert [one.where for one in ids(batch)] == ["1 token in 1 of 1 rows, the first in row 0, column 1"]


def test_holes_and_empty_rows_of_an_attention_mask():
    batch = made("qocce", "qocce", "qocce")
    mask = torch.tensor([[1, 1, 0, 1, 1], [0, 0, 0, 0, 0], [0, 1, 1, 1, 0]]).bool()
    found = attention(replace(batch, attention_mask=mask))
    assert [one.where for one in found] == ["1 of 3 rows: 1", "1 token in 1 of 3 rows, the first in row 0, column 2"]


def test_a_hole_that_was_made_by_value_says_so():
    batch = made("qeocce", "qeocce", pad_token_id=1)
    mask = batch.tokens != 1
    assert "made by value" in attention(replace(batch, attention_mask=mask))[0].what


def test_padding_that_is_attended_to_is_a_doubt():
    batch = replace(made("qocce__"), attention_mask=torch.ones(1, 7, dtype=torch.bool))
    assert seen(attention(batch)) == [("doubt", "The attention mask is 1 on tokens with the padding's id.")]


@pytest.mark.parametrize(
    ("ids", "level"),
    [
        ([[0, 0, 0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5, 6]], None),
        ([[0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 3, 4, 5, 6]], "doubt"),  # the padding is counted
        ([[1, 1, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6, 7]], "doubt"),  # counted from 1
        ([[0, 0, 0, 1, 2, 3, 4], [0, 1, 2, 0, 1, 2, 3]], None),  # two texts in a row
        ([[0, 0, 0, 1, 1, 2, 3], [0, 1, 2, 3, 4, 5, 6]], "fault"),
    ],
)
def test_positions_count_real_tokens_from_0(ids, level):
    found = positions(replace(made("__qocce", "qqqocce"), position_ids=torch.tensor(ids)))
    assert [one.level for one in found] == ([] if level is None else [level])


def test_one_id_for_padding_and_end_is_a_note_and_a_fault_where_no_end_is_left():
    rows = made("qqcce__", "qccccce", pad_token_id=1)
    tokens = torch.where(rows.tokens == 0, 1, rows.tokens)
    lengths = torch.tensor([[1, 1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1, 1]]).bool()
    assert [one.level for one in padding(replace(rows, tokens=tokens, attention_mask=lengths))] == ["note"]
    found = padding(replace(rows, tokens=tokens, attention_mask=tokens != 1))
    assert [(one.level, one.where) for one in found] == [("note", ""), ("fault", "2 of 2 rows: 0, 1")]
