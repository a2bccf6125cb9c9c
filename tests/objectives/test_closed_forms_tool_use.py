"""Tool use: results that a reader can work out on paper, and every trajectory of a few turns, built turn by turn."""

import itertools
import math

import pytest
import torch
from float64 import f64
from paper import LN2, LN3, assert_is

from reference.objectives import future_loss, keep_call, tool_mask, trajectory_reward

USER, ASSISTANT, TOOL, EOS, PAD = 5, 6, 7, 8, 9
IDS = {"assistant_token_id": ASSISTANT, "eos_token_id": EOS}

# The mask

TURNS = {  # what a turn is made of, and which of its tokens the assistant has written
    "user": ([USER, 1, 2, EOS], [0, 0, 0, 0]),
    "tool": ([TOOL, 3, EOS], [0, 0, 0]),
    "assistant": ([ASSISTANT, 4, 1, EOS], [0, 1, 1, 1]),
    "silent": ([ASSISTANT, EOS], [0, 1]),
    "forged": ([ASSISTANT, 4, TOOL, 3, USER, ASSISTANT, EOS], [0, 1, 1, 1, 1, 1, 1]),  # no EOS between: it wrote it all
}
CUT = {"cut": ([ASSISTANT, 4, 1], [0, 1, 1]), "header": ([ASSISTANT], [0]), "cut tool": ([TOOL, 3], [0, 0])}


def trajectories():
    """(tokens, written) of every sequence of up to three turns, the last of which may be cut off."""
    for count in (1, 2, 3):
        for turns in itertools.product(TURNS.values(), repeat=count - 1):
            for last in (*TURNS.values(), *CUT.values()):
                parts = [*turns, last]
                yield [i for ids, _ in parts for i in ids], [w for _, written in parts for w in written]


@pytest.mark.parametrize("pad", [PAD, EOS, ASSISTANT])  # a padding that looks like a token of the chat is padding
@pytest.mark.parametrize("left", [True, False])
def test_tool_mask_of_every_trajectory_in_one_padded_batch(left, pad):
    rows = list(trajectories())
    width = max(len(ids) for ids, _ in rows)

    def padded(values, filler):
        missing = [filler] * (width - len(values))
        return missing + values if left else values + missing

    tokens = torch.tensor([padded(ids, pad) for ids, _ in rows])
    attention = torch.tensor([padded([1] * len(ids), 0) for ids, _ in rows])
    expected = torch.tensor([padded(written, 0) for _, written in rows])[:, 1:]
    assert torch.equal(tool_mask(tokens, attention, **IDS), expected.bool())


def test_nothing_is_left_to_predict_of_a_single_token():
    assert tool_mask(torch.tensor([[ASSISTANT]]), torch.ones(1, 1), **IDS).shape == (1, 0)


# The reward


def test_a_trajectory_earns_its_success_and_pays_for_its_calls():
    calls, invalid = torch.tensor([3, 3, 0]), torch.tensor([0, 2, 0])
    success = f64(1, 1, 0)
    assert_is(trajectory_reward(success, calls, invalid), 1, 1, 0)
    assert_is(trajectory_reward(success, calls, invalid, call_price=0.1), 1 - 3 * 0.1, 1 - 3 * 0.1, 0)
    assert_is(trajectory_reward(success, calls, invalid, invalid_price=0.2), 1, 1 - 2 * 0.2, 0)
    assert_is(trajectory_reward(success, calls, invalid, valid_bonus=0.3), 1 + 3 * 0.3, 1 + 1 * 0.3, 0)
    together = {"call_price": 0.1, "invalid_price": 0.2, "valid_bonus": 0.3}
    assert_is(trajectory_reward(success, calls, invalid, **together), 1 - 0.3 + 0.9, 1 - 0.3 - 0.4 + 0.3, 0)


@pytest.mark.parametrize(("bonus", "best"), [(0.2, 20), (0.1, 0), (0.05, 0)])
def test_a_bonus_above_the_price_pays_for_calls_for_their_own_sake(bonus, best):
    """Of wrong answers with 0 to 20 valid calls, the most calls earn the most: 20 * (0.2 - 0.1) = 2, twice a success."""
    calls = torch.arange(21)
    earned = trajectory_reward(f64(*[0] * 21), calls, torch.zeros_like(calls), call_price=0.1, valid_bonus=bonus)
    assert_is(earned, *((bonus - 0.1) * n for n in range(21)))
    assert earned[best] == earned.max()


@pytest.mark.parametrize(("without", "price", "call_is_better"), [(0.5, 0.25, True), (0.875, 0.25, False)])
def test_a_call_pays_where_it_raises_the_chance_of_success_by_more_than_its_price(without, price, call_is_better):
    """With the call every answer is right; without it, a share. Expected rewards over right and wrong answers."""
    chance = f64(without, 1 - without)
    guessed = trajectory_reward(f64(1, 0), torch.tensor([0, 0]), torch.tensor([0, 0]), call_price=price)
    called = trajectory_reward(f64(1), torch.tensor([1]), torch.tensor([0]), call_price=price)
    assert_is((chance * guessed).sum(), without)
    assert_is(called, 1 - price)
    assert (called > (chance * guessed).sum()).item() == call_is_better


# Toolformer's filter

FIFTEENTHS = (5, 4, 3, 2, 1)


def test_five_equal_tokens_cost_one_of_them_and_a_shorter_future_less():
    x = f64(*[[-LN3] * 7] * 6)
    mask = torch.tensor([[1] * n + [0] * (7 - n) for n in (7, 5, 3, 2, 1, 0)])
    assert_is(future_loss(x, mask), LN3, LN3, LN3 * 12 / 15, LN3 * 9 / 15, LN3 * 5 / 15, 0)


@pytest.mark.parametrize("place", range(7))
def test_a_token_weighs_by_its_distance_and_a_gap_is_not_closed(place):
    """One token is kept. Its weight is that of its place, whatever is missing before it."""
    x = f64([-LN2] * 7).requires_grad_()
    mask = torch.zeros(1, 7)
    mask[0, place] = 1
    weight = FIFTEENTHS[place] / 15 if place < 5 else 0.0
    loss = future_loss(x, mask)
    assert_is(loss, weight * LN2)
    (gradient,) = torch.autograd.grad(loss.sum(), x)
    assert_is(gradient[0], *(-weight if t == place else 0.0 for t in range(7)))


def test_the_weights_fall_by_a_fifth_of_the_first_and_are_one_together():
    x = f64([-1.0] * 5).requires_grad_()
    (gradient,) = torch.autograd.grad(future_loss(x, torch.ones(1, 5)).sum(), x)
    fractions = [1 / 3, 4 / 15, 3 / 15, 2 / 15, 1 / 15]
    assert_is(-gradient[0], *fractions)
    assert_is(sum(-gradient[0]), 1)


def test_a_result_is_worth_the_surprise_that_it_saves():
    """A digit of ten costs ln 10 = 2.303 nats unless the result names it. The loss of five such tokens is ln 10 too."""
    digits, known, mask = f64([-math.log(10)] * 5), f64([0.0] * 5), torch.ones(1, 5)
    unknown, told = future_loss(digits, mask), future_loss(known, mask)
    assert_is(unknown, math.log(10))
    assert_is(told, 0)
    for threshold, kept in ((0.0, True), (2.302, True), (2.303, False)):
        assert keep_call(told, unknown, unknown, threshold=threshold).item() is kept


@pytest.mark.parametrize(
    ("with_result", "without_result", "without_call", "kept"),
    [
        (1.0, 2.0, 2.0, True),  # a gain of exactly the threshold is enough
        (1.0, 1.5, 9.0, False),  # the call alone does as well, so that the result adds too little
        (1.0, 9.0, 1.5, False),  # no call does as well
        (1.0, 2.0, 9.0, True),  # the smaller of the two is what counts, whichever it is
        (1.0, 9.0, 2.0, True),
        (2.0, 1.0, 1.0, False),  # the result makes it worse
    ],
)
def test_a_call_is_kept_for_its_result_over_the_better_of_no_call_and_no_result(
    with_result, without_result, without_call, kept
):
    losses = f64(with_result), f64(without_result), f64(without_call)
    assert keep_call(*losses, threshold=1.0).tolist() == [kept]
