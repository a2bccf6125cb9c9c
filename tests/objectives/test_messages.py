"""What the errors say, word for word where a word could be wrong: the argument, what came, what was expected."""

from typing import Literal

import pytest
import torch

from reference.objectives import (
    InputError,
    adaptive_kl_coef,
    completion_mask,
    dpo_loss,
    group_advantages,
    length_penalised_rewards,
    masked_mean,
    mean_entropy,
    overlong_mask,
    ppo_clip_loss,
    reward_mean,
    soft_overlong_penalty,
    token_logprobs,
    total_loss,
)
from reference.objectives.explain import in_words
from reference.objectives.shapes import require_at_least, require_finite, require_positive

ROWS = torch.zeros(2, 3)
PAIRS = torch.zeros(2)


def message(call) -> str:
    with pytest.raises(InputError) as error:
        call()
    return str(error.value)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: reward_mean(ROWS), "reward_mean: rewards has shape (2, 3), expected 1 axis (batch)"),
        (lambda: masked_mean(PAIRS, PAIRS), "masked_mean: x has shape (2,), expected 2 axes (batch, pred)"),
        (lambda: total_loss(PAIRS), "total_loss: policy_loss has shape (2,), expected a single number"),
        (
            lambda: ppo_clip_loss(ROWS, ROWS, PAIRS),
            "ppo_clip_loss: advantages has shape (2,), expected 2 axes (batch, pred); for one number per row pass x[:, None]",
        ),
        (lambda: reward_mean(PAIRS.long()), "reward_mean: rewards has dtype int64, expected a float dtype"),
        (
            lambda: completion_mask(ROWS, PAIRS.long(), eos_token_id=1),
            "completion_mask: tokens has dtype float32, expected an int dtype",
        ),
        (
            lambda: overlong_mask(ROWS, PAIRS),
            "overlong_mask: truncated has dtype float32, expected a bool dtype",
        ),
        (
            lambda: token_logprobs(torch.zeros(2, 0, 3), torch.zeros(2, 0, dtype=torch.long)),
            "token_logprobs: axis time is empty, so there is nothing to score: its size must be at least 1",
        ),
        (
            lambda: group_advantages(PAIRS, group_size=2, scale="std"),
            "group_advantages: scale is 'std' (str), expected 'group' or 'batch' or 'none'",
        ),
        (
            lambda: ppo_clip_loss(ROWS, ROWS, ROWS, dual_clip="3"),
            "ppo_clip_loss: dual_clip is '3' (str), expected float or None",
        ),
        (lambda: dpo_loss(PAIRS, PAIRS, PAIRS, PAIRS, beta="1"), "dpo_loss: beta is '1' (str), expected float"),
        (
            lambda: completion_mask(ROWS.long(), PAIRS.long(), eos_token_id="1"),
            "completion_mask: eos_token_id is '1' (str), expected int | list",
        ),
        (
            lambda: dpo_loss(PAIRS, PAIRS, PAIRS, PAIRS, beta=PAIRS),
            "dpo_loss: beta is a tensor of shape (2,) (Tensor), expected float",
        ),
        (lambda: require_finite(torch.tensor([1.0, -torch.inf]), "x"), "x is -inf at position (1,)"),
        (lambda: require_at_least(2, "x", 0, 1), "x is 2, expected a finite number that is between 0 and 1"),
        (lambda: require_at_least(-1, "x", 0), "x is -1, expected a finite number that is at least 0"),
    ],
)  # fmt: skip
def test_the_message(call, text):
    assert message(call).startswith(text)
    if "x[:, None]" not in text:
        assert "x[:, None]" not in message(call)


def test_an_argument_that_is_none_or_right_is_passed_over():
    # The third argument is the wrong one, and it is the one that is named.
    assert "total_loss: kl has shape (2,)" in message(lambda: total_loss(torch.ones(()), value_loss=None, kl=PAIRS))
    text = message(lambda: adaptive_kl_coef(0.1, "much", target=1.0, horizon=10.0, num_samples=1))
    assert text.startswith("adaptive_kl_coef: observed_kl is 'much'")


def test_a_row_that_is_a_single_column_may_stand_for_all():
    # advantages (2, 1) is right, so the next wrong argument is named, not this one.
    text = message(lambda: ppo_clip_loss(ROWS, ROWS, torch.zeros(2, 1), clip_low="x"))
    assert text.startswith("ppo_clip_loss: clip_low")


def test_an_int_will_do_where_a_float_is_asked_for():
    assert torch.equal(dpo_loss(PAIRS, PAIRS, PAIRS, PAIRS, beta=1), dpo_loss(PAIRS, PAIRS, PAIRS, PAIRS, beta=1.0))


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 0, -1])
def test_what_is_not_above_zero_and_finite(value):
    with pytest.raises(InputError, match=r"x is .*, expected a finite number above 0"):
        require_positive(value, "x")


def test_infinity_from_a_string_is_infinity_too():
    # not the object math.inf
    assert "is inf, expected a finite number that is at least 0" in message(
        lambda: require_at_least(float("inf"), "x", 0)
    )
    assert "at least 0" in message(lambda: require_at_least(-1, "x", 0, float("inf")))


@pytest.mark.parametrize(
    "call",
    [
        lambda lengths: soft_overlong_penalty(lengths, max_length=10, buffer=2),
        lambda lengths: length_penalised_rewards(torch.zeros(2), lengths, length_coef=0.1, max_length=10),
    ],
)
def test_a_length_just_below_zero(call):
    assert "lengths runs from -1 to 3, expected" in message(lambda: call(torch.tensor([-1, 3])))


def test_an_axis_that_would_be_shorter_than_nothing():
    # time 0: there is no time - 1. time 1: there is, and it is 0.
    text = message(lambda: mean_entropy(torch.zeros(2, 0, 3), torch.zeros(2, 0)))
    assert text.startswith("mean_entropy: axis time is empty")
    text = message(lambda: mean_entropy(torch.zeros(2, 1, 3), torch.zeros(2, 2)))
    assert "axis 1 (time-1) is 2, expected 0 to match the arguments before it" in text


def test_annotations_in_words():
    assert in_words(float | None) == "float or None"
    assert in_words(int | list[int]) == "int | list[int]"
    assert in_words(Literal["a", "b"]) == "'a' or 'b'"
