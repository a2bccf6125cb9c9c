import hashlib
import random

import pytest

from reference.world.tasks import HASTY, SLOPPY, Problem, draw_problem, draw_solution, verify


def test_steps_lead_from_the_expression_to_the_answer():
    rng = random.Random(0)
    for _ in range(500):
        problem = draw_problem(rng)
        assert eval(problem.expression) == problem.answer  # chains of + and - mean what Python says they mean
        assert all(0 <= result <= 99 for *_, result in problem.steps)


def test_held_out_problems_are_never_drawn_for_training():
    rng = random.Random(0)
    training = {draw_problem(rng).expression for _ in range(3000)}
    held_out = {draw_problem(rng, held_out=True).expression for _ in range(300)}
    assert not training & held_out
    everything = sum(Problem(f"{a}+{b}", ()).held_out for a in range(1, 99) for b in range(1, 10))
    assert everything / (98 * 9) == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize(
    ("completion", "reward"),
    [
        ("47+8=55\n55-5=50\nAnswer: 50", 1.0),
        ("Answer: 50", 1.0),
        ("Answer: 50\n", 1.0),
        ("Answer: 51", 0.0),
        ("Answer: 50\nAnswer: 51", 0.0),  # the last line counts
        ("Answer: 51\nAnswer: 50", 1.0),
        ("Answer: 50 or 51", 0.0),
        ("The Answer: 50", 0.0),
        ("Answer: 050", 0.0),
        ("Answer: <|call|>50", 0.0),
        ("Answer: \uff150", 0.0),  # a full-width five
        ("50", 0.0),
        ("", 0.0),
    ],
)
def test_the_verifier_reads_the_last_line_only(completion, reward):
    problem = Problem("47+8-5", ((47, "+", 8, 55), (55, "-", 5, 50)))
    assert verify(problem, completion) == reward


def test_the_corpus_is_right_about_half_of_the_time_and_less_on_long_chains():
    rng = random.Random(0)
    share = {}
    for steps in (2, 6):
        problems = [draw_problem(rng, num_steps=steps) for _ in range(2000)]
        share[steps] = sum(verify(p, draw_solution(p, rng)) for p in problems) / len(problems)
        # careful solutions are right; a guess is right about one time in eight; a slip is not made good
        expected = 1 - HASTY[steps] - SLOPPY[steps] + HASTY[steps] / 8
        assert share[steps] == pytest.approx(expected, abs=0.04)
    assert share[2] > 0.55 > 0.35 > share[6]


def test_length_varies_within_one_problem_for_right_and_for_wrong_solutions():
    rng = random.Random(0)
    problem = draw_problem(rng, num_steps=4)
    solutions = [draw_solution(problem, rng) for _ in range(400)]
    for verdict in (0.0, 1.0):
        lengths = {len(s) for s in solutions if verify(problem, s) == verdict}
        assert max(lengths) > 2 * min(lengths)


def test_solutions_contain_checks_and_restarts():
    rng = random.Random(0)
    text = "\n".join(draw_solution(draw_problem(rng), rng) for _ in range(300))
    assert "Check: " in text and "Wait, " in text and "So far so good." in text


def test_solutions_of_no_named_style_are_the_ones_that_the_shipped_model_was_trained_on():
    rng, drawn = random.Random(7), hashlib.sha256()
    for _ in range(2000):
        drawn.update(draw_solution(draw_problem(rng), rng).encode())
    assert drawn.hexdigest()[:16] == "ca786bbe83977a4d"
    assert rng.random() == 0.2594483936062645


def test_a_named_style_is_kept_to():
    rng = random.Random(0)
    for _ in range(500):
        problem = draw_problem(rng)
        texts = {style: draw_solution(problem, rng, style=style) for style in ("careful", "sloppy", "hasty")}
        assert verify(problem, texts["careful"]) == 1 and verify(problem, texts["sloppy"]) == 0
        assert texts["careful"].count("=") >= len(problem.steps) and "=" not in texts["hasty"]


def test_a_named_style_changes_nothing_else_about_the_draw():
    problem = draw_problem(random.Random(0), num_steps=3)
    for seed in range(200):
        drawn = draw_solution(problem, random.Random(seed))
        again = [draw_solution(problem, random.Random(seed), style=style) for style in ("careful", "sloppy", "hasty")]
        assert again.count(drawn) == 1


def test_an_unknown_style_is_refused():
    with pytest.raises(ValueError, match="style is 'quick', expected 'careful', 'hasty', 'sloppy'"):
        draw_solution(draw_problem(random.Random(0)), random.Random(0), style="quick")
