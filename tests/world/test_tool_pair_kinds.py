"""Preference pairs with a calculator: the rejected side is worse in the way that the kind names, and in no other."""

import json
import random
from itertools import pairwise

import pytest

from reference.world import tool_pairs
from reference.world.calculator import evaluate
from reference.world.tokenizer import SPECIAL_TOKENS
from reference.world.tool_calls import answer_call
from reference.world.tool_pairs import PAIR_KINDS, ToolPair, draw_pair, plausible
from reference.world.tool_tasks import Message, ToolProblem, draw_tool_problem, verify_answer


def pairs(count: int, **options: object) -> list[ToolPair]:
    rng = random.Random(0)
    return [draw_pair(rng, **options) for _ in range(count)]


def calls_of(messages: list[Message]) -> list[str]:
    return [c["function"]["arguments"]["expression"] for m in messages for c in m.get("tool_calls", [])]


def results_of(messages: list[Message]) -> list[str]:
    return [m["content"] for m in messages if m["role"] == "tool"]


def verdict(pair: ToolPair, messages: list[Message]) -> float:
    return verify_answer(pair.problem, messages[-1]["content"])


def answer_of(messages: list[Message]) -> int:
    return int(messages[-1]["content"].rpartition("Answer: ")[2])


@pytest.fixture
def ask(monkeypatch):
    """ask(expression): draw_pair gets this product and no other problem."""

    def asked(expression: str) -> None:
        problem = ToolProblem("product", f"What is {expression}?", evaluate(expression), (expression,))
        monkeypatch.setattr(tool_pairs, "draw_tool_problem", lambda rng, **_: problem)

    return asked


@pytest.mark.parametrize("kind", PAIR_KINDS)
def test_both_sides_are_chats_about_the_problem_with_real_results(kind):
    for pair in pairs(60, kind=kind):
        assert pair.kind == kind and pair.chosen != pair.rejected
        for messages in (pair.chosen, pair.rejected):
            assert messages[0] == {"role": "user", "content": pair.problem.question}
            assert messages[-1]["role"] == "assistant" and "tool_calls" not in messages[-1]
            for before, message in pairwise(messages):
                assert (message["role"] == "tool") == ("tool_calls" in before)
                if message["role"] == "tool":
                    (call,) = before["tool_calls"]
                    assert message["content"] == answer_call(json.dumps(call["function"])).text
            assert not any(token in m["content"] for m in messages for token in SPECIAL_TOKENS)


@pytest.mark.parametrize("kind", PAIR_KINDS)
def test_the_chosen_side_is_right_with_the_calls_of_a_good_solution(kind):
    for pair in pairs(60, kind=kind):
        assert verdict(pair, pair.chosen) == 1.0 and calls_of(pair.chosen) == list(pair.problem.calls)


def test_call_or_not_is_half_a_guess_without_a_call_and_half_a_call_without_need():
    drawn = pairs(200, kind="call or not")
    needed = [pair for pair in drawn if pair.problem.kind != "by head"]
    assert abs(len(needed) - 100) < 4 * 7  # standard deviation 7
    for pair in needed:
        assert calls_of(pair.rejected) == [] and verdict(pair, pair.rejected) == 0.0
        assert len(pair.rejected) == 2 and len(pair.chosen) >= 4
    for pair in drawn:
        if pair.problem.kind == "by head":  # both are right, and the call was a waste
            assert calls_of(pair.chosen) == [] and "Wait, " not in pair.chosen[-1]["content"]
            assert calls_of(pair.rejected) == [pair.problem.question[len("What is ") : -1]]
            assert results_of(pair.rejected) == [str(pair.problem.answer)] and verdict(pair, pair.rejected) == 1.0


def test_a_plausible_number_is_wrong_with_the_same_length_and_last_digit():
    rng = random.Random(0)
    assert {plausible(100, rng) for _ in range(2000)} == set(range(110, 1000, 10))  # 100 itself is the answer
    for answer in (144, 4042, 98901):
        for guess in (plausible(answer, rng) for _ in range(100)):
            assert guess != answer and len(str(guess)) == len(str(answer)) and guess % 10 == answer % 10


def test_the_order_of_calls_is_turned_and_the_operand_made_up():
    for pair in pairs(60, kind="order of calls"):
        first, second = pair.problem.calls
        early, late = calls_of(pair.rejected)
        assert late == first
        assert early.partition("*")[0] == second.partition("*")[0]  # the factor is right
        assert int(early.partition("*")[2]) != evaluate(first) % 100
        assert answer_of(pair.rejected) == evaluate(early) and verdict(pair, pair.rejected) == 0.0


def test_a_made_up_result_is_answered_beside_a_real_one_or_without_a_call():
    drawn = pairs(200, kind="made-up result")
    beside = [pair for pair in drawn if calls_of(pair.rejected)]
    assert abs(len(beside) - 100) < 4 * 7
    for pair in beside:
        assert pair.rejected[:-1] == pair.chosen[:-1]  # the same call, the same result
        assert (
            results_of(pair.rejected) == [str(pair.problem.answer)] and answer_of(pair.rejected) != pair.problem.answer
        )
    for pair in drawn:
        assert verdict(pair, pair.rejected) == 0.0
        if not calls_of(pair.rejected):
            sum_of, _, last = pair.rejected[-1]["content"].partition("\n")
            assert len(pair.rejected) == 2
            assert (sum_of, last) == (
                f"{pair.problem.calls[0]}={answer_of(pair.rejected)}",
                f"Answer: {answer_of(pair.rejected)}",
            )


def test_three_calls_are_as_right_as_one_and_dearer():
    for pair in pairs(60, kind="one call or three"):
        assert verdict(pair, pair.rejected) == 1.0
        assert (len(calls_of(pair.chosen)), len(calls_of(pair.rejected))) == (1, 3)
        tens, ones, total = calls_of(pair.rejected)
        assert total.split("+")[:2] == results_of(pair.rejected)[:2] == [str(evaluate(tens)), str(evaluate(ones))]


@pytest.mark.parametrize(
    ("expression", "calls", "results"),
    [
        ("47*86", ["47*80", "47*6", "3760+282"], ["3760", "282", "4042"]),
        ("47*86+9", ["47*80", "47*6", "3760+282+9"], ["3760", "282", "4051"]),
    ],
)
def test_a_product_is_split_into_tens_and_ones(ask, expression, calls, results):
    ask(expression)
    pair = draw_pair(random.Random(0), kind="one call or three")
    assert calls_of(pair.chosen) == [expression] and results_of(pair.chosen) == results[-1:]
    assert calls_of(pair.rejected) == calls and results_of(pair.rejected) == results


def test_a_product_without_ones_is_not_split(monkeypatch):
    drawn = iter(ToolProblem("product", f"What is {e}?", evaluate(e), (e,)) for e in ("47*80", "47*80+6", "47*86"))
    monkeypatch.setattr(tool_pairs, "draw_tool_problem", lambda rng, **_: next(drawn))
    assert draw_pair(random.Random(0), kind="one call or three").problem.question == "What is 47*86?"


def test_a_result_of_its_own_words_stands_where_the_call_should(ask):
    ask("47*86")
    rng = random.Random(0)
    alone = next(p for p in (draw_pair(rng, kind="made-up result") for _ in range(50)) if len(p.rejected) == 2)
    guess = answer_of(alone.rejected)
    assert 1000 <= guess <= 9999 and guess % 10 == 2 and guess != 4042
    assert alone.rejected[-1] == {"role": "assistant", "content": f"47*86={guess}\nAnswer: {guess}"}


def test_each_kind_is_drawn_as_often_and_the_splits_do_not_touch():
    drawn = pairs(800)
    # Of 800 draws a quarter is 200, with a standard deviation of 12.
    assert all(abs(sum(pair.kind == kind for pair in drawn) - 200) < 4 * 12 for kind in PAIR_KINDS)
    assert not any(pair.problem.held_out for pair in drawn)
    for kind in PAIR_KINDS:
        assert all(pair.problem.held_out for pair in pairs(30, kind=kind, held_out=True))


def test_the_same_seed_gives_the_same_pairs():
    assert pairs(50) == pairs(50) and pairs(50) != pairs(51)[1:]


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind is 'politeness', expected one of 'call or not'"):
        draw_pair(random.Random(0), kind="politeness")


def test_every_answer_of_a_problem_with_a_call_has_three_digits_or_more():
    """``plausible`` redraws the digits before the last one: with a single one of them there is little to draw."""
    rng = random.Random(0)
    assert min(draw_tool_problem(rng, kind=k).answer for k in ("product", "two calls") for _ in range(3000)) >= 144
