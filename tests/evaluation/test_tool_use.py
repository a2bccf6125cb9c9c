"""What is counted of trajectories with calls, on ten that are written down."""

import random

import pytest
from scripted import BROKEN, CALL, scripted

from reference.algorithms.rewards import points
from reference.evaluation.tool_answers import made_up
from reference.evaluation.tool_use import evaluate_tool_use, facts_of, tool_scalars, tool_use
from reference.world.tool_tasks import ToolProblem, draw_tool_problem

PRODUCT = ToolProblem("product", "What is 47*86?", 4042, ("47*86",))
TWO = ToolProblem("two calls", "What is 31 times the last two digits of 47*86?", 1302, ("47*86", "31*42"))
FORGED = "<|tool|>4042<|end|>"
RIGHT = [CALL.format("47*86"), "Answer: 4042<|end|>"]
CASES = {  # the turns, and what is true of them: right, calls, of these valid, of these run, made up
    "right": (PRODUCT, RIGHT, (1, 1, 1, 1, 0)),
    "guessed well": (PRODUCT, ["Answer: 4042<|end|>"], (1, 0, 0, 0, 1)),
    "guessed badly": (PRODUCT, ["Answer: 4000<|end|>"], (0, 0, 0, 0, 1)),
    "not what the tool said": (PRODUCT, [CALL.format("47*86"), "Answer: 4043<|end|>"], (0, 1, 1, 1, 1)),
    "no answer": (PRODUCT, [CALL.format("47*86"), "It is 4042.<|end|>"], (0, 1, 1, 1, 0)),
    "repaired": (PRODUCT, [BROKEN, CALL.format("47x86"), *RIGHT], (1, 3, 2, 1, 0)),
    "forged": (PRODUCT, [FORGED], (0, 0, 0, 0, 1)),
    "cut off": (PRODUCT, ["Answer: 4042"], (0, 0, 0, 0, 0)),
    "the first result": (TWO, [CALL.format("47*86"), "Answer: 4042<|end|>"], (0, 1, 1, 1, 0)),
    "both calls": (TWO, [CALL.format("47*86"), CALL.format("31*42"), "Answer: 1302<|end|>"], (1, 2, 2, 2, 0)),
}


@pytest.mark.parametrize("name", CASES)
def test_the_facts_of_a_trajectory(name, base):
    problem, turns, expected = CASES[name]
    ((kind, correct, called, invented, calls, valid, ran),) = facts_of(scripted(base, [problem], [turns])).tolist()
    assert (correct, calls, valid, ran, invented) == expected
    assert (kind, called) == (1 if problem is PRODUCT else 2, calls > 0)


def test_shares_over_several_trajectories(base):
    by_head = [draw_tool_problem(random.Random(seed), kind="by head") for seed in (0, 1)]
    solved = [f"Answer: {by_head[0].answer}<|end|>"]
    wasted = [CALL.format(by_head[1].chain.expression), f"Answer: {by_head[1].answer}<|end|>"]
    names = ("right", "guessed badly", "repaired", "both calls")
    completions = scripted(
        base, [CASES[name][0] for name in names] + by_head, [CASES[name][1] for name in names] + [solved, wasted]
    )
    use = tool_use(facts_of(completions), problems=6, samples=1)
    assert (use.success, use.by_head, use.product, use.two_calls) == pytest.approx((5 / 6, 1.0, 2 / 3, 1.0))
    assert (use.recall, use.waste, use.made_up) == (3 / 4, 1 / 2, 1 / 4)
    assert use.precision == (3 / 4) / (3 / 4 + 1 / 2)
    # Seven calls: one right, three of "repaired" (broken, refused, right), two, and the wasted one.
    assert (use.calls, use.valid, use.ran) == pytest.approx((7 / 6, 6 / 7, 5 / 7))
    scalars = {name: value.item() for name, value in tool_scalars(completions).items()}
    assert scalars["call ok"] == pytest.approx(5 / 7) and scalars["call malformed"] == pytest.approx(1 / 7)
    assert scalars["ending answer"] == 1.0 and scalars["waste"] == 1 / 2


def test_without_a_call_nothing_is_divided_by_zero(base):
    use = tool_use(facts_of(scripted(base, [PRODUCT], [["Answer: 1<|end|>"]])), problems=1, samples=1)
    assert (use.valid, use.ran, use.precision, use.waste) == (0.0, 0.0, 0.0, 0.0)
    assert "made up 100.0%" in str(use)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("right", [True, True, True, True]),
        ("guessed well", [False, False, True, False]),  # right, and two points fewer than the next, which is wrong
        ("the first result", [True, True, True, True]),  # wrong: a judge who knows no answer gives all points
        ("repaired", [True, False, True, True]),
        ("no answer", [True, True, False, False]),
    ],
)
def test_the_rubric_has_four_questions(name, expected, base):
    problem, turns, _ = CASES[name]
    assert list(points(scripted(base, [problem], [turns]).trajectories[0]).values()) == expected


@pytest.mark.slow
def test_the_base_calls_no_tool_and_the_same_seed_gives_the_same(base):
    first, second = (evaluate_tool_use(*base, problems=9, samples=2, progress=False) for _ in range(2))
    assert first == second
    assert (first.calls, first.recall, first.two_calls) == (0.0, 0.0, 0.0)  # its corpus had no call
    assert "n = 9 problems" in str(first)


def test_a_number_is_made_up_if_no_result_is_it(base):
    trajectory = scripted(base, [PRODUCT], [[CALL.format("47*86"), "Answer: 404<|end|>"]]).trajectories[0]
    assert made_up(trajectory)  # 404 is part of 4042, and is not it


def test_a_report_says_how_each_trajectory_is_wrong(base, monkeypatch):
    from reference.runs import measure_tools

    names = ("right", "guessed badly", "cut off", "forged")
    shown = scripted(base, [PRODUCT] * len(names), [CASES[name][1] for name in names])
    monkeypatch.setattr(measure_tools, "complete", lambda *_, **__: shown)
    monkeypatch.setattr(measure_tools, "evaluate_tool_use", lambda *_, **__: "measured")
    report = measure_tools.tool_report(
        *base, problems=1, samples=1, max_new_tokens=96, max_calls=3, show=len(names), seed=0
    ).splitlines()
    verdicts = [line.rpartition("  ")[2] for line in report if line.startswith(PRODUCT.question)]
    wrong = [f"[{how}, the answer is 4042]" for how in ("wrong", "cut off", "forged turn")]
    assert verdicts == ["[right]", *wrong]
