"""Checkpoints whose weights are not those that their config describes, and those that bring code."""

import copy
import json
import shutil

import pytest
import torch
from architectures import small
from model_folders import change_json, change_weights, model_folder
from transformers import AutoModelForSequenceClassification, T5Config

from reference.algorithms.reward_model import load_reward_model
from reference.objectives.shapes import InputError
from reference.world.model import load
from reference.world.weights import fingerprint


@pytest.mark.parametrize("tied", [True, False])
def test_a_reward_model_is_no_language_model(base, tmp_path, tied):
    model = load_reward_model()
    model.config.tie_word_embeddings = tied
    model_folder(tmp_path, model, base[1])
    with pytest.raises(InputError, match=r"is a classifier or a reward model \(score.weight\): name a causal LM"):
        load(tmp_path)


@pytest.mark.parametrize("what", [load, load_reward_model])
def test_a_config_with_fewer_layers_than_there_are_weights(base_folder, what):
    change_json(base_folder / "config.json", num_hidden_layers=2)
    with pytest.raises(
        InputError, match=r"holds 18 weights more than its config.json describes, the first model.layers.2"
    ):
        what(base_folder)


@pytest.mark.parametrize("what", [load, load_reward_model])
def test_a_config_with_more_layers_than_there_are_weights(base_folder, what):
    change_json(base_folder / "config.json", num_hidden_layers=5)
    with pytest.raises(InputError, match=r"lacks 9 weights, the first model.layers.4"):
        what(base_folder)


@pytest.mark.parametrize("what", [load, load_reward_model])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        # the embedding, 2 norms and 7 matrices in each of 4 layers, the last norm
        ({"hidden_size": 64, "head_dim": 32},
         r"holds 38 weights .*the first model.embed_tokens.weight: \[384, 128\] instead of \[384, 64\]"),
        ({"intermediate_size": 100},
         r"holds 12 weights .*the first model.layers.0.mlp.down_proj.weight: \[128, 384\] instead of \[128, 100\]"),
        ({"vocab_size": 500},
         r"holds 1 weight of another shape.*the first model.embed_tokens.weight: \[384, 128\] instead of \[500, 128\]"),
    ],
)  # fmt: skip
def test_a_config_of_other_sizes_names_the_first_weight_and_both_shapes(base_folder, what, changes, message):
    change_json(base_folder / "config.json", **changes)
    with pytest.raises(InputError, match=message):
        what(base_folder)


def test_a_classifier_of_several_labels_is_no_reward_model(base, tmp_path):
    config = copy.deepcopy(base[0].config)
    config.num_labels = 3
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="is a classifier of 3 labels: a reward model has one"):
        load_reward_model(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mamba", "gemma3n_text"])
def test_an_architecture_that_transformers_has_no_classifier_for(name, tmp_path):
    made = small(name)
    made.save_pretrained(tmp_path)
    message = f"as a reward model: transformers has no classifier for this architecture .{type(made.config).__name__}"
    with pytest.raises(InputError, match=message):
        load_reward_model(tmp_path)


def test_an_architecture_that_transformers_has_no_causal_lm_for(tmp_path):
    T5Config(vocab_size=384, d_model=16, num_layers=1).save_pretrained(tmp_path)
    with pytest.raises(
        InputError, match=r"as a causal LM: transformers has no causal LM for this architecture .T5Config"
    ):
        load(tmp_path)


def test_weights_for_another_program_are_left_out_with_a_word(base_folder, base):
    value_head = {"v_head.summary.weight": torch.zeros(1, 128), "v_head.summary.bias": torch.zeros(1)}
    change_weights(base_folder / "model.safetensors", lambda tensors: tensors | value_head)
    with pytest.warns(UserWarning, match="holds 2 weights that a LlamaForCausalLM has no place for, the first v_head"):
        model, _ = load(base_folder)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), base[0].parameters(), strict=True))


def test_an_ordinary_checkpoint_is_loaded_without_a_word(base_folder, recwarn):
    load(base_folder)
    load_reward_model(base_folder)
    assert [str(w.message) for w in recwarn if issubclass(w.category, UserWarning)] == []


@pytest.mark.parametrize("what", [load, load_reward_model])
def test_code_that_comes_with_a_checkpoint_is_not_run_and_nothing_is_asked(base_folder, what, monkeypatch):
    """Its own model type, and a file that would leave a trace."""
    change_json(base_folder / "config.json", model_type="mine", auto_map={
        "AutoConfig": "mine.Config", "AutoModelForCausalLM": "mine.Model", "AutoModelForSequenceClassification": "mine.Model",
    })  # fmt: skip
    (base_folder / "mine.py").write_text(f"open({str(base_folder / 'trace')!r}, 'w')\n")
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("a question on stdin"))
    with pytest.raises(
        InputError, match=r"brings Python code of its own, which is not run here.*trust_remote_code=True"
    ):
        what(base_folder)
    assert not (base_folder / "trace").exists()


def test_a_fingerprint_is_that_of_the_weights_and_not_of_their_place_or_config(base_folder, tmp_path_factory):
    copied = shutil.copytree(base_folder, tmp_path_factory.mktemp("copied") / "model")
    change_json(copied / "config.json", use_cache=False)
    (copied / "state.pt").write_bytes(b"an optimizer")
    assert fingerprint(copied) == fingerprint(str(base_folder)) is not None
    change_weights(copied / "model.safetensors", lambda weights: {k: w + 1e-3 for k, w in weights.items()})
    assert fingerprint(copied) != fingerprint(base_folder)
    assert fingerprint(copied / "no-such-folder") is fingerprint("org/model") is None


def test_a_fingerprint_depends_on_every_part_and_on_the_base_of_an_adapter(tmp_path):
    parts = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "adapter_model.safetensors"]
    for number, name in enumerate(parts):
        folder = tmp_path / ("adapter" if name.startswith("adapter") else "base")
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(bytes([number]))
    config = {"base_model_name_or_path": str(tmp_path / "base")}
    (tmp_path / "adapter" / "adapter_config.json").write_text(json.dumps(config))
    found = [fingerprint(tmp_path / "adapter")]
    for file in sorted(tmp_path.glob("*/*.safetensors")):
        file.write_bytes(file.read_bytes() + b"x")
        found.append(fingerprint(tmp_path / "adapter"))
    assert len(set(found)) == 4
