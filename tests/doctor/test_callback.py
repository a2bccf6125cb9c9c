"""The doctor beside TRL's own trainers: one warning for a fault, and none without."""

import warnings
from dataclasses import replace

import pytest

from reference.algorithms.recipes import RECIPES
from reference.doctor.callback import DoctorCallback, DoctorWarning, causes_of, log_of
from reference.engines.trl.trainer import trl_trainer
from reference.world.model import load

SMALL = {"prompts_per_step": 8, "micro_batch_size": 8}
GROUPS = {"group_size": 4, "max_new_tokens": 48, "minibatches": 1}


def warned(recipe, folder) -> tuple[DoctorCallback, list[str]]:
    """A run of TRL with the callback, and the sentences that it warned with."""
    model, tokenizer = load()
    doctor = DoctorCallback()
    trainer = trl_trainer(recipe, model=model, tokenizer=tokenizer, out=folder)
    trainer.add_callback(doctor)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer.train()
    return doctor, [str(each.message) for each in caught if each.category is DoctorWarning]


@pytest.mark.slow
def test_grpo_with_a_learning_rate_that_is_too_high_is_told_once(tmp_path):
    recipe = replace(RECIPES["grpo"], **SMALL, **GROUPS, lr=3e-3, steps=14)
    doctor, said = warned(recipe, tmp_path)
    assert next(iter(doctor.found)) == "steps_too_large"
    assert len(said) == len(doctor.found)  # each once
    assert "the learning rate is too high" in said[0] and "Try first: Divide the learning rate" in said[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["grpo", "sft", "dpo"])
def test_a_healthy_run_hears_nothing(name, tmp_path):
    options = SMALL | (GROUPS if name == "grpo" else {})
    if name == "dpo":
        options |= {"pool": 48}
    recipe = replace(RECIPES[name], **options, steps=12)
    assert warned(recipe, tmp_path)[1] == []


@pytest.mark.slow
def test_fine_tuning_with_a_learning_rate_that_is_too_high_is_told(tmp_path):
    doctor, said = warned(replace(RECIPES["sft"], **SMALL, lr=0.05, steps=14), tmp_path)
    assert list(doctor.found) == ["loss_grows"] and len(said) == 1


def row(step: int, **scalars: float) -> dict[str, float]:
    return {"step": step, "frac_reward_zero_std": 0.0, "reward_std": 0.5, "grad_norm": 0.2} | scalars


def collapsing(steps: int) -> list[dict[str, float]]:
    return [row(step, reward=max(0.0, 0.5 - 0.1 * step), entropy=0.2 + 0.05 * step) for step in range(1, steps + 1)]


def test_a_cause_is_told_at_the_second_row_that_shows_it_and_never_again():
    said: list[str] = []
    doctor = DoctorCallback(warn=said.append)
    for rows in range(8, 13):
        doctor.look(collapsing(rows))
        assert len(said) == (rows > 8)
    assert said[0].startswith("doctor: The steps are too large") and "Lesson 04 Clipping." in said[0]


def test_rows_of_evaluation_and_the_summary_are_no_steps():
    rows = [*collapsing(8), {"step": 8, "eval_loss": 1.0, "eval_reward": 2.0}, {"step": 8, "train_runtime": 3.0}]
    assert log_of(rows).steps == tuple(range(1, 9))
    assert causes_of([{"step": 1}, {"step": 2}, {"step": 3}]) == ()  # nothing that a rule could read
