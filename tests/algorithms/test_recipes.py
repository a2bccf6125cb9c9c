"""The table of recipes, its comparison table, and that the two cannot drift apart."""

from dataclasses import fields, replace

import pytest

from reference.__main__ import main, parser
from reference.algorithms.advantages import ADVANTAGES
from reference.algorithms.aggregation import AGGREGATIONS
from reference.algorithms.kl import KL
from reference.algorithms.limits import require_limits
from reference.algorithms.losses import LOSSES
from reference.algorithms.preference_losses import PREFERENCE_LOSSES
from reference.algorithms.recipes import RECIPES, ROWS, Recipe, options_of, recipe_from
from reference.algorithms.rewards import REWARDS
from reference.algorithms.table import aspects, comparison, recipes_overview
from reference.algorithms.unread_options import without_unread
from reference.objectives.shapes import InputError

RL = [recipe for recipe in ROWS if recipe.kind == "rl"]


def test_the_article_s_algorithms_are_rows():
    expected = {
        "ppo",
        "grpo",
        "dr-grpo",
        "dapo",
        "gspo",
        "cispo",
        "rloo",
        "reinforce++",
        "reinforce++-baseline",
        "tool-rl",
        "distill",
    }
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


def test_the_choices_are_the_registries_and_every_entry_has_words_of_its_own():
    columns = {column.name: column.metadata.get("choices") for column in fields(Recipe)}
    choices = {
        "advantage": columns["advantage"],
        "aggregation": columns["aggregation"],
        "kl": columns["kl"],
        "reward": columns["reward"],
        **columns["loss"],
    }
    registries = {
        "advantage": ADVANTAGES,
        "aggregation": AGGREGATIONS,
        "kl": KL,
        "reward": REWARDS,
        "rl": LOSSES,
        "preference": PREFERENCE_LOSSES,
    }
    for name, registry in registries.items():
        assert list(choices[name]) == list(registry), name
        assert len({entry.words for entry in registry.values()} - {""}) == len(registry), name


def columns_with_choices() -> list[tuple[str, str]]:
    return [(kind, c.name) for kind in ("rl", "preference") for c in options_of(kind) if c.metadata["choices"]]


@pytest.mark.parametrize(("kind", "column"), columns_with_choices())
def test_a_word_that_is_no_choice_is_refused_with_the_nearest(kind, column):
    for recipe in (recipe for recipe in ROWS if recipe.kind == kind):
        with pytest.raises(InputError, match=f"^{column} is 'nonsense'; did you mean '.*'[?] There are: "):
            require_limits(replace(recipe, **{column: "nonsense"}))


@pytest.mark.parametrize(
    ("name", "changes", "near"),
    [
        ("ppo", {"critic": "seperate"}, "separate"),
        ("grpo", {"kl": "k9"}, "k[123]"),
        ("grpo", {"kl_place": "lsos"}, "loss"),
        ("grpo", {"loss": "dpo"}, "dppo"),  # a choice, but of another kind of recipe
        ("grpo", {"overlong": None}, "score"),
        ("grpo", {"kl_place": len}, "loss"),  # no slot for a function
    ],
)
def test_the_nearest_choice_is_named(name, changes, near):
    with pytest.raises(InputError, match=f"did you mean '{near}'"):
        require_limits(replace(RECIPES[name], **changes))


def test_dr_grpo_is_grpo_with_two_entries_changed():
    # The point of the table: (name, words and) two slots.
    grpo, other = RECIPES["grpo"], RECIPES["dr-grpo"]
    changed = {c.name for c in options_of("rl") if getattr(grpo, c.name) != getattr(other, c.name)}
    assert changed == {"advantage", "aggregation"}


def test_the_comparison_says_what_differs_and_what_does_not():
    text = comparison(["grpo", "dr-grpo"])
    assert "--advantage" in text and "group_mean" in text and "--aggregation" in text
    assert "--clip-high" not in text and "The same in all: input" in text
    assert "over its std" in text and "sum over tokens / (completions x budget)" in " ".join(text.split())


def test_the_overview_has_the_article_s_three_columns_and_every_recipe(capsys):
    assert main(["recipes"]) == 0
    text = capsys.readouterr().out
    head = text.splitlines()[0].split()
    assert head == ["ppo", "grpo", "dpo"]
    for aspect in ("Input", "Key shape", "Advantage", "KL handling", "Value head", "Key numbers", "Common pitfall"):
        assert f"\n{aspect}" in text
    for recipe in ROWS:
        assert f"\n{recipe.name} " in text
    assert text.strip() == recipes_overview().strip()


def test_a_changed_entry_changes_the_table():
    changed = aspects(replace(RECIPES["grpo"], critic="shared", kl_coef=0.04, group_size=3))
    assert changed["Value head"] == "yes, on the policy's trunk"
    assert changed["KL handling"] == "k3 (never negative) in the loss" and "3 sampled per prompt" in changed["Input"]


def test_a_kl_that_is_measured_only_is_no_penalty():
    assert aspects(replace(RECIPES["grpo"], kl_place="measure"))["KL handling"] == "none charged; measured"


def test_the_table_says_where_a_teacher_teaches():
    words = [aspects(replace(RECIPES["distill"], loss=loss)) for loss in ("jsd", "reinforce")]
    assert all(cells["Input"] == "prompts, 1 sampled per prompt, a teacher who reads them" for cells in words)
    assert [cells["Advantage"].split(":")[0] for cells in words] == ["none", "per token"]
    assert ["teacher_share 1" in cells["Key numbers"] for cells in words] == [True, False]
    assert aspects(RECIPES["grpo"])["Input"].endswith("a reward for each")


@pytest.mark.parametrize("recipe", RL, ids=lambda r: r.name)
def test_a_row_holds_none_where_nothing_reads_the_number(recipe):
    assert without_unread(recipe) == recipe
    others = replace(recipe, gamma=0.5, gae_lambda=0.5, critic_lr=0.5, value_clip=0.5, dual_clip=5.0)
    kept = without_unread(others)
    assert (kept.dual_clip is None) == (recipe.loss != "ppo_clip")
    assert (kept.gamma is None) == (recipe.advantage not in ("gae", "reinforce_plus_plus"))
    assert [getattr(kept, name) is None for name in ("gae_lambda", "critic_lr", "value_clip")] == [
        not recipe.critic
    ] * 3


def test_an_unknown_recipe_is_answered_with_the_nearest(capsys):
    assert main(["recipes", "grpo", "drgrpo"]) == 2
    assert "there is no recipe 'drgrpo'; did you mean 'dr-grpo'?" in capsys.readouterr().err


@pytest.mark.parametrize("recipe", ROWS, ids=lambda r: r.name)
def test_the_command_line_gives_back_the_row(recipe):
    options = vars(parser().parse_args(["train", recipe.name]))
    assert recipe_from(options) == recipe


def test_an_option_goes_into_the_row():
    options = vars(
        parser().parse_args(["train", "cispo", "--clip-low", "0.5", "--kl", "k2", "--bf16", "--top-k", "none"])
    )
    made = recipe_from(options)
    assert (made.clip_low, made.kl, made.bf16, made.top_k) == (0.5, "k2", True, None)
    options = vars(parser().parse_args(["train", "grpo", "--kl", "none", "--clip-low", "none"]))
    assert (recipe_from(options).kl, recipe_from(options).clip_low) == (None, None)
