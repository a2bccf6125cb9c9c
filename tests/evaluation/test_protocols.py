"""Lines of completions: what stands in them, and that a part of an experiment is the same experiment."""

import random

import pytest

from reference.evaluation.protocols import RATIOS, Against, completion_lines
from reference.objectives.shapes import InputError
from reference.world.tasks import draw_problem, verify


@pytest.fixture(scope="module")
def lines(base):
    return list(completion_lines(*base, name="base", problems=6, samples=3, max_new_tokens=24))


@pytest.mark.slow
def test_a_line_has_the_problem_that_evaluate_draws_its_answer_and_the_protocol(lines):
    rng = random.Random(12345)
    problems = [draw_problem(rng, held_out=True) for _ in range(6)]
    assert [line["question"] for line in lines] == [p.question for p in problems]
    assert [line["answer"] for line in lines] == [str(p.answer) for p in problems]
    assert [line["id"] for line in lines] == list(range(6))
    assert lines[0]["protocol"] == {
        "model": "base", "task": "chains", "prompt": "chat", "samples": 3, "temperature": 1.0, "top_k": None, "top_p": 1.0,
        "max_new_tokens": 24, "seed": 12345,
    }  # fmt: skip
    assert all(len(line[name]) == 3 for line in lines for name in ("completions", "truncated", "tokens"))


@pytest.mark.slow
def test_truncated_is_what_has_spent_the_budget_without_an_end(lines):
    cut = [(flag, tokens) for line in lines for flag, tokens in zip(line["truncated"], line["tokens"], strict=True)]
    assert {tokens for flag, tokens in cut if flag} == {24}
    assert any(flag for flag, _ in cut) and not all(flag for flag, _ in cut)


@pytest.mark.slow
def test_the_second_half_alone_is_the_second_half(base, lines):
    rest = list(completion_lines(*base, name="base", problems=6, samples=3, max_new_tokens=24, first=4))
    assert rest == lines[4:]


@pytest.mark.slow
def test_greedy_is_one_completion_and_another_way_of_asking_gives_other_words(base):
    greedy, again, bare = (
        list(completion_lines(*base, name="b", problems=8, samples=1, greedy=True, prompt=prompt))
        for prompt in ("chat", "chat", "bare")
    )
    assert greedy == again and greedy[0]["protocol"]["greedy"] and "temperature" not in greedy[0]["protocol"]
    rng = random.Random(12345)
    problems = [draw_problem(rng, held_out=True) for _ in range(8)]
    right = [
        [verify(p, line["completions"][0]) for p, line in zip(problems, those, strict=True)] for those in (greedy, bare)
    ]
    assert sum(right[0]) > sum(right[1])


@pytest.mark.slow
def test_with_tools_a_completion_is_the_last_turn_and_the_calls_are_counted():
    from reference.world.model import TOOL_SFT, load

    lines = list(completion_lines(*load(TOOL_SFT), name="t", problems=6, samples=2, task="tools", max_calls=2))
    assert lines[0]["protocol"]["max_calls"] == 2
    for line in lines:
        assert len(line["calls"]) == 2
        assert all("<|call|>" not in text for text in line["completions"])
    assert any(call for line in lines for call in line["calls"])


@pytest.mark.slow
def test_compared_with_itself_a_model_writes_the_same_lines_and_zeros(base, lines):
    own = Against("base", base[0])
    compared = list(completion_lines(*base, name="base", problems=6, samples=3, max_new_tokens=24, against=own))
    for line, other in zip(lines, compared, strict=True):
        assert other["log_ratios"] == [[0.0] * min(16, tokens) for tokens in line["tokens"]]
        assert other["protocol"] == line["protocol"] | {"against": "base", "log_ratios": RATIOS}
        assert {name: value for name, value in other.items() if name not in ("log_ratios", "protocol")} == {
            name: value for name, value in line.items() if name != "protocol"
        }


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"greedy": True, "samples": 1}, "leave --greedy out"), ({"temperature": 0.7, "top_p": 0.9},
         "leave --temperature 0.7 and --top-p 0.9 out"), ({"top_k": 5}, "leave --top-k 5 out"), ({"task": "tools"}, "one turn"),
    ],
)  # fmt: skip
def test_no_log_ratio_of_samples_over_which_its_mean_is_no_kl(base, options, named):
    with pytest.raises(InputError, match=named):
        next(completion_lines(*base, name="b", against=Against("base", base[0]), **options))


def test_what_cannot_be_is_refused(base):
    with pytest.raises(InputError, match="samples is 2, and greedy completions"):
        next(completion_lines(*base, name="b", greedy=True, samples=2))
    with pytest.raises(InputError, match="asked as 'chat' only"):
        next(completion_lines(*base, name="b", task="tools", prompt="bare"))
