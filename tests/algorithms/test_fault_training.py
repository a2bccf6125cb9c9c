"""Two steps of each fault beside two of the same recipe without it: what the log shows, and what it does not."""

import copy
import functools
import math
from dataclasses import replace

import pytest
import torch
from loops import step_metrics

from reference.algorithms.critic import Critic
from reference.algorithms.kl import needs_reference
from reference.algorithms.preference import train_preference
from reference.algorithms.recipes import RECIPES
from reference.algorithms.rl import train_rl
from reference.algorithms.supervised import train_sft
from reference.faults import FAULTS, faulty_recipe, injected
from reference.runs.launch import new_optimizer
from reference.world.model import SHIPPED, load

pytestmark = pytest.mark.slow

SMALL = {
    "steps": 2,
    "prompts_per_step": 4,
    "max_new_tokens": 96,
    "micro_batch_size": 4,
}  # two micro-batches in each minibatch
GROUPS = {"ppo": {"prompts_per_step": 16}, "dpo": {"pool": 8}, "sft": {}}


def logged(name: str | None, recipe_name: str) -> list[dict[str, float]]:
    """The metrics of two steps of the recipe, with the fault or without."""
    recipe = replace(RECIPES[recipe_name], **{**SMALL, **GROUPS.get(recipe_name, {"group_size": 4})})
    if name:
        recipe = faulty_recipe(name, recipe)
    start, tokenizer = load(SHIPPED[recipe.start])
    model = copy.deepcopy(start)
    torch.manual_seed(0)
    if recipe.kind == "sft":
        with injected(name):
            return step_metrics(train_sft, model, tokenizer, new_optimizer(recipe, model), recipe)
    if recipe.kind == "preference":
        with injected(name):
            return step_metrics(
                train_preference, model, tokenizer, new_optimizer(recipe, model), recipe, ref_model=start
            )
    critic = Critic(model, shared=False) if recipe.critic else None
    ref = copy.deepcopy(start) if needs_reference(recipe) or recipe.ref_sync_every else None
    with injected(name):
        return step_metrics(
            train_rl, model, tokenizer, new_optimizer(recipe, model, critic), recipe, ref_model=ref, critic=critic
        )


@functools.cache
def pair(name: str) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """Without the fault, and with it."""
    recipe = FAULTS[name].recipe
    return logged(None, recipe), logged(name, recipe)


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_changes_what_is_logged(name):
    right, wrong = pair(name)
    assert len(right) == len(wrong) == 2
    assert all(math.isfinite(value) for row in wrong for value in row.values())
    same = {key for key in right[-1] if wrong[-1].get(key) == right[-1][key]}
    assert same != set(right[-1])


@pytest.mark.parametrize("name", ["temperature_forgotten", "dropout_in_scoring", "mask_off_by_one"])
def test_the_first_ratio_is_1_only_without_these(name):
    right, wrong = pair(name)
    assert right[0]["ratio"] == pytest.approx(1, abs=1e-5)
    assert abs(wrong[0]["ratio"] - 1) > 1e-4


def test_stale_log_probs_are_right_in_the_first_step_and_in_no_other():
    _, wrong = pair("stale_logprobs")
    assert wrong[0]["ratio"] == pytest.approx(1, abs=1e-5)
    assert abs(wrong[1]["ratio"] - 1) > 1e-4


def test_what_stays_at_zero():
    _, broken = pair("verifier_broken")
    assert all(row["reward"] == 0 and row["grad_norm"] == 0 for row in broken)
    _, frozen = pair("weights_frozen")
    assert all(abs(row["approx_kl"]) < 1e-9 < row["grad_norm"] for row in frozen)


def test_means_and_stds_of_advantages():
    right, wrong = pair("advantages_not_centred")
    assert right[0]["advantage_mean"] == pytest.approx(0, abs=1e-6)
    assert wrong[0]["advantage_mean"] == pytest.approx(wrong[0]["reward"])
    right, wrong = pair("std_of_dead_groups")
    alive = 1 - wrong[1]["dead_groups"]
    assert right[1]["advantage_std"] ** 2 <= 1 - right[1]["dead_groups"] + 1e-3
    assert wrong[1]["advantage_std"] ** 2 == pytest.approx(3 / 4, abs=0.02) and alive < 1  # (G - 1) / G for all


def test_the_gradient_grows_with_the_number_of_micro_batches():
    right, wrong = pair("micro_batch_count")  # 8 rows in 2 micro-batches
    assert wrong[0]["grad_norm"] == pytest.approx(2 * right[0]["grad_norm"], rel=0.3)


def test_masks_of_demonstrations_in_the_log():
    right, wrong = pair("prompt_not_masked")
    assert right[0]["supervised"] < 0.9 < wrong[0]["supervised"] == 1
    assert wrong[0]["loss"] > right[0]["loss"]
    _, without_end = pair("eos_not_trained")
    assert without_end[0]["supervised"] < right[0]["supervised"]


def test_the_first_loss_of_dpo_is_ln_2_only_with_its_own_reference():
    right, wrong = pair("other_reference")
    assert right[0]["loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert abs(wrong[0]["loss"] - math.log(2)) > 0.05
    assert wrong[0]["margin"] != pytest.approx(0, abs=0.1)


def test_tools():
    right, wrong = pair("tool_output_trained")
    assert wrong[0]["length"] > right[0]["length"]  # the tool's words are counted too
    right, wrong = pair("tool_result_missing")
    assert wrong[0]["reward"] < right[0]["reward"]
    assert wrong[0]["made_up"] > right[0]["made_up"]
