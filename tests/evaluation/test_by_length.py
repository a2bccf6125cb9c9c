"""Accuracy by length, by hand."""

import pytest
import torch

from reference.evaluation.by_length import accuracy_by_length
from reference.evaluation.statistics import wilson_interval
from reference.objectives import InputError


def test_each_pair_is_counted_in_its_bucket():
    longer_by = torch.tensor([-30, -20, -6, -5, 0, 5, 6, 20, 21])
    margins = torch.tensor([1.0, -1.0, 2.0, 0.0, 1.0, -3.0, 0.1, 0.2, 0.3])
    found = accuracy_by_length(margins, longer_by)
    assert [(b.least, b.below, b.pairs, b.share) for b in found] == [
        (None, -20, 1, 1.0),
        (-20, -5, 2, 0.5),
        (-5, 6, 3, 1 / 3),  # a margin of 0 is no win
        (6, 21, 2, 1.0),
        (21, None, 1, 1.0),
    ]
    assert (found[2].low, found[2].high) == wilson_interval(1 / 3, 3)


def test_a_judge_of_length_is_wrong_where_the_right_one_is_shorter():
    longer_by = torch.tensor([-40, -10, 10, 40])
    assert [b.share for b in accuracy_by_length(longer_by.float(), longer_by, edges=(0,))] == [0.0, 1.0]


def test_the_words_name_both_ends():
    long, middle, short = (
        str(accuracy_by_length(torch.ones(1), torch.tensor([by]))[place]) for by, place in ((-21, 0), (0, 2), (21, 4))
    )
    assert "21 tokens shorter or more" in long and "-5 to +5 tokens" in middle and "21 tokens longer or more" in short
    assert "100.0% [20.7%, 100.0%]   (n = 1)" in middle
    assert "no pair" in str(accuracy_by_length(torch.ones(1), torch.tensor([0]))[0])


def test_what_cannot_be_counted_is_refused():
    with pytest.raises(InputError, match="expected numbers of tokens that rise"):
        accuracy_by_length(torch.ones(1), torch.tensor([0]), edges=(5, 5))
    with pytest.raises(InputError, match="margins"):
        accuracy_by_length(torch.tensor([torch.nan]), torch.tensor([0]))
