"""A right solution is carried on; anything else is replaced by the reference, and said to be."""

import pytest
import torch

from reference import mine, objectives


def unsolved(x, mask):
    raise NotImplementedError


def own(x, mask):
    return (x * mask).sum() / mask.sum()


def over_padding(x, mask):
    return (x * mask).mean()


def unlike_any_known_mistake(x, mask):
    return x.sum() + 7


def test_a_right_solution_is_returned_as_it_is(capsys):
    assert mine(own, "masked_mean") is own
    assert capsys.readouterr().out == "✓ masked_mean: training with yours.\n"


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (unsolved, "not attempted yet"),
        (over_padding, "yours does not pass its check yet"),
        (unlike_any_known_mistake, "yours does not pass its check yet"),
        (lambda: 1 / 0, "yours does not pass its check yet"),
        (torch.ones(2), "yours does not pass its check yet"),  # a result instead of a function
    ],
)
def test_the_reference_stands_in_for_everything_else_and_it_says_so(function, why, capsys):
    assert mine(function, "masked_mean") is objectives.masked_mean
    assert capsys.readouterr().out == f"○ masked_mean: {why}, so the reference stands in.\n"


def test_an_unknown_exercise_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="there is no exercise 'kl_k9'; the exercises are masked_mean"):
        mine(own, "kl_k9")
