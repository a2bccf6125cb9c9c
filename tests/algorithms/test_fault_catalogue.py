"""The catalogue of faults: each has its names, its recipe and its lesson, and is taken back when its block ends."""

from pkgutil import resolve_name

import pytest

from reference.algorithms.recipes import RECIPES
from reference.faults import FAULTS, fault_named, faulty_recipe, injected
from reference.faults.names import FITS, HAS, faults_for
from reference.lessons import LESSONS
from reference.objectives.shapes import InputError


def test_the_names_and_the_entries_are_the_same():
    assert tuple(FAULTS) == tuple(FITS)
    assert all(fault.name == name for name, fault in FAULTS.items())


@pytest.mark.parametrize("name", FITS)
def test_a_fault_fits_the_recipe_of_its_recorded_runs_and_has_a_lesson(name):
    fault = FAULTS[name]
    assert name in faults_for(RECIPES[fault.recipe])
    assert 0 <= fault.lesson < len(LESSONS) + 1
    assert fault.options or fault.reward or fault.replaces
    assert fault.mistake.endswith(".") and fault.symptom.endswith(".")


@pytest.mark.parametrize("name", FITS)
def test_wrong_functions_stand_where_the_loop_looks_only_inside_the_block(name):
    targets = FAULTS[name].replaces
    before = {target: resolve_name(target) for target in targets}
    with injected(name):
        assert all(resolve_name(target) is not before[target] for target in targets)
    assert {target: resolve_name(target) for target in targets} == before
    with pytest.raises(RuntimeError), injected(name):
        raise RuntimeError  # an error inside takes it back as well
    assert {target: resolve_name(target) for target in targets} == before


def test_without_a_name_nothing_is_wrong():
    right = resolve_name("reference.algorithms.rl.collect")
    with injected(None):
        assert resolve_name("reference.algorithms.rl.collect") is right


def test_options_and_reward_of_a_fault_are_those_of_the_recipe():
    assert faulty_recipe("lr_too_high", RECIPES["grpo"]).lr == pytest.approx(5 * RECIPES["grpo"].lr)
    pairs = faulty_recipe("group_of_two", RECIPES["grpo"])
    assert pairs.group_size * pairs.prompts_per_step == 256 == 8 * RECIPES["grpo"].prompts_per_step
    assert callable(faulty_recipe("length_gamed", RECIPES["grpo"]).reward)


@pytest.mark.parametrize(
    ("name", "recipe", "words"),
    [
        ("value_at_action", "grpo", "is a fault of a critic, and grpo cannot have it: try ppo"),
        ("tool_output_trained", "grpo", "reinforcement learning with tools, and grpo cannot have it: try tool-rl"),
        ("prompt_not_masked", "dpo", "supervised fine-tuning, and dpo"),
        ("group_of_two", "ppo", "groups of several completions, and ppo"),
        ("other_reference", "simpo", "preferences with a reference, and simpo"),
    ],
)
def test_a_fault_of_something_that_the_recipe_has_not_is_refused(name, recipe, words):
    with pytest.raises(InputError, match=words):
        faulty_recipe(name, RECIPES[recipe])


def test_an_unknown_name_is_refused_with_all_that_there_are():
    with pytest.raises(InputError, match="no fault 'lr'; there are: lr_too_high, kl_coef"):
        fault_named("lr")


def test_every_reason_is_a_reason_of_some_fault():
    assert set(FITS.values()) == HAS.keys()
