"""Batches out of the real loops, each under a fault of the catalogue: what ``audit`` says of them, and what it cannot see."""

import copy
from dataclasses import replace
from random import Random

import pytest

from reference.algorithms import supervised
from reference.algorithms.critic import Critic
from reference.algorithms.kl import needs_reference
from reference.algorithms.recipes import RECIPES
from reference.algorithms.rl import train_rl
from reference.audit import audit, batch_tensors
from reference.faults import FAULTS, faulty_recipe, injected
from reference.objectives import ppo_clip_loss
from reference.runs.launch import new_optimizer
from reference.world.model import SHIPPED, load

pytestmark = pytest.mark.slow

FOUND = {  # fault -> the check that finds it, and whether it is a fault or a doubt
    "group_of_two": ("group_sizes", "doubt"),
    "std_of_dead_groups": ("dead_advantages", "fault"),
    "advantage_sign": ("sign", "fault"),
    "advantages_not_centred": ("centred", "fault"),
    "stale_logprobs": ("ratio", "doubt"),
    "temperature_forgotten": ("ratio", "fault"),
    "dropout_in_scoring": ("ratio", "fault"),
    "mask_off_by_one": ("aligned", "fault"),
    "verifier_broken": ("advantage", "doubt"),
    "tool_output_trained": ("tools", "fault"),
    "tool_result_missing": ("tool_results", "fault"),
    "prompt_not_masked": ("prompt", "fault"),
    "eos_not_trained": ("end", "fault"),
}
OF_THE_RUN = (  # not of a batch: one that is right in every number may come from such a run
    "lr_too_high", "kl_coef_too_small", "reference_replaced", "k1_in_loss", "micro_batch_count", "entropy_sign",
    "weights_frozen", "length_gamed",
)  # fmt: skip


def found_in(fault: str | None, recipe_name: str) -> list[tuple[str, str]]:
    """Check and level of what is found in the batch of the second update of a small run, notes left out."""
    recipe = replace(RECIPES[recipe_name], steps=2, micro_batch_size=64, minibatches=1, inner_epochs=1)
    if fault:
        recipe = faulty_recipe(fault, recipe)
    size = min(4, recipe.group_size)
    recipe = replace(recipe, group_size=size, prompts_per_step=64 // size)
    start, tokenizer = load(SHIPPED[recipe.start])
    if recipe.kind == "sft":
        with injected(fault):
            found = supervised.draw_demonstrations(tokenizer, Random(0), recipe)
        return said(batch_tensors(found, tokenizer=tokenizer))
    seen = []

    def loss(logprobs, experience, r):
        seen.append(batch_tensors(experience, tokenizer=tokenizer, logprobs=logprobs))
        return ppo_clip_loss(logprobs, experience.old_logprobs, experience.advantages)

    model, recipe = copy.deepcopy(start), replace(recipe, loss=loss)
    critic = Critic(model, shared=False) if recipe.critic else None
    with injected(fault):
        train_rl(
            model, tokenizer, new_optimizer(recipe, model, critic), recipe, on_step=lambda step, metrics: False,
            ref_model=copy.deepcopy(start) if needs_reference(recipe) or recipe.ref_sync_every else None, critic=critic,
        )  # fmt: skip
    return said(seen[-1])


def said(tensors) -> list[tuple[str, str]]:
    return [(each.check, each.level) for each in audit(tensors).findings if each.level != "note"]


@pytest.mark.parametrize("recipe", ["grpo", "ppo", "tool-rl", "sft"])
def test_nothing_is_found_in_a_healthy_batch(recipe):
    assert found_in(None, recipe) == []


@pytest.mark.parametrize("name", FOUND)
def test_a_fault_of_the_batch_is_found(name):
    assert FOUND[name] in found_in(name, FAULTS[name].recipe)


@pytest.mark.parametrize("name", OF_THE_RUN)
def test_no_fault_is_found_in_a_batch_of_a_run_that_is_wrong_elsewhere(name):
    assert not [level for _, level in found_in(name, FAULTS[name].recipe) if level == "fault"]


def test_every_fault_is_of_the_batch_or_of_the_run():
    """``other_reference`` shows in pairs with both log-probs, and ``value_at_action`` not while the critic knows little."""
    assert FOUND.keys() | set(OF_THE_RUN) | {"other_reference", "value_at_action"} == FAULTS.keys()
