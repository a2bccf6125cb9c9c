"""A recipe as a config of another framework: explained again it is the recipe, or the slot that has no option is named."""

from dataclasses import replace
from itertools import product

import pytest

from reference.algorithms.recipes import RECIPES, ROWS
from reference.configs.read_config import read_config
from reference.frameworks.defaults import framework_named, newest
from reference.frameworks.explain import NUMBERS, SHAPE, Explanation, effective, explain
from reference.frameworks.export import EXPORTERS, export, text_of
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
        "orpo": {"loss"},
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
NO_TRAINER = {"trl": set(), "verl": {"sft", "reward", "preference"}, "openrlhf": {"reward"}, "nemo_rl": {"reward"}}
PAIRS = [pytest.param(row, name, id=f"{row.name}-{name}") for row, name in product(ROWS, EXPORTERS)]


def explained(text: str, ending: str, folder, name: str, framework: str | None = None) -> Explanation:
    path = folder / f"{name}{ending}"
    path.write_text(text, encoding="utf-8")
    return explain(read_config(path, framework))


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "to"), PAIRS)
def test_what_is_exported_is_explained_as_the_recipe_or_refused(recipe, to, tmp_path):
    title = framework_named(to).title
    if recipe.kind in NO_TRAINER[to]:
        with pytest.raises(
            InputError, match=f"^no trainer for .* which {recipe.name} is, is recorded of {title}".replace("+", r"\+")
        ):
            export(recipe, to)
        return
    if recipe.name == "distill":  # TRL and NeMo-RL have trainers for it, so nothing may be said about who lacks it
        with pytest.raises(InputError, match="loss is jsd, and export does not write it, for no framework"):
            export(recipe, to)
        return
    missing = REFUSED[to].get(recipe.name, set()) | (TOOLS if recipe.task == "tools" else set())
    if missing:
        with pytest.raises(InputError) as refusal:
            export(recipe, to)
        said = str(refusal.value).split(":")[0]
        assert (
            said.startswith(f"{title} ")
            and {part.split(" = ")[0].split()[-1] for part in said.split(" = ")[:-1]} == missing
        )
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


# Other numbers and choices than those of the rows, each with the frameworks that cannot express it.
VARIANTS = [
    ("grpo", {"group_size": 16, "prompts_per_step": 64, "minibatches": 4, "inner_epochs": 2}, {"nemo_rl"}),  # one pass
    ("grpo", {"clip_low": 0.1, "clip_high": 0.3, "max_grad_norm": 0.5, "temperature": 0.7, "lr": 1e-6}, set()),
    ("grpo", {"clip_low": None, "clip_high": None}, set()),
    ("grpo", {"kl_coef": 0.04}, {"nemo_rl"}),  # its k3 is multiplied by a ratio
    ("grpo", {"kl_coef": 0.04, "kl": "k3_unbiased"}, {"verl", "openrlhf"}),
    ("grpo", {"kl_coef": 0.04, "kl": "k1"}, {"trl", "nemo_rl"}),
    ("grpo", {"kl_coef": 0.04, "kl": "k1", "kl_place": "reward"}, {"trl", "nemo_rl"}),
    ("grpo", {"kl": None, "kl_place": "measure"}, {"trl", "verl", "openrlhf", "nemo_rl"}),
    ("grpo", {"dual_clip": 3.0}, set()),
    ("grpo", {"entropy_coef": 0.01}, {"nemo_rl"}),
    ("grpo", {"overlong": "mask"}, {"verl", "openrlhf"}),
    ("grpo", {"overlong": "penalty", "max_new_tokens": 400}, {"trl"}),
    ("grpo", {"top_k": 20, "top_p": 0.9}, {"openrlhf"}),
    ("grpo", {"advantage": "group_mean_batch_std"}, {"verl", "openrlhf", "nemo_rl"}),
    ("grpo", {"advantage": "group_mean", "aggregation": "token_mean"}, set()),
    ("grpo", {"sft_coef": 0.1}, {"trl", "verl", "openrlhf", "nemo_rl"}),
    ("grpo", {"kl_coef": 0.1, "ref_sync_every": 5}, {"verl", "openrlhf", "nemo_rl"}),
    ("grpo", {"kl_coef": 0.1, "kl_target": 0.2}, {"trl", "verl", "nemo_rl"}),
    ("gspo", {"aggregation": "token_mean"}, {"openrlhf"}),
    ("cispo", {"clip_low": 0.5}, {"trl", "openrlhf"}),
    ("ppo", {"critic": "shared"}, {"trl", "verl", "openrlhf", "nemo_rl"}),
    ("ppo", {"gae_lambda": 1.0, "value_clip": 0.5, "gamma": 0.99}, {"trl"}),
    ("rloo", {"minibatches": 2}, {"trl", "openrlhf", "nemo_rl"}),
    ("rloo", {"max_grad_norm": None, "kl_coef": 0.0}, {"openrlhf", "nemo_rl"}),
    ("rloo", {"aggregation": "token_mean", "kl_coef": 0.0}, {"trl", "openrlhf"}),
    ("dpo", {"beta": 0.5, "sft_coef": 0.2}, {"verl", "nemo_rl"}),
    ("cdpo", {"label_smoothing": 0.25}, {"verl", "nemo_rl"}),
    ("robust-dpo", {"label_smoothing": 0.3}, {"verl", "openrlhf", "nemo_rl"}),
    ("simpo", {"target_margin": 0.5}, {"verl", "openrlhf", "nemo_rl"}),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("to", EXPORTERS)
@pytest.mark.parametrize(
    ("name", "changes", "refused"), VARIANTS, ids=[f"{name}-{'-'.join(changes)}" for name, changes, _ in VARIANTS]
)
def test_another_number_is_written_and_found_again(name, changes, refused, to, tmp_path):
    recipe = replace(RECIPES[name], **changes)
    if to in refused:
        with pytest.raises(InputError, match=f"{framework_named(to).title} |no trainer"):
            export(recipe, to)
        return
    one = explained(text_of(export(recipe, to)), EXPORTERS[to].endings[0], tmp_path, "config")
    for column in (*SHAPE[recipe.kind], *NUMBERS[recipe.kind], "lr"):
        if column in one.columns and (column in changes or column == "lr"):
            assert one.columns[column] == pytest.approx(effective(recipe, column)), column
