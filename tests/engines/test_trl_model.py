"""`--engine trl` and the model it is given: sampled as ours is, given back as it came, tied to itself as the reference."""

import copy
import importlib.metadata
import json
import math
import sys
from dataclasses import replace

import pytest
import torch
from model_folders import model_folder
from transformers import AutoModelForCausalLM, GenerationConfig, LlamaConfig, MixtralConfig, OPTConfig, Qwen2Config

from reference.__main__ import main
from reference.algorithms.recipes import RECIPES, Recipe
from reference.algorithms.reward_model import load_reward_model
from reference.engines.trl.config import require_trl, trl_config
from reference.engines.trl.data import draw_problems
from reference.engines.trl.model import dropout_of, require_no_noise, without_dropout
from reference.engines.trl.trainer import run_trl, trl_trainer
from reference.objectives import InputError
from reference.world.model import load
from reference.world.rollout import encode_prompts, sample

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*checkpointing.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
SMALL = {"steps": 1, "prompts_per_step": 2, "group_size": 2, "max_new_tokens": 24, "micro_batch_size": 4}


def small(name: str, **options: object) -> Recipe:
    recipe = RECIPES[name]
    options = SMALL | ({"max_rounds": 1} if recipe.kind == "rl" else {}) | options
    if recipe.kind in ("preference", "reward"):
        options |= {"pool": 24, "group_size": 4}
    if recipe.kind == "sft":
        del options["group_size"]
    return replace(recipe, **options)


def moved(model, by: float = 0.05):
    """A copy some way off, as a model that was trained since it was loaded."""
    model, generator = copy.deepcopy(model), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(by * p.abs().mean() * torch.randn(p.shape, generator=generator))
    return model


# --- sampled from the same distribution, whatever the checkpoint's generation config says ---

ASKED_FOR = [  # some TRL passes itself, as our config says; the others it leaves to the checkpoint
    {"suppress_tokens": [1]}, {"begin_suppress_tokens": [*range(6, 300)]}, {"bad_words_ids": [[i] for i in range(6, 300)]},
    {"sequence_bias": [[[1], -9.0]]}, {"no_repeat_ngram_size": 1}, {"min_new_tokens": 24}, {"min_length": 100},
    {"repetition_penalty": 3.0}, {"encoder_repetition_penalty": 3.0}, {"min_p": 0.5}, {"typical_p": 0.3}, {"top_h": 0.3},
    {"epsilon_cutoff": 0.3}, {"eta_cutoff": 0.3}, {"forced_eos_token_id": 1}, {"max_time": 1e-9},
    {"exponential_decay_length_penalty": [1, 4.0]}, {"temperature": 0.01}, {"top_k": 1}, {"top_p": 0.01},
    {"guidance_scale": 3.0}, {"stop_strings": ["1"]}, {"num_beams": 2}, {"num_return_sequences": 2, "do_sample": True},
    {"watermarking_config": {"bias": 9.0}},
]  # fmt: skip


class Sampled(Exception):
    """TRL has sampled: its argument says what. The update after it has nothing to say about that."""


def sampled(base, out, asked_for: dict, **options: object) -> list[list[int]]:
    """What TRL samples in a step from a checkpoint whose generation config asks for more."""
    model = copy.deepcopy(base[0])
    ids = {"eos_token_id": model.generation_config.eos_token_id, "pad_token_id": 0}
    model.generation_config = GenerationConfig(**ids, **asked_for)
    trainer = trl_trainer(small("grpo", **options), model=model, tokenizer=base[1], out=out)
    generate = trainer._generate_single_turn

    def and_end(*given: object) -> None:
        raise Sampled(generate(*given)[0])

    trainer._generate_single_turn = and_end
    with pytest.raises(Sampled) as ids:
        trainer.train()
    return ids.value.args[0]


@pytest.fixture(scope="module")
def unasked(base, tmp_path_factory):
    return sampled(base, tmp_path_factory.mktemp("plain"), {})


@pytest.mark.parametrize("asked_for", ASKED_FOR, ids=lambda fields: next(iter(fields)))
def test_a_field_of_the_generation_config_changes_nothing(base, unasked, asked_for, tmp_path):
    """From one seed. Without the bare config all fail but those that our own config of TRL says: temperature, top_k, ..."""
    assert sampled(base, tmp_path, asked_for) == unasked


def test_at_a_temperature_near_0_trl_samples_what_our_loop_takes_for_the_likeliest(base, tmp_path):
    fields = {"suppress_tokens": [1], "no_repeat_ngram_size": 1, "repetition_penalty": 3.0, "max_length": 3}
    theirs = sampled(base, tmp_path, fields, temperature=1e-4)
    model, tokenizer = base
    recipe = small("grpo")
    prompts = encode_prompts(tokenizer, draw_problems(recipe))
    rollout = sample(model, tokenizer, prompts, max_new_tokens=recipe.max_new_tokens, greedy=True)
    mask = rollout.completion_mask[:, rollout.prompt_width - 1 :]
    ours = [row[rollout.prompt_width :][m].tolist() for row, m in zip(rollout.tokens, mask, strict=True)]
    assert sorted(theirs) == sorted(2 * ours)


def test_every_id_that_ends_a_completion_does_so_in_trl_too(base, tmp_path):
    newline = base[1].convert_tokens_to_ids("Ċ")
    model = copy.deepcopy(base[0])
    model.generation_config.eos_token_id = [1, newline]
    trainer = trl_trainer(small("grpo"), model=model, tokenizer=base[1], out=tmp_path)
    assert trainer.eos_token_ids == sorted([1, newline]) == model.generation_config.eos_token_id


# --- no noise: dropout in whatever form ---

NOISY = {
    "llama": LlamaConfig(attention_dropout=0.5, hidden_size=32, intermediate_size=32, num_hidden_layers=2,
                         num_attention_heads=2),
    "qwen2": Qwen2Config(attention_dropout=0.5, hidden_size=32, intermediate_size=32, num_hidden_layers=2,
                         num_attention_heads=2, num_key_value_heads=1),
    "opt": OPTConfig(dropout=0.5, attention_dropout=0.5, layerdrop=0.5, hidden_size=32, ffn_dim=32,
                     num_hidden_layers=2, num_attention_heads=2, word_embed_proj_dim=32),
}  # fmt: skip


@pytest.mark.parametrize("name", NOISY)
def test_dropout_that_is_no_module_is_off_too(base, name):
    config = copy.deepcopy(NOISY[name])
    config.vocab_size = len(base[1])
    torch.manual_seed(0)
    model, tokens = AutoModelForCausalLM.from_config(config).train(), torch.tensor([[7, 8, 9, 10]])
    before, dropout = copy.deepcopy(vars(model.config)), [entries for _, entries in dropout_of(model)]
    assert not torch.equal(model(tokens).logits, model(tokens).logits)
    require_no_noise(model, base[1])
    assert model.training and vars(model.config) == before
    assert [entries for _, entries in dropout_of(model)] == dropout and "0.5" in str(dropout)
    without_dropout(model)
    assert torch.equal(model(tokens).logits, model.eval()(tokens).logits)


def test_noise_of_another_kind_is_refused_before_anything_is_sampled(base, tmp_path):
    model = copy.deepcopy(base[0])
    model.model.norm.register_forward_hook(lambda module, _, out: out * 1.1 if module.training else out)
    with pytest.raises(InputError, match=r"differ by up to .* in which TRL samples.* train without --engine trl"):
        run_trl(small("sft"), model=model, tokenizer=base[1], out=tmp_path)


def test_a_router_that_trembles_is_refused_before_there_is_a_run_folder(base, tmp_path, capsys):
    config = MixtralConfig(
        router_jitter_noise=0.5, vocab_size=len(base[1]), hidden_size=32, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, num_local_experts=2, bos_token_id=None, eos_token_id=1,
    )  # fmt: skip
    torch.manual_seed(0)
    model_folder(tmp_path / "model", AutoModelForCausalLM.from_config(config), base[1])
    command = ["train", "grpo", "--engine", "trl", "--model", str(tmp_path / "model"), "--out", str(tmp_path / "run")]
    assert main(command) == 2
    assert "between training mode, in which TRL samples, and evaluation mode" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_run_of_a_model_with_attention_dropout_starts_at_ln_2(base, tmp_path):
    model = copy.deepcopy(base[0])
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.5
    rows = run_trl(small("dpo"), model=model, tokenizer=base[1], out=tmp_path)
    assert rows[0]["loss"] == pytest.approx(math.log(2), abs=1e-6)


# --- given back as it came ---

KINDS = ["grpo", "rloo", "dpo", "kto", "simpo", "sft", "reward-model"]


def all_configs(model) -> dict:
    kept = getattr(model, "generation_config", None)
    return {"config": copy.deepcopy(vars(model.config)), "generation": kept and copy.deepcopy(vars(kept))}


@pytest.mark.parametrize("name", KINDS)
def test_the_configs_are_what_they_were_also_in_a_checkpoint(base, name, tmp_path):
    model = load_reward_model() if name == "reward-model" else copy.deepcopy(base[0])
    model.config.pad_token_id, model.config.bos_token_id, model.config.attention_dropout = 7, 3, 0.25
    layers = [layer.self_attn for layer in model.model.layers]
    for layer in layers:
        layer.attention_dropout = 0.25
    if name != "reward-model":
        # no one may save it again once it is changed: a temperature without do_sample
        fields = {"eos_token_id": [1, 9], "pad_token_id": 7, "suppress_tokens": [11], "temperature": 0.5}
        (tmp_path / "from").mkdir()
        (tmp_path / "from" / "generation_config.json").write_text(json.dumps(fields))
        model.generation_config = GenerationConfig.from_pretrained(tmp_path / "from")
    before, seen = all_configs(model), []

    def on_step(step: int, metrics: dict[str, float]) -> bool:
        assert {layer.attention_dropout for layer in layers} == {0.0}
        seen.append(all_configs(model))
        model.save_pretrained(tmp_path / "saved")
        return False

    policy = {"policy": base[0]} if name == "reward-model" else {}
    run_trl(
        small(name, kl_coef=0.01) if name == "grpo" else small(name, steps=2),
        model=model, tokenizer=base[1], out=tmp_path, on_step=on_step, **policy,
    )  # fmt: skip
    before["config"].pop("dtype"), [each["config"].pop("dtype") for each in seen]  # saving writes it as a word
    assert seen and all(each == before for each in seen)
    assert json.loads((tmp_path / "saved" / "config.json").read_text())["use_cache"] is True
    if name != "reward-model":
        saved = json.loads((tmp_path / "saved" / "generation_config.json").read_text())
        assert {key: saved[key] for key in fields} == fields
    after = all_configs(model)
    after["config"].pop("dtype")
    assert after == before and {layer.attention_dropout for layer in layers} == {0.25}
    for folder in ("saved", "reference") if name == "grpo" else ("saved",):
        assert json.loads((tmp_path / folder / "config.json").read_text())["attention_dropout"] == 0.25


def test_the_dropout_of_gpt2_comes_back_with_the_model(small_models, tmp_path):
    model, tokenizer = load(small_models["gpt2"])
    before = {name: layer.p for name, layer in model.named_modules() if isinstance(layer, torch.nn.Dropout)}
    assert set(before.values()) == {0.1}
    run_trl(small("sft"), model=model, tokenizer=tokenizer, out=tmp_path)
    assert {name: layer.p for name, layer in model.named_modules() if isinstance(layer, torch.nn.Dropout)} == before
    assert model.config.resid_pdrop == model.config.attn_pdrop == 0.1


def test_a_refusal_leaves_the_configs_alone(small_models, tmp_path):
    model, tokenizer = load(small_models["gpt2"])
    before = all_configs(model)
    with pytest.raises(InputError, match="TRL does not pass positions"):
        run_trl(small("grpo"), model=model, tokenizer=tokenizer, out=tmp_path)
    assert all_configs(model) == before


# --- the reference is the model as it is passed, not the folder that it once came from ---


def same(one, other) -> bool:
    others = dict(other.named_parameters())
    return all(torch.equal(p, others[name]) for name, p in one.named_parameters())


@pytest.mark.parametrize("name", ["dpo", "cdpo", "hinge", "kto", "grpo", "gspo", "rloo"])
def test_the_reference_is_the_model_that_is_passed(base, name, tmp_path):
    model = moved(base[0])
    assert model.config._name_or_path == base[0].config._name_or_path != ""  # still names the folder of the base
    recipe = small(name, **({"kl_coef": 0.01} if RECIPES[name].kind == "rl" else {}))
    if name in ("grpo", "gspo"):
        recipe = replace(recipe, kl="k3", kl_place="loss")
    start = copy.deepcopy(model)
    trainer = trl_trainer(recipe, model=model, tokenizer=base[1], out=tmp_path)
    assert same(trainer.ref_model, start) and not same(trainer.ref_model, base[0])
    assert trainer.ref_model is not model and model.config._name_or_path == base[0].config._name_or_path


@pytest.mark.parametrize("name", ["dpo", "grpo", "rloo"])
def test_the_first_step_after_another_training_is_at_the_reference(base, name, tmp_path):
    recipe = small(name, **({} if name == "dpo" else {"kl_coef": 0.01}))
    row = run_trl(recipe, model=moved(base[0]), tokenizer=base[1], out=tmp_path)[0]
    if name == "dpo":
        assert row["loss"] == pytest.approx(math.log(2), abs=1e-6) and row["margin"] == pytest.approx(0, abs=1e-4)
    else:
        assert row["kl_k3" if name == "grpo" else "kl_k1"] == pytest.approx(0, abs=1e-5)


# --- TRL itself ---


def test_without_trl_or_with_another_one_it_says_what_to_install(monkeypatch, tmp_path):
    require_trl()
    for ask in (require_trl, lambda: trl_config(RECIPES["grpo"], output_dir=tmp_path)):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, "trl", None)
            with pytest.raises(InputError, match=r'trl is not installed.*: pip install "trl>=1\.16,<1\.17"'):
                ask()
        for other in ("1.15.2", "1.160.0", "2.0.0"):
            with monkeypatch.context() as patch:
                patch.setattr(importlib.metadata, "version", lambda name, other=other: other)
                with pytest.raises(
                    InputError, match=rf"trl {other} is installed, and --engine trl was written for 1\.16"
                ):
                    ask()


def test_asking_for_trl_does_not_import_it(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "trl"]:
        monkeypatch.delitem(sys.modules, name)
    require_trl()
    assert "trl" not in sys.modules
