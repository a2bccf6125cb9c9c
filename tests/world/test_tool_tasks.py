"""Problems for a model with a calculator, and their solutions."""

import random

import pytest

from reference.world.calculator import evaluate
from reference.world.tool_tasks import TOOL_KINDS, draw_tool_problem, draw_trajectory, verify_answer


def problems(count: int, **options: object):
    rng = random.Random(0)
    return [draw_tool_problem(rng, **options) for _ in range(count)]


def calls_of(messages: list) -> list[str]:
    return [c["function"]["arguments"]["expression"] for m in messages for c in m.get("tool_calls", [])]


def test_the_answer_is_what_the_last_call_gives():
    for problem in problems(300):
        if problem.kind == "by head":
            assert problem.calls == () and problem.answer == evaluate(problem.question[len("What is ") : -1])
        else:
            assert evaluate(problem.calls[-1]) == problem.answer
            assert len(problem.calls) == (2 if problem.kind == "two calls" else 1)


def test_the_second_call_needs_the_first_result():
    for problem in problems(100, kind="two calls"):
        first, second = problem.calls
        factor, _, last = second.partition("*")
        assert int(last) == evaluate(first) % 100 and len(last) == 2
        assert problem.question == f"What is {factor} times the last two digits of {first}?"


def test_each_kind_is_drawn_as_often_and_the_splits_do_not_touch():
    kinds = [problem.kind for problem in problems(3000)]
    # Of 3,000 draws a third is 1,000, with a standard deviation of 26.
    assert all(abs(kinds.count(kind) - 1000) < 4 * 26 for kind in TOOL_KINDS)
    held_out = {problem.question for problem in problems(500, held_out=True)}
    assert not held_out & {problem.question for problem in problems(3000)}
    assert all(problem.held_out for problem in problems(100, held_out=True))


def test_a_solution_runs_its_calls_and_reads_their_results():
    rng = random.Random(1)
    for problem in problems(200):
        messages = draw_trajectory(problem, rng)
        assert calls_of(messages) == list(problem.calls)
        results = [m["content"] for m in messages if m["role"] == "tool"]
        assert results == [str(evaluate(expression)) for expression in problem.calls]
        assert verify_answer(problem, messages[-1]["content"]) == 1.0


def test_failed_calls_are_refused_by_the_tool_and_repaired():
    rng, refused, repaired = random.Random(2), 0, 0
    for problem in problems(200, kind="product"):
        messages = draw_trajectory(problem, rng, failures=0.5)
        results = [m["content"] for m in messages if m["role"] == "tool"]
        assert results[-1] == str(problem.answer)
        refused += sum(result.startswith("error: ") for result in results)
        repaired += len(results) == 2
    assert refused == repaired and 70 < repaired < 130  # 100 expected, standard deviation 7


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("Answer: 4042", 1.0),
        ("Answer: 4042\n", 1.0),
        ("The tool says 4042.\nAnswer: 4042", 1.0),
        ("Answer: 4043", 0.0),
        ("Answer: 04042", 0.0),
        ("4042", 0.0),
        ("Answer: 4042.", 0.0),
        ("Answer: 4042\nAnswer: 1", 0.0),
        ("My Answer: 4042", 0.0),
        ("Answer: ٤٠٤٢", 0.0),
        ("", 0.0),
    ],
)
def test_the_verifier_takes_the_last_line_and_nothing_else(text, right):
    problem = draw_tool_problem(random.Random(0), kind="product")
    problem = type(problem)("product", "What is 47*86?", 47 * 86, ("47*86",))
    assert verify_answer(problem, text) == right


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind is 'search', expected one of 'by head'"):
        draw_tool_problem(random.Random(0), kind="search")
