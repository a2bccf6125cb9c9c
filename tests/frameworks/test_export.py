"""A recipe as a config of another framework: explained again it is the recipe, or the slot that has no option is named."""

import math
from dataclasses import replace
from itertools import product

import pytest

from reference.algorithms.recipes import RECIPES, ROWS
from reference.configs.read_config import read_config
from reference.frameworks.defaults import framework_named, newest
from reference.frameworks.explain import NUMBERS, SHAPE, Explanation, effective, explain
from reference.frameworks.export import EXPORTERS, as_json, export, text_of
from reference.frameworks.exporters.inverse import agreement, by_option
from reference.frameworks.exporters.write_trl import COMMANDS
from reference.objectives.shapes import InputError

# Recipe -> the columns that a framework has no option for; "no trainer" where none is recorded. What is not here is written.
TOOLS = {"task"}
REFUSED: dict[str, dict[str, set[str]]] = {
    "trl": {
        "ppo": {"advantage", "kl", "kl_place", "critic"},
        "dapo": {"overlong", "max_rounds"},
        "reinforce++": {"advantage", "kl", "kl_place"},
        "reinforce++-baseline": {"advantage", "kl"},
        "dpo-online": {"online"},
        "ipo": {"average_logprobs"},  # TRL's is of means
        "orpo": {"loss", "average_logprobs"},
    },
    "verl": {},
    "openrlhf": {
        "dr-grpo": {"aggregation"},
        "cispo": {"loss"},
        "rloo": {"loss", "aggregation"},
        "dpo-online": {"online"},
        "robust-dpo": {"loss", "label_smoothing"},
        "hinge": {"loss"},
        "simpo": {"loss", "target_margin"},
        "orpo": {"loss"},
        "kto": {"loss"},
    },
    "nemo_rl": {
        "dr-grpo": {"aggregation"},
        "rloo": {"kl", "kl_place", "kl_coef", "aggregation"},
        "reinforce++": {"advantage"},
        "reinforce++-baseline": {"kl"},
        "dpo-online": {"online"},
        "ipo": {"loss"},
        "cdpo": {"loss", "label_smoothing"},
        "robust-dpo": {"loss", "label_smoothing"},
        "hinge": {"loss"},
        "simpo": {"loss", "target_margin"},
        "orpo": {"loss"},
        "kto": {"loss"},
    },
}
NO_TRAINER = {"verl": {"sft", "reward", "preference"}, "openrlhf": {"sft", "reward"}, "nemo_rl": {"reward"}, "trl": set()}
PAIRS = [pytest.param(row, name, id=f"{row.name}-{name}") for row, name in product(ROWS, EXPORTERS)]


def explained(text: str, ending: str, folder, name: str, framework: str | None = None) -> Explanation:
    path = folder / f"{name}{ending}"
    path.write_text(text, encoding="utf-8")
    return explain(read_config(path, framework))


@pytest.mark.parametrize(("recipe", "to"), PAIRS)
def test_what_is_exported_is_explained_as_the_recipe_or_refused(recipe, to, tmp_path):
    title = framework_named(to).title
    if recipe.kind in NO_TRAINER[to]:
        with pytest.raises(InputError, match=f"^no trainer for .* which {recipe.name} is, is recorded of {title}".replace("+", r"\+")):
            export(recipe, to)
        return
    missing = REFUSED[to].get(recipe.name, set()) | (TOOLS if recipe.task == "tools" else set())
    if missing:
        with pytest.raises(InputError) as refusal:
            export(recipe, to)
        said = str(refusal.value).split(":")[0]
        assert said.startswith(f"{title} ") and {part.split(" = ")[0].split()[-1] for part in said.split(" = ")[:-1]} == missing
        return
    for ending in EXPORTERS[to].endings:
        exported = export(recipe, to)
        if to == "trl" and ending != ".py" and exported.entry not in COMMANDS:
            continue  # refused below
        told = to == "trl" and ending != ".py"  # a YAML file of TRL says nowhere whose it is, but by its name
        name, framework = (COMMANDS[exported.entry], "trl") if told else ("config", None)
        one = explained(text_of(exported, ending), ending, tmp_path, name, framework)
        assert (one.nearest, one.differs, one.strange) == (recipe.name, {}, {})
        for column in (*SHAPE.get(recipe.kind, ()), *NUMBERS.get(recipe.kind, ())):
            if column in one.columns:
                assert one.columns[column] == pytest.approx(effective(recipe, column), nan_ok=True), column


def test_the_table_of_refusals_names_recipes_and_frameworks_that_there_are():
    assert REFUSED.keys() == EXPORTERS.keys() == NO_TRAINER.keys() and EXPORTERS.keys() <= newest().keys()
    assert all(recipe in RECIPES for table in REFUSED.values() for recipe in table)
