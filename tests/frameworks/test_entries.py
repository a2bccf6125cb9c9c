"""Which trainer a config is for."""

import pytest

from reference.configs.option import ConfigRead, Option
from reference.frameworks.defaults import framework_named
from reference.frameworks.entries import entry_of
from reference.objectives.shapes import InputError


def entry(framework: str, program: str | None = None, **options: object) -> str:
    given = {name.replace("__", "."): Option(value, str(value), 1, "config") for name, value in options.items()}
    return entry_of(framework_named(framework), ConfigRead(framework, program, given, []))


@pytest.mark.parametrize(
    ("framework", "program", "options", "expected"),
    [
        ("trl", "RLOOConfig", {}, "RLOOConfig"),
        ("verl", "verl.trainer.main_ppo", {}, "main_ppo"),
        ("openrlhf", "openrlhf.cli.train_dpo", {}, "train_dpo"),
        ("skyrl", "skyrl.train.entrypoints.main_base", {}, "main_base"),
        ("ms_swift", "swift rlhf", {"rlhf_type": "grpo"}, "grpo"),
        ("ms_swift", "swift rlhf", {"rlhf_type": "dpo"}, "dpo"),
        ("ms_swift", "megatron rlhf", {"rlhf_type": "dpo"}, "megatron dpo"),
        ("ms_swift", "swift sft", {}, "sft"),
        ("llamafactory", None, {"stage": "kto"}, "kto"),
        ("llamafactory", None, {}, "sft"),
        ("axolotl", None, {"rl": "dpo"}, "rl: dpo"),
        ("axolotl", None, {"rl": "gdpo"}, "rl: grpo"),
        ("axolotl", None, {}, "supervised"),
        ("nemo_rl", None, {"dpo__max_num_steps": 5, "policy__model_name": "m"}, "run_dpo.py"),
        ("nemo_rl", None, {"grpo__max_num_steps": 5}, "run_grpo.py"),
        ("nemo_rl", "examples/run_sft.py", {"grpo__max_num_steps": 5}, "run_sft.py"),
        ("areal", None, {"gconfig__n_samples": 4, "actor__path": "m"}, "PPOTrainer"),
        ("areal", None, {"actor__beta": 0.1}, "DPOTrainer"),
        ("areal", None, {"actor__is_critic": True}, "RWTrainer"),
        ("areal", None, {"actor__path": "m"}, "SFTTrainer"),
    ],
)
def test_the_trainer_of_a_config(framework, program, options, expected):
    assert entry(framework, program, **options) == expected


@pytest.mark.parametrize(
    ("framework", "program", "options", "named"),
    [
        ("trl", "GKDConfig", {}, "GKDConfig"),
        ("openrlhf", "openrlhf.cli.train_rm", {}, "train_rm"),
        ("ms_swift", "swift rlhf", {"rlhf_type": "gkd"}, "gkd"),
        ("llamafactory", None, {"stage": "rm"}, "rm"),
        ("axolotl", None, {"rl": "orpo"}, "rl: orpo"),
        ("axolotl", None, {"reward_model": True}, "reward_model"),
        ("nemo_rl", None, {"distillation__topk": 5, "grpo__x": 1}, "run_distillation.py"),
    ],
)
def test_a_trainer_that_is_not_recorded_is_refused(framework, program, options, named):
    with pytest.raises(
        InputError, match=f"this config is for .*{named}.* the defaults of .* are recorded, and no others"
    ):
        entry(framework, program, **options)


def test_options_of_trl_without_a_trainer_are_refused():
    with pytest.raises(InputError, match="nothing says which trainer of TRL"):
        entry("trl", None)


def test_swift_rlhf_without_a_type_is_dpo():
    assert entry("ms_swift", "swift rlhf") == "dpo"
