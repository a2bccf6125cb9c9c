"""The table of recipes, its comparison table, and that the two cannot drift apart."""

from dataclasses import fields, replace

import pytest

from reference.__main__ import main, parser, recipe_of
from reference.algorithms.recipes import RECIPES, ROWS, Recipe, options_of
from reference.algorithms.slots import ADVANTAGES, AGGREGATIONS, KL, LOSSES
from reference.algorithms.table import ADVANTAGE, NORMALISER, aspects, comparison, overview

RL = [recipe for recipe in ROWS if recipe.kind == "rl"]


def test_the_article_s_algorithms_are_rows():
    expected = {"ppo", "grpo", "dr-grpo", "dapo", "gspo", "cispo", "rloo", "reinforce++", "reinforce++-baseline"}
    assert {recipe.name for recipe in RL} == expected
    assert {
        "sft",
        "reward-model",
        "dpo",
        "ipo",
        "cdpo",
        "robust-dpo",
        "simpo",
        "orpo",
        "kto",
        "hinge",
    } <= RECIPES.keys()


@pytest.mark.parametrize("recipe", RL, ids=lambda r: r.name)
def test_every_name_in_a_row_stands_for_something(recipe):
    assert recipe.advantage in ADVANTAGES and recipe.loss in LOSSES and recipe.aggregation in AGGREGATIONS
    assert recipe.kl is None or recipe.kl in KL
    assert (recipe.kl is None) == (recipe.kl_place is None)
    assert (recipe.advantage == "gae") == (recipe.critic is not None) == (recipe.vf_coef > 0)


def test_every_choice_has_its_words():
    assert ADVANTAGE.keys() == ADVANTAGES.keys() and NORMALISER.keys() == AGGREGATIONS.keys()
    columns = {column.name: column.metadata.get("choices") for column in fields(Recipe)}
    assert set(columns["aggregation"]) == set(AGGREGATIONS) and set(columns["kl"]) == set(KL)


def test_dr_grpo_is_grpo_with_two_entries_changed():
    # The point of the table: (name, words and) two slots.
    grpo, other = RECIPES["grpo"], RECIPES["dr-grpo"]
    changed = {c.name for c in options_of("rl") if getattr(grpo, c.name) != getattr(other, c.name)}
    assert changed == {"advantage", "aggregation"}


def test_the_comparison_says_what_differs_and_what_does_not():
    told = comparison(["grpo", "dr-grpo"])
    assert "--advantage" in told and "group_mean" in told and "--aggregation" in told
    assert "--clip-high" not in told and "The same in all: input" in told
    assert "over its std" in told and "sum over tokens / (completions x budget)" in " ".join(told.split())


def test_the_overview_has_the_article_s_three_columns_and_every_recipe(capsys):
    assert main(["recipes"]) == 0
    told = capsys.readouterr().out
    head = told.splitlines()[0].split()
    assert head == ["ppo", "grpo", "dpo"]
    for aspect in ("Input", "Key shape", "Advantage", "KL handling", "Value head", "Key numbers", "Common pitfall"):
        assert f"\n{aspect}" in told
    for recipe in ROWS:
        assert f"\n{recipe.name} " in told
    assert told.strip() == overview().strip()


def test_a_changed_entry_changes_the_table():
    changed = aspects(replace(RECIPES["grpo"], critic="shared", kl_coef=0.04, group_size=3))
    assert changed["Value head"] == "yes, on the policy's trunk"
    assert changed["KL handling"] == "k3 in the loss" and "3 sampled per prompt" in changed["Input"]


def test_an_unknown_recipe_is_answered_with_the_nearest(capsys):
    assert main(["recipes", "grpo", "drgrpo"]) == 2
    assert "there is no recipe 'drgrpo'; did you mean 'dr-grpo'?" in capsys.readouterr().err


@pytest.mark.parametrize("recipe", ROWS, ids=lambda r: r.name)
def test_the_command_line_gives_back_the_row(recipe):
    options = vars(parser().parse_args(["train", recipe.name]))
    assert recipe_of(options) == recipe


def test_an_option_goes_into_the_row():
    options = vars(
        parser().parse_args(["train", "cispo", "--clip-low", "0.5", "--kl", "k2", "--bf16", "--top-k", "none"])
    )
    made = recipe_of(options)
    assert (made.clip_low, made.kl, made.bf16, made.top_k) == (0.5, "k2", True, None)
    options = vars(parser().parse_args(["train", "grpo", "--kl", "none", "--clip-low", "none"]))
    assert (recipe_of(options).kl, recipe_of(options).clip_low) == (None, None)
