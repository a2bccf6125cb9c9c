"""Whose config it is."""

import pytest

from reference.objectives.shapes import InputError
from tests.configs.written import read, values


@pytest.mark.parametrize(
    ("command", "framework", "entry"),
    [
        ("python3 -m verl.trainer.main_ppo a.b=1", "verl", "verl.trainer.main_ppo"),
        ("python3 -m recipe.dapo.main_dapo actor_rollout_ref.rollout.n=1", "verl", "recipe.dapo.main_dapo"),
        ("deepspeed --module openrlhf.cli.train_dpo --beta 0.1", "openrlhf", "openrlhf.cli.train_dpo"),
        ("python my.py --algo.kl.init_coef 0.1", "openrlhf", "my.py"),
        ("uv run python examples/run_grpo_math.py grpo.n=1", "nemo-rl", "examples/run_grpo_math.py"),
        ("uv run -m skyrl.train.entrypoints.main_base a.b=1", "skyrl", "skyrl.train.entrypoints.main_base"),
        ("uv run -m mine.main trainer.algorithm.eps_clip_low=0.2", "skyrl", "mine.main"),
        ("python -m areal.launcher.local x.py --config c.yaml", "areal", "areal.launcher.local"),
        ("NPROC=2 swift rlhf --beta 0.1", "ms-swift", "swift rlhf"),
        ("megatron rlhf --beta 0.1", "ms-swift", "megatron rlhf"),
        ("torchrun swift/cli/rlhf.py --beta 0.1", "ms-swift", "swift/cli/rlhf.py"),
        ("llamafactory-cli train --stage dpo", "llama-factory", "llamafactory-cli train"),
        ("axolotl train c.yaml --rl dpo", "axolotl", "axolotl train"),
        ("trl dpo --beta 0.1", "trl", "DPOConfig"),
        ("accelerate launch --num_processes 8 open_r1/grpo.py --beta 0.1", "trl", "GRPOConfig"),
        ("python gspo.py --num_generations 8 --epsilon 3e-4", "trl", "GRPOConfig"),
        ("python -m trl.scripts.kto --beta 0.1", "trl", "KTOConfig"),
        ("accelerate launch scripts/run_dpo.py --beta 0.1", "trl", "DPOConfig"),  # NeMo-RL has a run_dpo.py too
        ("python my.py --advantage_estimator rloo --pretrain m", "openrlhf", "my.py"),
    ],
)
def test_commands(tmp_path, command, framework, entry):
    config = read(tmp_path, "run.sh", command + "\n")
    assert (config.framework, config.entry) == (framework, entry)


@pytest.mark.parametrize(
    ("text", "framework"),
    [
        ("actor_rollout_ref: {actor: {kl_loss_coef: 1}}", "verl"),
        ("defaults: p.yaml\ngrpo: {n: 1}", "nemo-rl"),
        ("trainer: {algorithm: {x: 1}}\ngenerator: {n: 1}", "skyrl"),
        ("gconfig: {n_samples: 4}\nactor: {eps_clip: 0.4}", "areal"),
        ("rlhf_type: grpo\nmodel: m", "ms-swift"),
        ("stage: dpo\nfinetuning_type: lora", "llama-factory"),
        ("base_model: m\nrl: dpo", "axolotl"),
        ("model_name_or_path: m\nnum_generations: 8", "trl"),
    ],
)
def test_keys(tmp_path, text, framework):
    assert read(tmp_path, "c.yaml", text).framework == framework


def test_the_class_of_a_trl_file_may_come_from_its_folder(tmp_path):
    (tmp_path / "dpo").mkdir()
    text = "model_name_or_path: m\ndataset_name: d\nbeta: 0.1\n"
    assert read(tmp_path / "dpo", "c.yaml", text).entry == "DPOConfig"


def test_the_class_of_a_trl_file_may_be_unknown(tmp_path):
    config = read(tmp_path, "c.yaml", "model_name_or_path: m\ndataset_name: d\nbeta: 0.1\n")
    assert config.entry is None
    assert any("nothing says which trainer of TRL" in note for note in config.notes)


def test_two_frameworks_are_named_and_the_option_decides(tmp_path):
    text = "dataset: d\nlora_rank: 8\n"
    with pytest.raises(InputError, match="could be those of ms-swift or of llama-factory"):
        read(tmp_path, "c.yaml", text)
    config = read(tmp_path, "c.yaml", text, framework="llama-factory")
    assert (config.framework, values(config)) == ("llama-factory", {"dataset": "d", "lora_rank": 8})


def test_an_unknown_name_of_a_framework(tmp_path):
    with pytest.raises(InputError, match="--framework verll is not known: choose one of trl, verl"):
        read(tmp_path, "c.yaml", "a: 1\n", framework="verll")


def test_a_fork_with_names_of_its_own_is_not_taken_for_verl(tmp_path):
    with pytest.raises(InputError, match="the program of EasyR1"):
        read(tmp_path, "run.sh", "python3 -m verl.trainer.main config=c.yaml worker.actor.x=1\n")


OTHERS = "python mine.py --pretrain m --prompt_data d --rollout_batch_size 128 --critic_type drgrpo"


def test_words_that_many_programs_have_are_not_openrlhf(tmp_path):
    with pytest.raises(InputError, match="starts no program"):
        read(tmp_path, "run.sh", OTHERS + "\n")
    assert read(tmp_path, "run.sh", OTHERS + "\n", "openrlhf").framework == "openrlhf"


def test_the_yaml_behind_a_program_says_more_than_its_name(tmp_path):
    (tmp_path / "c.yaml").write_text("model_name_or_path: m\nbeta: 0.3\nloss_type: sigmoid\n")
    config = read(tmp_path, "run.sh", "python scripts/run_dpo.py --config c.yaml\n")
    assert (config.framework, config.entry, config.options["beta"].value) == ("trl", "DPOConfig", 0.3)
    (tmp_path / "c.yaml").write_text("dpo: {reference_policy_kl_penalty: 0.3}\n")
    assert read(tmp_path, "run.sh", "python scripts/run_dpo.py --config c.yaml\n").framework == "nemo-rl"


def test_another_name_than_the_program_s_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"line 1 starts verl\.trainer\.main_ppo, a program of verl"):
        read(tmp_path, "run.sh", "python3 -m verl.trainer.main_ppo a.b=1\n", "trl")
    assert read(tmp_path, "run.sh", "python run_grpo.py --beta 0.1\n", "trl").framework == "trl"


@pytest.mark.parametrize(
    ("name", "options", "entry"),
    [
        ("c.yaml", "packing: true\nmax_seq_length: 1024\n", "SFTConfig"),
        ("c.yaml", "precompute_ref_log_probs: true\n", "DPOConfig"),
        ("simpo.yaml", "beta: 2.5\n", "SimPOConfig"),
    ],
)
def test_the_class_of_a_trl_file_may_come_from_its_options(tmp_path, name, options, entry):
    assert read(tmp_path, name, "model_name_or_path: m\nuse_peft: true\n" + options).entry == entry


def test_a_file_of_ms_swift_without_rlhf_type_is_one_of_demonstrations(tmp_path):
    config = read(tmp_path, "c.yaml", "tuner_type: lora\nmodel: m\n")
    assert config.entry == "swift sft" and "taken for swift sft" in config.notes[0]
    assert read(tmp_path, "c.yaml", "tuner_type: lora\nrlhf_type: dpo\n").entry is None
