"""LoRA and other frozen weights: every loop trains what is trainable and leaves the rest alone."""

import copy
import random
import re
from dataclasses import replace

import pytest
import torch
from architectures import small
from loops import sgd
from model_folders import change_json, change_weights, model_folder
from safetensors.torch import load_file

from reference.algorithms import rl
from reference.algorithms.collect import collect
from reference.algorithms.critic import Critic
from reference.algorithms.preference import train_preference
from reference.algorithms.recipes import RECIPES
from reference.algorithms.reward_model import load_reward_model, rewards_of, train_reward_model
from reference.algorithms.rl import train_rl
from reference.algorithms.shared_prompts import can_share
from reference.algorithms.supervised import draw_demonstrations, train_sft
from reference.objectives.shapes import InputError
from reference.runs.launch import new_optimizer
from reference.world.head import find_trunk, head_width
from reference.world.model import load

WEIGHTS, SETTINGS = "adapter_model.safetensors", "adapter_config.json"  # files of an adapter

pytestmark = pytest.mark.slow
TINY = {"steps": 2, "prompts_per_step": 8, "group_size": 4, "max_new_tokens": 48, "micro_batch_size": 8}


def frozen_but(model, *names: str):
    """The model with all weights frozen but those whose name holds one of ``names``."""
    for name, weight in model.named_parameters():
        weight.requires_grad_(any(part in name for part in names))
    return model


def weights_by_name(model) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def changed_names(model, before: dict[str, torch.Tensor]) -> set[str]:
    return {name for name, weight in model.named_parameters() if not torch.equal(weight, before[name])}


@pytest.mark.parametrize(
    "names",
    [
        ("q_proj", "v_proj"),  # what LoRA amounts to
        ("q_proj",),  # the first layer's keys and values depend on nothing that is trained
        ("layers.3.mlp",),  # no key or value does
        ("lm_head", "norm.weight"),
        ("embed_tokens",),
    ],
)
def test_frozen_weights_have_the_gradient_that_they_leave_to_the_others(names, monkeypatch):
    """With shared prompts and without; the embedding is tied to the head."""
    model, tokenizer = load()
    recipe = replace(RECIPES["grpo"], **TINY, max_grad_norm=1e9)
    batch, _ = collect(frozen_but(model, *names), tokenizer, recipe, random.Random(0))
    batch = replace(batch, advantages=torch.linspace(-1, 1, len(batch.tokens))[:, None])
    assert can_share(model, batch)
    found = []
    for share in (True, False):
        if not share:
            monkeypatch.setattr(rl, "can_share", lambda model, batch: False)
        scalars = rl.update(model, new_optimizer(replace(recipe, lr=1e-12), model), batch, recipe)
        found.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.requires_grad]))
        assert scalars["ratio"] == pytest.approx(1, abs=1e-5)
    assert found[1].norm() > 1e-3
    assert (found[0] - found[1]).norm() < 1e-4 * found[1].norm()


@pytest.mark.parametrize("loop", ["rl", "sft", "preference", "reward"])
def test_a_model_that_is_frozen_altogether_is_refused(base, loop):
    model, tokenizer = copy.deepcopy(base[0]).requires_grad_(False), base[1]
    frozen = load_reward_model().requires_grad_(False)
    optimizer = torch.optim.SGD([torch.zeros(1)])
    none = {"on_step": lambda step, metrics: False}
    call = {
        "rl": lambda: train_rl(model, tokenizer, optimizer, RECIPES["grpo"], **none),
        "sft": lambda: train_sft(model, tokenizer, optimizer, RECIPES["sft"], **none),
        "preference": lambda: train_preference(model, tokenizer, optimizer, RECIPES["dpo"], ref_model=base[0], **none),
        "reward": lambda: train_reward_model(
            frozen, tokenizer, optimizer, RECIPES["reward-model"], policy=base[0], **none
        ),
    }[loop]
    with pytest.raises(InputError, match="no weight of the model has requires_grad"):
        call()


def nothing(step: int, metrics: dict) -> bool:
    return False


@pytest.mark.parametrize("loop", ["rl", "sft", "preference", "reward"])
def test_an_optimizer_of_other_weights_is_refused(base, loop):
    """As when it was made before the adapter was put on."""
    model, tokenizer = copy.deepcopy(base[0]), base[1]
    call = {
        "rl": lambda: train_rl(model, tokenizer, sgd(base[0]), RECIPES["grpo"], on_step=nothing),
        "sft": lambda: train_sft(model, tokenizer, sgd(base[0]), RECIPES["sft"], on_step=nothing),
        "preference": lambda: train_preference(
            model, tokenizer, sgd(base[0]), RECIPES["dpo"], ref_model=base[0], on_step=nothing
        ),
        "reward": lambda: train_reward_model(
            load_reward_model(), tokenizer, sgd(base[0]), RECIPES["reward-model"], policy=base[0], on_step=nothing
        ),
    }[loop]
    with pytest.raises(InputError, match="the optimizer holds none of the weights of the Llama"):
        call()


def test_an_optimizer_without_the_critic_is_refused(base):
    model = copy.deepcopy(base[0])
    critic = Critic(model, shared=False)
    with pytest.raises(InputError, match="none of the weights of the Critic"):
        train_rl(model, base[1], sgd(model), RECIPES["ppo"], critic=critic, ref_model=base[0], on_step=nothing)


def test_a_critic_of_another_model_is_refused(base):
    model, critic = copy.deepcopy(base[0]), Critic(small("llama"), shared=True)
    recipe = replace(RECIPES["ppo"], critic="shared")
    with pytest.raises(InputError, match="reads 32 numbers per token and the policy's trunk gives 128"):
        train_rl(model, base[1], sgd(model, critic), recipe, critic=critic, ref_model=base[0], on_step=nothing)


def test_a_reference_that_moves_with_the_policy_is_refused(base):
    model = copy.deepcopy(base[0])
    with pytest.raises(InputError, match="ref_model shares weights with the policy"):
        train_preference(model, base[1], sgd(model), RECIPES["dpo"], ref_model=model, on_step=nothing)
    with pytest.raises(InputError, match="ref_model shares weights with the policy"):
        train_rl(model, base[1], sgd(model), replace(RECIPES["grpo"], kl_coef=0.1), ref_model=model, on_step=nothing)


def test_a_head_that_is_0_and_frozen_is_refused(base):
    model = frozen_but(load_reward_model(), "q_proj")
    with pytest.raises(InputError, match=r"\(score\) is 0 and frozen"):
        train_reward_model(model, base[1], sgd(model), RECIPES["reward-model"], policy=base[0], on_step=nothing)
    torch.nn.init.ones_(model.score.weight)  # one that says something may be frozen
    few = replace(RECIPES["reward-model"], steps=1, prompts_per_step=4, pool=32)
    train_reward_model(model, base[1], sgd(model, lr=0.1), few, policy=base[0], on_step=nothing)


# ---- peft itself ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def peft():
    return pytest.importorskip("peft", reason='peft is an extra: pip install "reference[peft]"')


def with_lora(peft, model, task: str = "CAUSAL_LM"):
    torch.manual_seed(0)
    config = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type=task, lora_dropout=0.1)
    return peft.get_peft_model(model, config)


@pytest.mark.parametrize("name", ["grpo", "ppo", "ppo-shared", "sft", "dpo", "dpo-online"])
def test_lora_trains(peft, base, name):
    """Its weights move and no others; the first ratio is 1, dropout in its config or not; the mode is as it was."""
    model, tokenizer = with_lora(peft, load()[0]), base[1]
    changes = {"steps": 3, "prompts_per_step": 12, "micro_batch_size": 6}
    changes |= {"critic": "shared"} if name == "ppo-shared" else {"group_size": 4} if name == "grpo" else {}
    recipe = replace(RECIPES[name.removesuffix("-shared")], **changes)
    critic = Critic(model, shared=name == "ppo-shared") if recipe.critic else None
    before, rows = weights_by_name(model), []
    optimizer = new_optimizer(recipe, model, critic)
    options = {"on_step": lambda step, metrics: rows.append(metrics) or False, "seed": 0}
    if recipe.kind == "rl":
        ref_model = base[0] if recipe.kl_coef else None
        train_rl(model, tokenizer, optimizer, recipe, critic=critic, ref_model=ref_model, **options)
        assert rows[0]["ratio"] == pytest.approx(1, abs=1e-5)
    elif recipe.kind == "sft":
        train_sft(model, tokenizer, optimizer, recipe, **options)
    else:
        train_preference(
            model,
            tokenizer,
            optimizer,
            recipe if recipe.online else replace(recipe, pool=32),
            ref_model=base[0],
            **options,
        )
    assert len(rows) == 3 and rows[0]["grad_norm"] > 0
    assert changed_names(model, before) == {n for n in before if "lora_" in n}
    assert model.training


def test_prompt_tuning_learns_from_demonstrations(peft, base):
    """peft puts virtual tokens in front and gives logits for them too. The loss at first is that of the same row by hand."""
    torch.manual_seed(0)
    config = peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4)
    model = peft.get_peft_model(load()[0], config)
    recipe = replace(RECIPES["sft"], steps=2, prompts_per_step=1, lr=1e-2)
    tokens, mask = draw_demonstrations(base[1], random.Random("0/0"), replace(RECIPES["sft"], prompts_per_step=1))
    with torch.no_grad():
        logits = model(tokens).logits
    assert logits.shape[1] == 4 + tokens.shape[1]
    nll = -logits[0, 4:-1].log_softmax(-1).gather(1, tokens[0, 1:, None]).squeeze(1)[mask[0]].mean()
    before, rows = weights_by_name(model), []
    optimizer = new_optimizer(recipe, model)
    train_sft(model, base[1], optimizer, recipe, on_step=lambda step, metrics: rows.append(metrics) or False)
    assert rows[0]["loss"] == pytest.approx(nll.item(), rel=1e-4)
    assert changed_names(model, before) == {name for name in before if "prompt_encoder" in name}


def test_lora_trains_a_reward_model(peft, base):
    model = with_lora(peft, load_reward_model(), "SEQ_CLS")
    before, rows = weights_by_name(model), []
    recipe = replace(RECIPES["reward-model"], steps=3, prompts_per_step=8, pool=32)
    train_reward_model(
        model, base[1], torch.optim.AdamW(model.parameters(), lr=1e-3), recipe, policy=base[0],
        on_step=lambda step, metrics: rows.append(metrics) or False,
    )  # fmt: skip
    assert rows[0]["loss"] == pytest.approx(0.6931, abs=1e-4)  # a head of zeros: ln 2
    changed = changed_names(model, before)
    assert {n.split(".")[-2] for n in changed} <= {"default"}  # of lora_A, lora_B, and the head's copy
    assert any("score" in n for n in changed) and any("lora_B" in n for n in changed)


def test_trunk_and_width_are_found_behind_the_wrappers(peft):
    plain = load()[0]
    model = with_lora(peft, plain)
    assert find_trunk(model) is plain.model
    assert head_width(model) == 128
    critic = Critic(model, shared=False)
    assert {n for n, w in critic.trunk.named_parameters() if w.requires_grad} == {
        n for n, _ in critic.trunk.named_parameters() if "lora_" in n
    }


def test_rewards_of_an_adapted_model_are_those_of_the_merged_one(peft, base):
    model = with_lora(peft, load_reward_model(), "SEQ_CLS").eval()
    for name, weight in model.named_parameters():
        if "lora_B" in name or "score" in name:
            torch.nn.init.normal_(weight, std=0.1)
    recipe = replace(RECIPES["grpo"], prompts_per_step=2, group_size=2, max_new_tokens=8)
    batch, _ = collect(base[0], base[1], recipe, random.Random(0))
    adapted = rewards_of(model, batch).detach()
    merged = rewards_of(model.merge_and_unload(), batch).detach()
    assert adapted.std() > 0.01 and torch.allclose(adapted, merged, atol=1e-5)


def test_the_model_that_an_adapter_was_put_into_is_no_reference(peft, base):
    start = load()[0]
    model = with_lora(peft, start)
    with pytest.raises(InputError, match=r"made with copy.deepcopy before an adapter"):
        train_preference(model, base[1], sgd(model), RECIPES["dpo"], ref_model=start, on_step=nothing)


def test_a_reference_without_the_adapter_cannot_follow_the_policy(peft, base):
    model = with_lora(peft, load()[0])
    recipe = replace(RECIPES["grpo"], kl_coef=0.1, ref_sync_every=1)
    with pytest.raises(InputError, match=r"which has others: pass copy.deepcopy\(model\)"):
        train_rl(model, base[1], sgd(model), recipe, ref_model=base[0], on_step=nothing)


@pytest.fixture
def adapter(peft, base, tmp_path):
    """A folder with an adapter that changes something, and the model with it on."""
    model_folder(tmp_path / "base", *base)
    model = with_lora(peft, load(tmp_path / "base")[0]).eval()
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1, generator=torch.Generator().manual_seed(1))
    model.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter", model


def test_a_folder_with_an_adapter_is_loaded_with_its_base(adapter, base):
    folder, model = adapter
    with pytest.warns(UserWarning, match="merged into its base"):
        loaded, tokenizer = load(folder)
    tokens = torch.tensor([tokenizer("What is 1+2?")["input_ids"]])
    with torch.no_grad():
        wanted, found, without = (m(tokens).logits for m in (model, loaded, base[0]))
    assert torch.allclose(wanted, found, atol=1e-4) and not torch.allclose(wanted, without, atol=0.1)
    assert type(loaded) is type(base[0]) and all(weight.requires_grad for weight in loaded.parameters())
    with pytest.raises(InputError, match="reward model needs a whole model"):
        load_reward_model(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"base_model_name_or_path": "/nowhere"}', "no model folder at /nowhere.*base of the adapter"),
        ('{"base_model_name_or_path": null}', "names no base model"),
        ("{}", "names no base model"),
        ("{", "not valid JSON"),
    ],
)
def test_an_adapter_whose_base_is_not_there(adapter, text, message):
    folder, _ = adapter
    (folder / SETTINGS).write_text(text)
    with pytest.raises(InputError, match=message):
        load(folder)


def test_without_peft_the_sentence_says_how(adapter, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "peft", None)
    with pytest.raises(InputError, match='peft is not installed: pip install "peft'):
        load(adapter[0])


# ---- an adapter that is not all there, or of something else --------------------------------------------------------------


@pytest.mark.parametrize("noise", [True, False], ids=["new adapters do nothing", "new adapters are random"])
@pytest.mark.parametrize(
    ("kept", "message"),
    [(4, "lacks 12 weights"), (15, "lacks 1 weight,"), (0, "lacks 16 weights")],
)
def test_an_adapter_that_lacks_weights(adapter, kept, message, noise):
    """4 layers, 2 matrices in each, 2 weights for each matrix: 16."""
    change_json(adapter[0] / SETTINGS, init_lora_weights=noise)
    change_weights(adapter[0] / WEIGHTS, lambda tensors: dict(sorted(tensors.items())[:kept]))
    with pytest.raises(InputError, match=rf"adapter .* {message}.*the first base_model.*lora_.*: it is incomplete"):
        load(adapter[0])


def test_an_adapter_with_a_renamed_weight(adapter):
    change_weights(
        adapter[0] / WEIGHTS, lambda tensors: {k.replace("layers.3", "layer.3"): t for k, t in tensors.items()}
    )
    with pytest.raises(InputError, match=r"lacks 4 weights, the first base_model.model.model.layers.3.self_attn"):
        load(adapter[0])


def test_an_adapter_in_a_bin_file_is_looked_at_too(adapter):
    tensors = load_file(adapter[0] / WEIGHTS)
    (adapter[0] / WEIGHTS).unlink()
    torch.save(tensors, adapter[0] / "adapter_model.bin")
    load(adapter[0])
    torch.save(dict(list(tensors.items())[1:]), adapter[0] / "adapter_model.bin")
    with pytest.raises(InputError, match="lacks 1 weight,"):
        load(adapter[0])


def test_an_adapter_of_more_layers_than_its_base_has(adapter, base, tmp_path):
    config = copy.deepcopy(base[0].config)
    config.num_hidden_layers = 2
    type(base[0])(config).save_pretrained(tmp_path / "base")
    with pytest.raises(InputError, match=r"holds 8 weights that its base has no place for, the first .*layers.2"):
        load(adapter[0])


@pytest.mark.parametrize("task", ["SEQ_CLS", "SEQ_2_SEQ_LM", "TOKEN_CLS", "FEATURE_EXTRACTION", 3])
def test_an_adapter_of_another_task_is_refused(adapter, task):
    change_json(adapter[0] / SETTINGS, task_type=task)
    with pytest.raises(InputError, match=f"has task_type {task!r} in its adapter_config.json"):
        load(adapter[0])


def test_an_adapter_of_a_reward_model_is_refused_whatever_its_task_type_says(peft, base, tmp_path):
    model_folder(tmp_path / "base", *base)
    with_lora(peft, load_reward_model(tmp_path / "base"), "SEQ_CLS").save_pretrained(tmp_path / "adapter")
    with pytest.raises(InputError, match="has task_type 'SEQ_CLS'"):
        load(tmp_path / "adapter")
    change_json(tmp_path / "adapter" / SETTINGS, task_type=None, modules_to_save=None)
    with pytest.raises(InputError, match=r"holds 1 weight that its base has no place for, the first .*score"):
        load(tmp_path / "adapter")


LINEAR = {"target_modules": ["q_proj", "v_proj"]}
MERGED = {  # what peft stores of each is something else
    "LoraConfig": [LINEAR, LINEAR | {"use_dora": True}, LINEAR | {"modules_to_save": ["lm_head"]},
                   {"target_modules": ["q_proj", "embed_tokens"]}, LINEAR | {"trainable_token_indices": [3]}, {"task_type": None} | LINEAR],
    "AdaLoraConfig": [LINEAR | {"total_step": 10}],
    "LoHaConfig": [LINEAR],
    "LoKrConfig": [LINEAR],
    "IA3Config": [LINEAR | {"feedforward_modules": []}],
    "VeraConfig": [LINEAR],
    "VBLoRAConfig": [LINEAR | {"vector_length": 32, "num_vectors": 8, "topk": 2}, LINEAR | {
        "vector_length": 32, "num_vectors": 8, "topk": 2, "save_only_topk_weights": True}],
    "ShiraConfig": [LINEAR | {"r": 4}],
    "OFTConfig": [LINEAR | {"oft_block_size": 32}],
    "FourierFTConfig": [LINEAR | {"n_frequency": 16}],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "options"), [(kind, one) for kind, all_ in MERGED.items() for one in all_])
def test_an_adapter_that_is_all_there_is_loaded_whatever_its_kind(peft, base, tmp_path, kind, options):
    model_folder(tmp_path / "base", *base)
    config = getattr(peft, kind)(**({"task_type": "CAUSAL_LM"} | options))
    peft.get_peft_model(load(tmp_path / "base")[0], config).save_pretrained(tmp_path / "adapter")
    with pytest.warns(UserWarning, match="merged into its base"):
        assert type(load(tmp_path / "adapter")[0]) is type(base[0])


@pytest.mark.parametrize(
    ("kind", "options", "weight"),
    [
        ("LoraConfig", LINEAR | {"modules_to_save": ["lm_head"]}, "base_model.model.lm_head.weight"),
        (
            "LoraConfig",
            LINEAR | {"use_dora": True},
            "base_model.model.model.layers.3.self_attn.v_proj.lora_magnitude_vector",
        ),
        ("VBLoRAConfig", LINEAR | {"vector_length": 32, "num_vectors": 8, "topk": 2}, "base_model.vblora_vector_bank"),
        ("VeraConfig", LINEAR, "base_model.vera_B"),
        ("ShiraConfig", LINEAR | {"r": 4}, "base_model.model.model.layers.0.self_attn.q_proj.shira_indices"),
    ],
)
def test_an_adapter_of_another_kind_that_lacks_one(peft, base, tmp_path, kind, options, weight):
    """What the layers share, and what is stored whole, counts too."""
    model_folder(tmp_path / "base", *base)
    config = getattr(peft, kind)(task_type="CAUSAL_LM", **options)
    peft.get_peft_model(load(tmp_path / "base")[0], config).save_pretrained(tmp_path / "adapter")
    change_weights(tmp_path / "adapter" / WEIGHTS, lambda tensors: {k: t for k, t in tensors.items() if k != weight})
    with pytest.raises(InputError, match=f"lacks 1 weight, the first {re.escape(weight)}: it is incomplete"):
        load(tmp_path / "adapter")


@pytest.mark.parametrize("kind", ["PromptTuningConfig", "PrefixTuningConfig", "PromptEncoderConfig"])
def test_an_adapter_that_cannot_be_merged(peft, base, tmp_path, kind):
    model_folder(tmp_path / "base", *base)
    config = getattr(peft, kind)(task_type="CAUSAL_LM", num_virtual_tokens=4)
    made = peft.get_peft_model(load(tmp_path / "base")[0], config)
    made.save_pretrained(tmp_path / "adapter")
    name = made.peft_config["default"].peft_type.value
    with pytest.raises(
        InputError, match=f"is of kind {name}, which cannot be merged.* pass the peft model to train_rl"
    ):
        load(tmp_path / "adapter")


def test_an_adapter_of_another_width_says_which_weight(adapter):
    change_weights(adapter[0] / WEIGHTS, lambda tensors: {k: t[:3] if "lora_A" in k else t for k, t in tensors.items()})
    with pytest.raises(InputError, match=r"does not fit its base .RuntimeError: Error.* size mismatch for base_model"):
        load(adapter[0])
