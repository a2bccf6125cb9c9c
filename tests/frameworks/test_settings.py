"""Which cells of the table a config is told about, where a block of options may be absent."""

import pytest

from reference.configs.option import UNEVALUATED, ConfigRead, Option
from reference.frameworks.aliases import ALIASES
from reference.frameworks.defaults import Cell, Framework, Value, framework_named
from reference.frameworks.settings import (
    Setting,
    is_free,
    not_understood,
    own_options,
    plain_name,
    renamed,
    settings_of,
)

NAMES = {"norm": None, "norm.eps": 1e-5, "norm.level": "batch", "normal": 3, "clip": 0.2}
CELLS = tuple(Cell("clip", "", name, default, "a.py:1", "{value}") for name, default in NAMES.items())
FRAMEWORK = Framework("f", "F", "1", cells=CELLS, names=frozenset(NAMES))


def told(*options: str) -> dict[str, object]:
    given = {name: Option(7, "7", 1, "config") for name in options}
    return {setting.cell.option: setting.value for setting in settings_of(FRAMEWORK, "", given)}


def test_the_parts_of_an_absent_block_are_not_told():
    assert told() == {"norm": None, "normal": 3, "clip": 0.2}


def test_a_block_with_a_part_that_is_set_is_not_absent():
    assert told("norm.eps") == {"norm.eps": 7, "norm.level": "batch", "normal": 3, "clip": 0.2}


def test_a_block_that_is_set_itself_is_told_with_its_parts():
    assert told("norm") == {"norm": 7, "norm.eps": 1e-5, "norm.level": "batch", "normal": 3, "clip": 0.2}


# --- names ---


def config(framework: str, **options: object) -> ConfigRead:
    given = {name: Option(value, str(value), line, "a.sh") for line, (name, value) in enumerate(options.items(), 1)}
    return ConfigRead(framework, None, given, [])


def test_an_older_name_is_told_and_stands_for_the_new_one():
    found, notes = renamed(config("openrlhf", init_kl_coef=0.1, n_samples_per_prompt=4))
    assert {name: option.value for name, option in found.items()} == {
        "algo.kl.init_coef": 0.1,
        "rollout.n_samples_per_prompt": 4,
    }
    assert notes == [
        "older names, read as the new ones: init_kl_coef (algo.kl.init_coef), n_samples_per_prompt (rollout.n_samples_per_prompt)"
    ]


def test_the_new_name_counts_over_the_old_one():
    options = {"algo.kl.init_coef": 0.2, "init_kl_coef": 0.1}
    for order in (options, dict(reversed(options.items()))):
        found, _ = renamed(config("openrlhf", **order))
        assert found["algo.kl.init_coef"].value == 0.2


def test_a_key_that_hydra_adds_is_the_same_without_its_plus():
    found, notes = renamed(config("verl", **{"+reward.reward_kwargs.max_resp_len": 512}))
    assert found["reward.reward_kwargs.max_resp_len"].value == 512 and notes == []


def test_what_does_not_exist_is_told_with_the_nearest_name():
    framework = framework_named("trl")
    given = {name: Option(1, "1", 1, "a.py") for name in ("num_generation", "beta", "xyzzy", "logging_steps", "lora_r")}
    strange, unrelated = not_understood(framework, "GRPOConfig", given)
    assert strange == {"num_generation": "num_generations", "xyzzy": ""} and unrelated == ["logging_steps", "lora_r"]


def test_a_flag_of_the_program_is_known_with_its_dashes():
    given = {"--config-name": Option("x", "x", 1, "a.sh")}
    assert not_understood(framework_named("verl"), "main_ppo", given) == ({}, ["--config-name"])


def test_an_older_place_of_the_punishment_near_the_budget_is_known():
    old = {"reward_model.reward_manager": "dapo", "+reward_model.reward_kwargs.overlong_buffer_cfg.enable": True}
    found, notes = renamed(config("verl", **old))
    assert found.keys() == {"reward.reward_manager.name", "reward.reward_kwargs.overlong_buffer_cfg.enable"}
    assert len(notes) == 1 and notes[0].count("(reward.") == 2


def test_parts_that_take_any_key_are_not_strange():
    names = {"policy.override", "policy.override.depth", "plain"}
    assert is_free("policy.override.width", names) and not is_free("policy.overridden.width", names)
    assert not is_free("plain.width", names)


def test_a_value_that_is_known_only_when_it_runs_leaves_its_columns_open():
    cell = Cell("clip", "", "clip", 0.2, "a.py:1", "1 - {value}", column="clip_low")
    unknown = Setting(cell, UNEVALUATED, Option(UNEVALUATED, "$CLIP", 3, "a.sh"))
    assert unknown.columns == {"clip_low": UNEVALUATED} and unknown.words == "not known before it runs: $CLIP"
    assert Setting(cell, 0.3, None).columns == {"clip_low": 0.3} and Setting(cell, 0.3, None).words == "1 - 0.3"


def test_an_option_that_does_nothing_sets_no_column():
    assert (
        Setting(Cell("clip", "", "clip", 0.2, "a.py:1", "{value}", column="clip_low", acts=False), 0.3, None).columns
        == {}
    )


def test_a_value_without_words_is_said_to_be_one():
    cell = Cell("clip", "", "mode", "token", "a.py:1", values=(Value("token", "one per token", {"ratio": "token"}),))
    given = Setting(cell, "tokem", Option("tokem", "tokem", 1, "a.sh"))
    assert given.words == given.strange == "tokem is a value that is not explained here; did you mean token?"
    assert given.columns == {}


@pytest.mark.parametrize("wrong", ["abc", True, [1, 2]])
def test_what_is_no_number_where_one_belongs_is_said_to_be_none(wrong):
    cell = Cell("clip", "", "clip", 0.2, "a.py:1", "1 - {value}", column="clip_low")
    given = Setting(cell, wrong, Option(wrong, str(wrong), 1, "a.sh"))
    assert given.strange.endswith("is no number, and 0.2 is the default") and given.columns == {}
    assert not Setting(cell, "3e-1", Option("3e-1", "3e-1", 1, "a.sh")).strange  # what YAML 1.1 takes for a text


def test_every_older_name_stands_for_an_option_of_today():
    for framework, names in ALIASES.items():
        there = {plain_name(name) for name in framework_named(framework).names}
        assert set(names.values()) <= there, framework


def test_the_older_name_of_one_program_is_the_name_of_another_s():
    """--max_norm was train_ppo_ray's, and is train_dpo's."""
    assert "actor.max_norm" in renamed(config("openrlhf", max_norm=0.5))[0]
    own = own_options(framework_named("openrlhf"), "train_dpo")
    assert renamed(config("openrlhf", max_norm=0.5), own)[0].keys() == {"max_norm"}
