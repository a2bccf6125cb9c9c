"""``table``: what stands in which column."""

import pytest
import torch

from reference.teaching.table import table


def test_numbers_stand_under_their_headings_and_zero_has_no_sign(capsys):
    table({"k1": (0.2, -0.1), "k2, halved": torch.tensor([0.02, -0.0])}, "mean", "std", digits=2)
    assert capsys.readouterr().out == (
        "            mean    std\n"  #
        "k1          0.20  -0.10\n"
        "k2, halved  0.02   0.00\n"
    )


def test_words_whole_numbers_and_booleans_are_printed_as_they_are(capsys):
    table({"a": ("kept", 3, True), "b": torch.tensor(7), "c": [torch.tensor([1.5, 2]), "x"]}, digits=1)
    assert capsys.readouterr().out == "a  kept    3  True\nb     7\nc   1.5  2.0     x\n"


def test_what_rounds_to_zero_from_below_has_no_sign_and_what_does_not_keeps_it(capsys):
    table({"d": (-4e-5, -6e-5, float("nan"), -float("inf"))})
    assert capsys.readouterr().out == "d  0.0000  -0.0001  nan  -inf\n"


def test_a_gradient_is_no_obstacle(capsys):
    table({"w": torch.ones(2, requires_grad=True)}, digits=0)
    assert capsys.readouterr().out == "w  1  1\n"


def test_a_row_of_another_length_than_the_headings_is_refused():
    with pytest.raises(ValueError, match=r"row 'k1' has 1 numbers for 2 headings"):
        table({"k1": 1.0}, "mean", "std")
