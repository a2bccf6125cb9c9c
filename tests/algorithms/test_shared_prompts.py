"""Prompts that go through the model once per group give the gradient of prompts that go through it once per completion."""

import random
from dataclasses import replace

import pytest
import torch

from reference.algorithms import rl
from reference.algorithms.collect import collect
from reference.algorithms.critic import Critic
from reference.algorithms.data import Experience
from reference.algorithms.recipes import RECIPES, Recipe
from reference.algorithms.rl import update
from reference.algorithms.shared_prompts import SharedPrompts, can_share
from reference.world.model import load

SMALL = replace(RECIPES["grpo"], prompts_per_step=4, group_size=4, max_new_tokens=24, max_grad_norm=1e9)


def gradients(model, batch: Experience, recipe: Recipe, monkeypatch, critic: Critic | None = None):
    """With shared prompts and without: the gradient of all weights, and the scalars of the step."""
    found = []
    for share in (True, False):
        with monkeypatch.context() as patched:
            if not share:
                patched.setattr(rl, "can_share", lambda model, batch: False)
            weights = [*model.parameters(), *(critic.parameters() if critic is not None else ())]
            scalars = update(model, torch.optim.SGD(weights, lr=0.0), batch, recipe, critic=critic)
        found.append((torch.cat([w.grad.flatten() for w in weights]), scalars))
    return found


@pytest.fixture(scope="module")
def double(small_models):
    """A GPT-2 in float64 (Llama's norms compute in float32), and a rollout: four prompts, four completions each."""
    model, tokenizer = load(small_models["gpt2"])
    batch, _ = collect(model, tokenizer, SMALL, random.Random(0))
    assert batch.attention_mask[:, : batch.prompt_width].sum(dim=1).unique().numel() > 1  # left padding is there
    assert batch.group.tolist() == [row // 4 for row in range(16)]
    advantages = torch.linspace(-1, 1, 16, dtype=torch.float64)[:, None]  # no dead group, so every row counts
    return model.double(), replace(batch, advantages=advantages)


@pytest.mark.parametrize("micro_batch_size", [1, 3, 16])
def test_the_gradient_is_the_same_to_rounding(double, micro_batch_size, monkeypatch):
    model, batch = double
    recipe = replace(SMALL, micro_batch_size=micro_batch_size, entropy_coef=0.1)
    rows = torch.tensor([9, 0, 14, 5, 1, 3, 12, 8, 2])  # as a minibatch cuts groups: 4, 1, 2 and 2 of them
    (shared, metrics), (apart, metrics_apart) = gradients(model, batch.rows(rows), recipe, monkeypatch)
    assert apart.norm() > 0.1
    assert (shared - apart).norm() < 1e-10 * apart.norm()
    assert metrics == pytest.approx(metrics_apart, rel=1e-9)


def test_a_critic_on_the_same_trunk_reads_the_same_states(double, monkeypatch):
    model, batch = double
    critic = Critic(model, shared=True).double()
    torch.nn.init.normal_(critic.head.weight, generator=torch.Generator().manual_seed(0))
    recipe = replace(SMALL, critic="shared", vf_coef=1.0)
    batch = replace(batch, values=0.0 * batch.old_logprobs.double(), returns=batch.mask.double())
    (shared, metrics), (apart, metrics_apart) = gradients(model, batch, recipe, monkeypatch, critic)
    assert (shared - apart).norm() < 1e-10 * apart.norm()
    assert metrics["value_loss"] == pytest.approx(metrics_apart["value_loss"], rel=1e-9) and metrics["value_loss"] > 0


@pytest.mark.parametrize("name", ["llama", "qwen2", "gpt2"])
def test_every_architecture_shares(name, small_models, monkeypatch):
    model, tokenizer = load(small_models[name])
    batch, _ = collect(model, tokenizer, SMALL, random.Random(0))
    batch = replace(batch, advantages=torch.linspace(-1, 1, 16)[:, None])
    assert can_share(model, batch)
    (shared, _), (apart, _) = gradients(model, batch, SMALL, monkeypatch)
    assert (shared - apart).norm() < 1e-5 * apart.norm()


def test_each_prompt_goes_through_the_model_once(double, monkeypatch):
    model, batch = double
    prompts = SharedPrompts(model, batch, SMALL)
    assert {keys.shape[1] for part in prompts.made for keys in part} == {4}  # distinct prompts, of 16 rows
    micro = batch.rows(torch.tensor([13, 2]))
    layer = prompts.cache(micro).layers[0]
    assert layer.keys.shape[0] == 2 and layer.keys.shape[2] == micro.prompt_width - 1


def test_groups_of_one_have_nothing_to_share(double):
    model, batch = double
    assert can_share(model, batch) and not can_share(model, batch.rows(torch.tensor([0, 4, 8, 12])))
