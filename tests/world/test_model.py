import random
import re

import pytest
import torch
from chat_families import assistant_text
from model_folders import change_json, change_weights, model_folder
from transformers import AutoModelForCausalLM
from transformers import LlamaConfig as SMALL_LLAMA

from reference.objectives import InputError
from reference.world.model import BASE, eos_ids, load, pick_device
from reference.world.rollout import encode_prompts, sample
from reference.world.tasks import draw_problem


def test_the_shipped_checkpoint_is_small_and_about_a_million_parameters(base):
    weights = BASE / "model.safetensors"
    assert weights.stat().st_size <= 5 * 1024 * 1024
    assert 0.7e6 < base[0].num_parameters() < 1.3e6


def test_save_and_load_give_the_same_logits(base, tmp_path):
    model, tokenizer = base
    again, _ = load(model_folder(tmp_path, model, tokenizer))
    tokens = torch.tensor([tokenizer.encode("<|user|>What is 1+1?<|end|><|assistant|>")])
    assert torch.equal(model(tokens).logits, again(tokens).logits)


def test_generate_works_as_on_any_hub_model(base):
    model, tokenizer = base
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is 12+3-4?"}],
        add_generation_prompt=True,
        return_dict=True,
        return_tensors="pt",
    )
    out = model.generate(**prompt, max_new_tokens=80, do_sample=False)
    text = tokenizer.decode(out[0, prompt["input_ids"].shape[1] :])
    assert text.endswith("Answer: 11<|end|>")


@pytest.mark.parametrize("name", ["llama", "qwen2", "gpt2"])
def test_other_architectures_get_what_they_lack(small_models, name):
    model, tokenizer = load(small_models[name])
    assert model.config.model_type == name and not model.training
    assert tokenizer.pad_token_id is not None
    chat = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}]
    assert assistant_text(tokenizer, chat) == "yes" + tokenizer.eos_token


# ---- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/model", "a/b/c", "nowhere", "some/model-nobody-has"])
def test_a_name_that_leads_nowhere(name):
    with pytest.raises(InputError, match=r"no model folder|cannot be loaded"):
        load(name)


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(InputError, match=r"no config\.json: name a folder written by save_pretrained"):
        load(tmp_path)


def test_truncated_weights(base_folder):
    weights = base_folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(InputError, match="cannot be loaded"):
        load(base_folder)


def test_a_damaged_config(base_folder):
    (base_folder / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config\.json is not valid JSON: the checkpoint is damaged"):
        load(base_folder)


def test_missing_weights_are_not_replaced_by_random_ones(base_folder):
    gone = "model.layers.0.mlp.up_proj.weight"
    change_weights(base_folder / "model.safetensors", lambda tensors: {k: x for k, x in tensors.items() if k != gone})
    AutoModelForCausalLM.from_pretrained(base_folder)  # transformers goes on
    with pytest.raises(InputError, match=r"lacks 1 weight, the first model\.layers\.0\.mlp\.up_proj\.weight"):
        load(base_folder)


def test_an_unknown_or_absent_device():
    assert pick_device("cpu") == torch.device("cpu")
    with pytest.raises(InputError, match="device tpu is not available here: use one of"):
        pick_device("tpu")


@pytest.mark.parametrize("template", ["{% if", "{{ raise_exception('no') }}"])
def test_a_chat_template_that_does_not_render(base_folder, template):
    (base_folder / "chat_template.jinja").write_text(template)
    with pytest.raises(InputError, match=r"chat template of .* cannot render a user's turn"):
        load(base_folder)


def test_a_tokenizer_that_is_not_the_models(base, tmp_path):
    config = SMALL_LLAMA.from_dict({**base[0].config.to_dict(), "vocab_size": 50})
    model_folder(tmp_path, AutoModelForCausalLM.from_config(config), base[1])
    with pytest.raises(InputError, match="they do not belong together"):
        load(tmp_path)


def test_a_turn_may_end_with_a_token_that_is_not_the_tokenizers_eos(base):
    model, tokenizer = load()
    newline = tokenizer.convert_tokens_to_ids("Ċ")
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, newline]
    assert eos_ids(model, tokenizer) == sorted([tokenizer.eos_token_id, newline])
    prompts = encode_prompts(tokenizer, [draw_problem(random.Random(0))])
    rollout = sample(model, tokenizer, prompts, max_new_tokens=40, greedy=True)
    assert not rollout.truncated.any() and rollout.tokens[0, -1] == newline and rollout.completion_mask[0, -1]


TOO_LOW_OR_HIGH = [-1, [1, -1], [-100], 2**31, [1, 2**64]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "ids"),
    [(name, ids) for name in ("generation_config.json", "config.json") for ids in TOO_LOW_OR_HIGH]
    + [("generation_config.json", ids) for ids in (True, "1", [1.0])],
)
def test_an_eos_that_no_vocabulary_has(base_folder, file, ids):
    """Whichever file says so: config.json is read where there is no other."""
    if file == "config.json":
        (base_folder / "generation_config.json").unlink()
    change_json(base_folder / file, eos_token_id=ids)
    wrong = re.escape(repr(ids[-1] if isinstance(ids, list) else ids))
    with pytest.raises(
        InputError, match=rf"eos_token_id in generation_config.json \(in config.json.*\) is {wrong}, exp"
    ):
        load(base_folder)


def test_a_reason_of_two_lines_is_told_whole(base_folder, monkeypatch):
    """In the words of transformers where a config has an entry of another type. 5.0 does not look at the types."""

    def refused(*_: object, **__: object) -> None:
        raise ValueError("Validation error for field 'eos_token_id':\n    TypeError: expected int, got str")

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", refused)
    with pytest.raises(InputError, match=r"field 'eos_token_id': TypeError: expected int, got str\): check the name"):
        load(base_folder)
