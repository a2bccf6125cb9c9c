"""Batches of our own loops: healthy ones have no fault, and each mistake that is put into one is found by its check."""

import copy
import functools
import random
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch

from reference.algorithms.collect import collect, logprobs_of, sample_groups
from reference.algorithms.critic import Critic
from reference.algorithms.data import Experience
from reference.algorithms.distill import asks_teacher
from reference.algorithms.kl import needs_reference
from reference.algorithms.pairs import draw_pairs
from reference.algorithms.recipes import RECIPES, ROWS, Recipe
from reference.algorithms.supervised import draw_demonstrations
from reference.audit import Finding, audit, batch_tensors
from reference.objectives import whiten
from reference.world.model import SHIPPED, load

pytestmark = pytest.mark.slow

RL = [recipe.name for recipe in ROWS if recipe.kind == "rl"]


@functools.cache
def loaded(name: str):
    return load(SHIPPED[name])


def small(name: str, **changes: object) -> Recipe:
    row = RECIPES[name]
    size = {"prompts_per_step": 8, "group_size": 4} if row.group_size > 1 else {"prompts_per_step": 32}
    teacher = {"teacher": loaded("tool-sft")[0]} if asks_teacher(row) else {}
    return replace(row, max_new_tokens=64, **{**size, **teacher, **changes})


@functools.cache
def gathered(name: str) -> Experience:
    """What ``collect`` gives for a recipe, with a reference and a critic where it has them."""
    recipe = small(name)
    model, tokenizer = loaded("tool-sft" if recipe.task == "tools" else "base")
    critic = Critic(model, shared=False) if recipe.critic else None
    if critic is not None:
        torch.nn.init.normal_(critic.head.weight, std=0.1, generator=torch.Generator().manual_seed(0))
    ref = loaded("tool-sft")[0] if needs_reference(recipe) else None
    return collect(model, tokenizer, recipe, random.Random(0), ref_model=ref, critic=critic, kl_coef=recipe.kl_coef)[0]


def tensors(name: str, **more: object) -> dict:
    experience = gathered(name)
    known = {"group_size": small(name).group_size, "num_tokens": int(experience.mask.sum())}
    return batch_tensors(experience, tokenizer=loaded("base")[1], logprobs=experience.old_logprobs, **{**known, **more})


def faults(found: dict, **options: object) -> dict[str, Finding]:
    return {fault.check: fault for fault in audit(found, **options).faults}


def levels(found: dict, **options: object) -> dict[str, str]:
    return {finding.check: finding.level for finding in reversed(audit(found, **options).findings)}


# ---- healthy ones ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RL)
def test_a_healthy_batch_of_every_recipe_has_no_fault(name):
    model = loaded("tool-sft" if RECIPES[name].task == "tools" else "base")[0]
    assert not faults(tensors(name), model=model), audit(tensors(name))


@pytest.mark.parametrize("changes", [{"overlong": "mask"}, {"length_coef": 0.1}, {"temperature": 0.7}, {"top_p": 0.9}])
def test_options_of_a_recipe_make_no_fault(changes):
    recipe = small("grpo", **changes)
    model, tokenizer = loaded("base")
    experience, _ = collect(model, tokenizer, recipe, random.Random(0))
    found = batch_tensors(experience, tokenizer=tokenizer, group_size=4)
    assert not faults(found, model=model)


@pytest.mark.parametrize("name", ["sft", "tool-sft"])
def test_demonstrations_have_no_fault_with_and_without_the_ids_of_markers(name):
    tokenizer = loaded("base")[1]
    batch = draw_demonstrations(tokenizer, random.Random(0), small(name))
    assert not faults(batch_tensors(batch, tokenizer=tokenizer, num_tokens=int(batch[1].sum())))
    assert not faults(batch_tensors(batch, pad_token_id=tokenizer.pad_token_id))


@pytest.mark.parametrize("name", ["dpo", "tool-dpo"])
def test_pairs_have_no_fault(name):
    model, tokenizer = loaded("base")
    if name == "dpo":
        pairs = draw_pairs(model, tokenizer, small(name), random.Random(0), prompts=32)
    else:
        from reference.algorithms.pairs import draw_pool

        pairs = draw_pool(model, tokenizer, small(name, pool=16))
    assert not faults(batch_tensors(pairs, tokenizer=tokenizer))


# ---- masks -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["grpo", "tool-rl"])
@pytest.mark.parametrize("by", [1, -1])
@pytest.mark.parametrize("markers", [True, False])
def test_a_mask_that_is_one_column_off_is_found(name, by, markers):
    found = tensors(name)
    found["mask"] = found["mask"].roll(by, dims=1)
    found["mask"][:, 0 if by == 1 else -1] = False
    if not markers:
        found = without_markers(found)
    named = faults(found, numbers={"pad_token_id": 0, "eos_token_id": 1})
    assert "shifted" in named, audit(found)
    assert ("too late" if by == 1 else "too early") in named["shifted"].what


def without_markers(found: dict) -> dict:
    return {name: value for name, value in found.items() if not name.endswith("_start")}


@pytest.mark.parametrize("by", [1, -1])
def test_a_mask_of_demonstrations_that_is_one_column_off_is_found(by):
    tokenizer = loaded("base")[1]
    tokens, mask = draw_demonstrations(tokenizer, random.Random(0), small("sft"))
    moved = mask.roll(by, dims=1)
    moved[:, 0 if by == 1 else -1] = False
    assert "shifted" in faults(batch_tensors((tokens, moved), tokenizer=tokenizer))


@pytest.mark.parametrize(("markers", "level"), [(True, "fault"), (False, "doubt")])
def test_a_prompt_in_the_loss_of_demonstrations_is_found(markers, level):
    tokenizer = loaded("base")[1]
    tokens, mask = draw_demonstrations(tokenizer, random.Random(0), small("sft"))
    mask = mask.flip(1).cummax(dim=1).values.flip(1)
    found = batch_tensors((tokens, mask), tokenizer=tokenizer)
    assert levels(found if markers else without_markers(found))["prompt"] == level


def test_an_eos_that_is_not_learned_is_found():
    tokenizer = loaded("base")[1]
    tokens, mask = draw_demonstrations(tokenizer, random.Random(0), small("sft"))
    mask = mask & torch.nn.functional.pad(mask[:, 1:], (0, 1))
    assert faults(batch_tensors((tokens, mask), tokenizer=tokenizer)).keys() == {"end"}
    found = tensors("grpo")
    found["mask"] = found["mask"] & (found["tokens"][:, int(found["prompt_width"]) :] != tokenizer.eos_token_id)
    assert faults(found).keys() == {"end"}


def test_what_a_tool_wrote_is_found_in_the_loss():
    found = tensors("tool-rl")
    width = int(found["prompt_width"])
    found["mask"] = found["attention_mask"][:, width:].clone()
    assert {"tools"} <= faults(found).keys()
    tokenizer = loaded("base")[1]
    batch = draw_demonstrations(tokenizer, random.Random(0), small("tool-sft", mask_results=False))
    assert {"tools"} <= faults(batch_tensors(batch, tokenizer=tokenizer)).keys()


def test_a_result_that_is_missing_is_found():
    """The tool's turn without what stands between its markers, as where the result is not passed on."""
    found = tensors("tool-rl")
    tool, end = int(found["tool_start"]), int(found["eos_token_id"])
    tokens = found["tokens"].tolist()
    for row in tokens:
        for column, token in enumerate(row[:-2]):
            if token == tool:
                row[column + 1] = end
    found["tokens"] = torch.tensor(tokens)
    assert "tool_results" in faults(found)


def test_padding_in_the_loss_is_found():
    found = tensors("grpo")
    found["mask"] = torch.ones_like(found["mask"])
    assert "pads_in_loss" in faults(found)


def test_masks_made_by_value_with_one_id_for_padding_and_end_lose_every_eos():
    found = without_markers(tensors("grpo"))
    found["tokens"] = torch.where(found["tokens"] == 0, 1, found["tokens"])
    found["attention_mask"] = found["tokens"] != 1
    width = int(found["prompt_width"])
    found["mask"] = found["mask"] & found["attention_mask"][:, width:]
    found["pad_token_id"] = torch.tensor(1)
    assert "attention" in faults(found)  # the EOS that ends the question leaves a hole
    found["tokens"][:, : width - 1][found["tokens"][:, : width - 1] == 1] = 9
    found["attention_mask"][:, :width] = True
    assert "padding" in faults(found)


def test_tokens_that_are_not_attended_to_are_found():
    found = tensors("grpo")
    found["attention_mask"][0, int(found["prompt_width"]) + 1] = False
    found["mask"][0, 1] = False
    assert "attention" in faults(found)


@pytest.mark.parametrize(("shift", "level"), [(0, None), (1, "doubt")])
def test_position_ids_that_count_the_padding_are_found(shift, level):
    found = tensors("grpo")
    right = (found["attention_mask"].long().cumsum(dim=1) - 1).clamp(min=0)
    wrong = torch.arange(right.shape[1]).expand(right.shape)
    found["position_ids"] = wrong if shift else right
    assert levels(found).get("positions") == level


# ---- log-probs ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [1, -1])
@pytest.mark.parametrize("with_model", [True, False])
def test_logprobs_that_are_off_by_one_are_found(by, with_model):
    found = tensors("grpo")
    found["logprobs"] = found["logprobs"].roll(by, dims=1)
    named = faults(found, model=loaded("base")[0] if with_model else None)
    assert {"aligned", *({"scored"} if with_model else ())} == named.keys()
    assert ("previous" if by == 1 else "next") in named["aligned"].what


def test_two_tables_that_are_off_by_one_together_are_found_with_a_model():
    found = tensors("grpo")
    for name in ("logprobs", "old_logprobs"):
        found[name] = found[name].roll(1, dims=1)
    assert faults(found).keys() == set()
    assert "scored" in faults(found, model=loaded("base")[0])


@pytest.mark.parametrize("temperature", [0.5, 0.7, 0.9, 1.2, 1.5])
def test_a_temperature_that_is_forgotten_is_found_and_named(temperature):
    model, tokenizer = loaded("base")
    recipe = small("grpo", temperature=temperature)
    completions, _ = sample_groups(model, tokenizer, recipe, random.Random(0))
    experience, _ = collect(model, tokenizer, recipe, random.Random(0))
    scored = logprobs_of(model, completions.rollout, small("grpo"))
    found = batch_tensors(experience, tokenizer=tokenizer, logprobs=scored)
    named = faults(found, model=model)
    assert {"ratio", "temperature"} == named.keys()
    assert f"old log-probs at {temperature:g}" in named["temperature"].what
    assert ("higher" if temperature < 1 else "lower") in named["ratio"].what  # those of the policy, than the old ones


@pytest.mark.parametrize(("train", "found"), [(True, {"ratio": "fault"}), (False, {"ratio": "note"})])
def test_dropout_while_scoring_is_found(train, found, monkeypatch):
    model, tokenizer = loaded("base")
    model = copy.deepcopy(model)
    for layer in model.modules():
        if hasattr(layer, "attention_dropout"):
            layer.attention_dropout = 0.1
    recipe = small("grpo")
    completions, _ = sample_groups(model, tokenizer, recipe, random.Random(0))
    monkeypatch.setattr("reference.algorithms.collect.eval_mode", lambda *models: nullcontext())
    model.train(train)
    torch.manual_seed(0)
    batch = batch_tensors(
        gathered("grpo"), tokenizer=tokenizer, logprobs=logprobs_of(model, completions.rollout, recipe)
    )
    assert {check: level for check, level in levels(batch).items() if check == "ratio"} == found


@pytest.mark.parametrize("half", ["bfloat16", "float32"])
def test_a_pass_in_half_precision_is_no_fault(half):
    model, tokenizer = loaded("base")
    recipe = small("grpo")
    completions, _ = sample_groups(model, tokenizer, recipe, random.Random(0))
    scored = logprobs_of(copy.deepcopy(model).to(getattr(torch, half)), completions.rollout, recipe)
    batch = batch_tensors(gathered("grpo"), tokenizer=tokenizer, logprobs=scored)
    assert levels(batch)["ratio"] == ("note" if half == "float32" else "doubt")


def test_old_logprobs_of_other_weights_are_found():
    found = tensors("grpo")
    generator = torch.Generator().manual_seed(0)
    found["logprobs"] = found["logprobs"] + 0.1 * torch.randn(found["logprobs"].shape, generator=generator)
    found["logprobs"] = found["logprobs"].clamp(max=0)
    assert faults(found).keys() == {"ratio"}
    assert not faults(found, later=True)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda x: x.exp(), "probabilities"),
        (lambda x: -x, "sign is wrong"),
        (lambda x: torch.zeros_like(x), "never filled in"),
        (lambda x: torch.where(x < -0.5, torch.nan, x), "NaN"),
    ],
)
def test_numbers_that_are_no_logprobs_are_found(wrong, says):
    found = tensors("grpo")
    found["old_logprobs"] = wrong(found["old_logprobs"])
    assert says in faults(found)["values"].what


def test_a_sampler_with_top_p_is_a_doubt_and_one_at_another_temperature_a_fault():
    model, tokenizer = loaded("base")
    for changes, level, says in (({"top_p": 0.9}, "doubt", "top-p"), ({"temperature": 1.5}, "fault", "temperature")):
        completions, _ = sample_groups(model, tokenizer, small("grpo", **changes), random.Random(0))
        rollout = completions.rollout
        part = slice(rollout.prompt_width - 1, None)
        found = {
            "tokens": rollout.tokens, "attention_mask": rollout.attention_mask, "mask": rollout.completion_mask[:, part],
            "old_logprobs": logprobs_of(model, rollout, small("grpo")), "sampler_logprobs": rollout.sampler_logprobs[:, part],
        }  # fmt: skip
        one = next(f for f in audit(found).findings if f.check == "engines")
        assert one.level == level and says in one.what


# ---- what teaches ------------------------------------------------------------------------------------------------------------


def test_rewards_in_the_place_of_advantages_are_found():
    found = tensors("grpo")
    found["advantages"] = found["rewards"][:, None].expand(found["mask"].shape)
    named = faults(found)
    assert named.keys() == {"centred"}
    assert "the rewards themselves" in named["centred"].what


def test_the_std_of_dead_groups_is_found():
    found = tensors("grpo")
    groups = (found["rewards"] - 1e-6 * found["mask"].sum(dim=1)).double().view(-1, 4)
    scores = (groups - groups.mean(dim=1, keepdim=True)) / groups.std(dim=1, keepdim=True)
    found["rewards"] = groups.flatten()
    found["advantages"] = scores.flatten()[:, None].expand(found["mask"].shape).float()
    found["token_rewards"] = torch.where(found["token_rewards"] == 0, 0.0, found["token_rewards"])
    assert "dead_advantages" in faults(found)


def test_a_verifier_that_finds_nothing_leaves_no_live_group():
    found = tensors("grpo")
    for name in ("rewards", "advantages", "token_rewards"):
        found[name] = torch.zeros_like(found[name])
    assert faults(found).keys() == {"dead"}


def test_groups_that_mix_prompts_are_found():
    found = tensors("grpo")
    found["group"] = torch.arange(32) % 8
    assert "prompts" in faults(found)


def test_groups_of_two_and_groups_of_unequal_size_are_doubts():
    found = tensors("grpo")
    rows = torch.arange(32)
    found["group"], found["group_size"] = rows // 2, torch.tensor(2)
    assert levels(found)["group_sizes"] == "doubt"
    del found["group_size"]
    found["group"] = (rows + 1) // 4
    assert levels(found)["group_sizes"] == "doubt"


def test_completions_that_are_all_equal_are_a_doubt():
    found = tensors("grpo")
    for name in ("tokens", "attention_mask", "mask"):
        found[name] = found[name][::4].repeat_interleave(4, dim=0)
    assert levels(found)["completions"] == "doubt"


@pytest.mark.parametrize(
    ("number", "level"),
    [
        (lambda mask, attention: 0, "fault"),
        (lambda mask, attention: attention.sum(), "fault"),
        (lambda mask, attention: mask[:8].sum(), "fault"),
        (lambda mask, attention: mask.sum() - 3, "fault"),
        (lambda mask, attention: mask.numel(), "doubt"),
        (lambda mask, attention: 4 * mask.sum(), "note"),
        (lambda mask, attention: mask.sum(), "note"),
    ],
)
def test_the_normaliser_is_compared_with_what_the_batch_holds(number, level):
    found = tensors("grpo")
    found["num_tokens"] = torch.as_tensor(number(found["mask"], found["attention_mask"])).float()
    assert levels(found)["normaliser"] == level


def test_rewards_on_padding_are_found():
    found = tensors("grpo")
    width = int(found["prompt_width"])
    behind = ~found["attention_mask"][:, width:]
    short = behind.any(dim=1)
    found["token_rewards"] = torch.zeros_like(found["token_rewards"])
    found["token_rewards"][short, behind.int().argmax(dim=1)[short]] = 1.0
    assert levels(found)["token_rewards"] == "doubt"  # one behind the end, as N+ has it
    found["token_rewards"] = 1.0 * behind
    assert "token_rewards" in faults(found)


def test_returns_that_are_not_values_plus_advantages_are_found():
    found = tensors("ppo")
    assert "before whitening" in next(f for f in audit(found).findings if f.check == "returns").what
    found["returns"] = found["returns"].flip(0)
    assert "returns" in faults(found)


def test_values_that_change_with_the_token_they_stand_at_are_a_doubt():
    """V that falls where a token was unlikely: read before it, and read at it."""
    experience = gathered("ppo")
    told = experience.old_logprobs.cumsum(dim=1)
    right = torch.nn.functional.pad(told[:, :-1], (1, 0))
    gae = whiten(torch.randn(told.shape, generator=torch.Generator().manual_seed(0)), experience.mask)
    for values, level in ((right, None), (told, "doubt")):
        found = tensors("ppo", values=values, advantages=gae)
        del found["returns"]
        assert levels(found).get("values_at_action") == level
