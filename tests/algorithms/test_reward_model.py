import copy
import json
import random
from dataclasses import replace
from functools import partial

import pytest
import torch
from loops import (
    assert_goes_on_bit_for_bit,
    assert_same_updates,
    assert_steps_depend_on_the_seed_alone,
    gradient,
    pairs_in_styles,
    sgd,
    step_metrics,
)
from safetensors.torch import load_file, save_file

from reference.algorithms.pairs import draw_pairs, draw_pool
from reference.algorithms.recipes import RECIPES
from reference.algorithms.reward_model import (
    load_reward_model,
    pair_accuracy,
    reward_step,
    rewards_of,
    train_reward_model,
)
from reference.objectives import InputError, bradley_terry_loss
from reference.world.model import load

pytestmark = pytest.mark.slow

SMALL = replace(
    RECIPES["reward-model"],
    prompts_per_step=6,
    group_size=4,
    pool=16,
    steps=2,
    max_grad_norm=1e9,
    micro_batch_size=64,
    lr=0.0,
)


def reward_model_metrics(model, base, recipe=SMALL, *, optimizer=None, **options) -> list[dict[str, float]]:
    policy, tokenizer = base
    return step_metrics(train_reward_model, model, tokenizer, optimizer or sgd(model), recipe, policy=policy, **options)


def opinionated(name_or_path=None, seed: int = 0):
    """A reward model whose head is not 0."""
    model = load_reward_model(name_or_path) if name_or_path else load_reward_model()
    torch.nn.init.normal_(model.score.weight, generator=torch.Generator().manual_seed(seed))
    return model


@pytest.fixture(scope="module")
def pool(base):
    return draw_pool(*base, SMALL)


@pytest.mark.parametrize("name", ["llama", "qwen2", "gpt2"])
def test_a_reward_is_read_at_the_last_token_whatever_the_padding(small_models, name):
    _, tokenizer = load(small_models[name])
    model = opinionated(small_models[name])
    rows = pairs_in_styles(tokenizer, 4, rejected="hasty", seed=0).completions
    with torch.no_grad():
        together = rewards_of(model, rows)
        alone = []
        for tokens, kept in zip(rows.tokens, rows.attention_mask, strict=True):
            assert tokens[kept][-1] == tokenizer.eos_token_id
            hidden = model.base_model(tokens[kept][None]).last_hidden_state
            alone.append(model.score(hidden)[0, -1, 0])
    assert together.std() > 0.1
    assert torch.allclose(together, torch.stack(alone), atol=1e-5)


@pytest.mark.parametrize("name", ["llama", "qwen2"])
def test_a_reward_is_what_transformers_gives_where_pad_and_eos_differ(small_models, name):
    _, tokenizer = load(small_models[name])
    model = opinionated(small_models[name])
    rows = pairs_in_styles(tokenizer, 4, rejected="hasty", seed=0).completions
    with torch.no_grad():
        theirs = model(rows.tokens, attention_mask=rows.attention_mask).logits.squeeze(-1)
        assert torch.allclose(rewards_of(model, rows), theirs, atol=1e-5)


def test_the_head_starts_at_zero_on_the_policys_trunk(base, pool):
    model = load_reward_model()
    trunk = dict(model.base_model.named_parameters())
    for name, p in base[0].base_model.named_parameters():
        assert torch.equal(p, trunk[name])
    metrics = reward_step(model, sgd(model), pool, SMALL)
    assert metrics["loss"] == pytest.approx(0.6931472, rel=1e-6) and metrics["margin"] == metrics["accuracy"] == 0


def test_a_saved_reward_model_is_the_same_bit_for_bit(base, pool, tmp_path):
    model = opinionated()
    model.save_pretrained(tmp_path)
    loaded = load_reward_model(tmp_path)
    weights = loaded.state_dict()
    assert weights.keys() == model.state_dict().keys()
    assert all(torch.equal(weights[name], weight) for name, weight in model.state_dict().items())
    loaded.load_state_dict(model.state_dict())  # the same numbers at another address may be summed in another order,
    with torch.no_grad():  # so what is compared bit for bit are the weights, and the rewards to rounding
        torch.testing.assert_close(rewards_of(loaded, pool.completions), rewards_of(model, pool.completions))


def test_micro_batches_do_not_change_the_gradient(pool):
    model, gradients, scalars = opinionated().double(), [], []
    for rows in (64, 6, 1):
        scalars.append(reward_step(model, sgd(model), pool, replace(SMALL, micro_batch_size=rows)))
        gradients.append(gradient(model))
    assert_same_updates(gradients, scalars, rel=1e-5)


def test_the_loss_is_the_objective_called_by_hand(pool):
    model = opinionated()
    with torch.no_grad():
        rewards = rewards_of(model, pool.completions)
    right, wrong = rewards[::2], rewards[1::2]
    metrics = reward_step(model, sgd(model), pool, replace(SMALL, micro_batch_size=8))
    assert metrics["loss"] == pytest.approx(bradley_terry_loss(right, wrong).mean().item(), rel=1e-4)
    assert metrics["margin"] == pytest.approx((right - wrong).mean().item(), rel=1e-3, abs=1e-4)
    assert metrics["accuracy"] == pytest.approx((right > wrong).float().mean().item())


def test_steps_depend_on_the_seed_and_on_nothing_else(base):
    def run(seed: int, **part: int) -> list[dict[str, float]]:
        return reward_model_metrics(opinionated(), base, replace(SMALL, prompts_per_step=4), seed=seed, **part)

    assert_steps_depend_on_the_seed_alone(run)


def test_a_run_that_goes_on_ends_with_the_same_weights_and_leaves_the_policy(base, pool):
    frozen = copy.deepcopy(base[0].state_dict())

    def new_run():
        model = load_reward_model()
        optimizer, options = torch.optim.AdamW(model.parameters()), {"policy": base[0], "pool": pool}
        return model, partial(
            train_reward_model, model, base[1], optimizer, replace(SMALL, steps=3, lr=1e-3), **options
        )

    assert_goes_on_bit_for_bit(new_run)
    assert all(torch.equal(frozen[name], p) for name, p in base[0].state_dict().items())


def test_it_learns_to_tell_work_from_guesses(base):
    model = load_reward_model()
    optimizer = torch.optim.AdamW(model.parameters())
    recipe = replace(SMALL, steps=12, prompts_per_step=8, lr=1e-3)
    rows = reward_model_metrics(
        model, base, recipe, optimizer=optimizer, pool=pairs_in_styles(base[1], 32, rejected="hasty", seed=0)
    )
    assert rows[-1]["loss"] < 0.4 < 0.6 < rows[0]["loss"]
    unseen = pairs_in_styles(base[1], 50, rejected="hasty", seed=1).completions
    with torch.no_grad():
        right, wrong = rewards_of(model, unseen).view(-1, 2).unbind(dim=1)
    assert (right > wrong).float().mean() > 0.9


def test_pair_accuracy_counts_held_out_pairs(base):
    model = opinionated()
    metrics = pair_accuracy(model, base[1], base[0], replace(SMALL, micro_batch_size=8), prompts=24, seed=3)
    pairs = draw_pairs(*base, SMALL, random.Random("3/pairs"), prompts=24, held_out=True)
    with torch.no_grad():
        rewards = rewards_of(model, pairs.completions).view(-1, 2)
    lengths = pairs.completions.completion_mask.sum(dim=1).view(-1, 2)
    assert metrics.pairs == len(pairs) and metrics.low < metrics.share < metrics.high
    assert metrics.share == pytest.approx((rewards[:, 0] > rewards[:, 1]).float().mean().item())
    assert metrics.longer == pytest.approx((lengths[:, 0] > lengths[:, 1]).float().mean().item())
    assert "95 % interval" in str(metrics)
    assert pair_accuracy(load_reward_model(), base[1], base[0], SMALL, prompts=8).share == 0  # all rewards are equal


def test_a_recipe_of_another_kind_is_refused(base):
    with pytest.raises(InputError, match="grpo is a recipe of kind 'rl', not of a reward model"):
        reward_model_metrics(load_reward_model(), base, RECIPES["grpo"])


def test_a_policy_that_gives_no_pairs_is_reported(base):
    with pytest.raises(InputError, match="none of 16 prompts gave a pair"):
        reward_model_metrics(load_reward_model(), base, replace(SMALL, max_new_tokens=3))


def test_a_gradient_that_is_not_finite_changes_no_weight(pool):
    model = opinionated()
    model.score.weight.register_hook(lambda g: g * torch.inf)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(InputError, match=r"the gradient is (nan|inf) \(.*\): the weights were left as they were"):
        reward_step(model, torch.optim.AdamW(model.parameters(), lr=1e-3), pool, SMALL)
    assert all(torch.equal(before[name], p) for name, p in model.state_dict().items())


def test_folders_that_hold_no_reward_model_are_refused(tmp_path):
    with pytest.raises(InputError, match="there is no model folder at"):
        load_reward_model(tmp_path / "nowhere")

    load_reward_model().save_pretrained(tmp_path / "less")
    weights = load_file(tmp_path / "less" / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, tmp_path / "less" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"lacks 1 weight, the first model.norm.weight: it is no reward model"):
        load_reward_model(tmp_path / "less")

    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text(json.dumps({"model_type": "unheard-of"}))
    with pytest.raises(InputError, match="cannot be loaded as a reward model"):
        load_reward_model(tmp_path / "other")
