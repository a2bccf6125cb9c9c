"""The questions of the final exam, and what a learner sees of it."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from reference.frameworks.defaults import framework_named, same
from reference.lessons import QUESTIONS
from reference.lessons.codebases.exam import POOL, exam
from reference.teaching.exam import LETTERS, paper

NOTEBOOKS = Path(__file__).parents[3] / "notebooks"
GOALS = (
    "How is KL computed? Does it go in the reward or the loss?",
    "How are per-token / per-seq losses aggregated? What’s the GRPO/Dr.GRPO debate about?",  # noqa: RUF001
    "What is the PPO value head fitting? Why the 0.5 in 0.5*(x-y)^2?",
    "Why is DPO “not a policy gradient estimator” but still trained via gradient descent? What does β control?",
    "Where does tool-use trajectory data come from? How do SFT / DPO / RL approaches differ?",
)


# What the questions say of frameworks, as the recorded versions have it: framework, version, trainer, option, default, acts.
SAID = (
    ("openrlhf", "0.11.2", "train_ppo_ray", "--algo.kl.estimator", "k1", True),
    ("trl", "1.16.0", "GRPOConfig", "beta", 0.0, True),
    ("trl", "1.16.0", "RLOOConfig", "beta", 0.05, True),
    ("trl", "1.16.0", "DPOConfig", "label_smoothing", 0.0, False),
    ("trl", "1.16.0", "SFTConfig", "assistant_only_loss", False, True),
    ("skyrl", "0.3.0", "main_base", "trainer.algorithm.kl_estimator_type", "k3", True),
    ("skyrl", "0.3.0", "main_sft", "train_on_what", "last_assistant_message", True),
    ("verl", "0.9.1", "", "actor_rollout_ref.actor.loss_agg_mode", "token-mean", True),
)


def right_letter(item) -> str:
    return LETTERS[[option.right for option in item.question.options].index(True)]


def test_fifteen_questions_three_for_each_goal_of_the_article():
    assert Counter(item.goal for item in POOL) == dict.fromkeys(GOALS, 4)
    assert [item.goal for item in paper(POOL)] == [goal for goal in GOALS for _ in range(3)]


def test_every_question_has_one_right_option_and_a_reason_for_each():
    for item in POOL:
        assert sum(option.right for option in item.question.options) == 1 and len(item.question.options) == 3, item.name
        assert all(len(option.why) > 20 for option in item.question.options), item.name


def test_no_question_is_asked_twice_or_stands_in_a_quiz():
    texts = [item.question.text for item in POOL]
    assert len(set(texts)) == len({item.name for item in POOL}) == len(POOL)
    assert not {question.text for question in QUESTIONS.values()} & set(texts)
    assert not QUESTIONS.keys() & {item.name for item in POOL}


def test_neither_the_longest_nor_the_shortest_option_is_usually_right():
    by_length = [sorted(item.question.options, key=lambda option: len(option.text)) for item in POOL]
    shortest, longest = (sum(options[end].right for options in by_length) for end in (0, -1))
    assert max(shortest, longest) <= len(POOL) // 2, (shortest, longest)


@pytest.mark.parametrize("item", POOL, ids=lambda item: item.name)
def test_the_section_to_go_back_to_is_there(item):
    cells = json.loads((NOTEBOOKS / f"{item.notebook}.ipynb").read_text())["cells"]
    prose = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    assert str(item.section) in re.findall(r"^## (\d+) ", prose, re.M)


@pytest.mark.parametrize(("name", "version", "entry", "option", "default", "acts"), SAID)
def test_what_a_question_says_of_a_framework_is_recorded(name, version, entry, option, default, acts):
    cells = [c for c in framework_named(name, version).cells if c.option == option and entry in (c.entry, "")]
    assert cells and all(same(cell.default, default) and cell.acts is acts for cell in cells)


def test_without_answers_it_shows_the_questions_and_with_an_empty_set_how_to_answer(shown, capsys):
    exam()
    assert shown[-1]["text/plain"].count("\n   a)") == 15 and "<h4>" in shown[-1]["text/html"]
    exam({})
    assert capsys.readouterr().out.startswith('No answers yet. Answer in a cell, all of them or some: exam({1: "b"')


def test_all_right_is_fifteen_of_fifteen(shown):
    exam({number: right_letter(item) for number, item in enumerate(paper(POOL), 1)})
    assert shown[-1]["text/plain"].startswith("15 of 15 right\n\n3 of 3  How is KL computed?")
    assert "go back" not in shown[-1]["text/plain"]


@pytest.mark.parametrize("answers", ["a", 3, ["a", "b"], object()])
def test_what_is_no_table_of_answers_is_no_answer(answers, capsys):
    exam(answers)
    assert capsys.readouterr().out.startswith("No answers yet.")
