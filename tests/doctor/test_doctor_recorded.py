"""How often the doctor is right about the recorded runs whose fault is known.

The rules were written on seeds 0, 1 and 2, and frozen before seeds 3 and 4 were looked at.
"""

import re

import pytest

from reference.doctor.causes import CAUSES, UNSEEN
from reference.doctor.confusion import (
    Answer,
    answer,
    causes_of,
    counts,
    false_alarms,
    figure_confusion,
    recorded_answers,
    right_within,
)
from reference.doctor.diagnose import diagnose
from reference.doctor.logs import read_log
from reference.objectives.shapes import InputError
from reference.runs.recorded_runs import RUNS
from reference.style import description

HELD_OUT = (3, 4)
RECIPES = (  # recorded long before the doctor, over seeds 0 to 2
    "ppo", "grpo", "grpo-trl", "dr-grpo", "dapo", "gspo", "cispo", "rloo", "reinforce++", "reinforce++-baseline",
    "tool-rl", "distill", "distill-forward", "distill-reward", "sft", "tool-sft", "reward-model", "dpo", "tool-dpo",
    "dpo-online",
)  # fmt: skip
CLIMBS = ("climb-512", "climb-4096", "climb-4096-mean")  # reward models of people who lean towards length


@pytest.fixture(scope="module")
def held_out() -> list[Answer]:
    return recorded_answers(RUNS, seeds=HELD_OUT)


def of(name: str) -> Answer:
    return answer("", diagnose(read_log(RUNS / name)))


@pytest.mark.slow
def test_on_held_out_seeds_nine_of_ten_faults_are_named_first(held_out):
    """Two of the 23 faults show in no scalar. All others are named first."""
    assert right_within(held_out, 1) >= 0.9
    seen = [each for each in held_out if each.fault not in UNSEEN]
    assert right_within(seen, 1) >= 0.95 and right_within(seen, 3) >= 0.98


@pytest.mark.slow
def test_on_held_out_seeds_healthy_runs_raise_no_alarm(held_out):
    assert false_alarms(held_out) <= 0.05


@pytest.mark.slow
def test_faults_that_no_scalar_shows_are_not_guessed(held_out):
    assert {each.first for each in held_out if each.fault in UNSEEN} == {"nothing"}


def test_every_recorded_fault_has_a_cause_or_is_said_to_be_unseen():
    recorded = {match[1] for path in RUNS.iterdir() if (match := re.match(r"bug-(\w+)-seed-0$", path.name))}
    stood_for = {fault for cause in CAUSES for fault in cause.faults}
    assert recorded == stood_for | set(UNSEEN) and not stood_for & set(UNSEEN)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_healthy_runs_of_the_readme_are_left_alone(recipe):
    for seed in (0, 1, 2):
        assert of(f"{recipe}-seed-{seed}").causes == ()


@pytest.mark.slow
@pytest.mark.parametrize("climb", CLIMBS)
def test_over_optimisation_is_seen_in_the_climbs_of_lesson_11(climb):
    for seed in (0, 1, 2):
        assert of(f"{climb}-seed-{seed}").first == "length_gamed"


# ---- the arithmetic, by hand ---------------------------------------------------------------------------------------------------


ANSWERS = [
    Answer("lr_too_high", ("steps_too_large",)),
    Answer("lr_too_high", ("no_ends", "steps_too_large")),
    Answer("k1_in_loss", ("kl_not_felt", "wrong_way")),
    Answer("eos_not_trained", ()),
    Answer("", ()),
    Answer("", ("no_ends",)),
]


def test_shares_of_four_faulty_and_two_healthy_runs():
    assert (right_within(ANSWERS, 1), right_within(ANSWERS, 2), false_alarms(ANSWERS)) == (2 / 4, 3 / 4, 1 / 2)
    assert counts(ANSWERS)["lr_too_high"] == {"steps_too_large": 1, "no_ends": 1}
    assert causes_of("lr_too_high") == ("steps_too_large", "loss_grows") and causes_of("eos_not_trained") == ()


def test_the_picture_says_what_was_named_and_how_often():
    words = description(figure_confusion(ANSWERS))
    assert "lr_too_high: steps_too_large 1, no_ends 1" in words and "healthy: nothing 1, no_ends 1" in words


def test_a_folder_without_such_runs_is_refused(tmp_path):
    (tmp_path / "grpo-seed-3").mkdir()
    with pytest.raises(InputError, match="no runs with faults"):
        recorded_answers(tmp_path, seeds=HELD_OUT)
