import copy
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
    sgd,
    step_metrics,
)
from torch.nn.functional import cross_entropy

from reference.algorithms.recipes import RECIPES
from reference.algorithms.step import learning_rate
from reference.algorithms.supervised import draw_demonstrations, micro_batches, sft_step, sft_term, train_sft
from reference.objectives import InputError, total_loss
from reference.world.model import load
from reference.world.tasks import Problem, verify

pytestmark = pytest.mark.slow

SMALL = replace(RECIPES["sft"], prompts_per_step=6, steps=2, micro_batch_size=64, max_grad_norm=1e9, lr=0.0)


def batch_of(count: int):
    """The recipe with so many demonstrations in a batch."""
    return replace(SMALL, prompts_per_step=count)


def sft_metrics(model, tokenizer, recipe=SMALL, *, optimizer=None, **options) -> list[dict[str, float]]:
    return step_metrics(train_sft, model, tokenizer, optimizer or sgd(model), recipe, **options)


@pytest.fixture(scope="module")
def batch(base):
    return draw_demonstrations(base[1], random.Random(0), batch_of(7))


def test_micro_batches_do_not_change_the_gradient(base, batch):
    model, gradients, scalars = copy.deepcopy(base[0]).double(), [], []
    for rows in (64, 3, 1):
        scalars.append(sft_step(model, sgd(model), *batch, replace(SMALL, micro_batch_size=rows)))
        gradients.append(gradient(model))
    assert_same_updates(gradients, scalars)


def test_the_loss_is_the_cross_entropy_of_the_assistants_tokens(base, batch):
    model, (tokens, mask) = copy.deepcopy(base[0]).double(), batch
    labels = torch.where(mask, tokens[:, 1:], -100)
    with torch.no_grad():
        logits = model(tokens).logits[:, :-1]
    expected = cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100).item()
    hits = (logits.argmax(dim=-1) == labels).sum() / mask.sum()
    metrics = sft_step(model, sgd(model), tokens, mask, replace(SMALL, micro_batch_size=2))
    assert metrics["loss"] == pytest.approx(expected, rel=1e-6)
    assert metrics["token_accuracy"] == pytest.approx(hits.item()) and 0.5 < metrics["token_accuracy"] < 1
    assert metrics["grad_norm"] == pytest.approx(gradient(model).norm().item(), rel=1e-6)


def test_the_term_beside_a_policy_loss_is_the_same_number(base, batch):
    model, (tokens, mask) = copy.deepcopy(base[0]).double(), batch
    metrics = sft_step(model, sgd(model), tokens, mask, SMALL)
    alone = gradient(model).clone()
    model.zero_grad()
    term = sft_term(model, tokens, mask, SMALL)
    assert term.item() == pytest.approx(metrics["loss"], rel=1e-6)
    policy_loss = 0 * sum(p.sum() for p in model.parameters())
    total_loss(policy_loss, sft_loss=term, sft_coef=0.5).backward()
    assert torch.allclose(gradient(model), 0.5 * alone, rtol=1e-9, atol=1e-15)
    split = [sft_term(model, tokens[i], mask[i], SMALL, num_tokens=int(mask.sum())) for i in ([0, 1], [2, 3, 4, 5, 6])]
    assert sum(split).item() == pytest.approx(term.item(), rel=1e-9)


def test_micro_batches_hold_every_kept_token_once_and_little_else(batch):
    tokens, mask = batch
    parts = list(micro_batches(tokens, mask, 3))
    assert [len(part) for part, _ in parts] == [3, 3, 1]
    assert sum(int(kept.sum()) for _, kept in parts) == mask.sum()
    assert all(kept[:, -1].any() for _, kept in parts)  # no column is padding in all rows
    rows = {tuple(row[1:][kept].tolist()) for part, kepts in parts for row, kept in zip(part, kepts, strict=True)}
    assert rows == {tuple(row[1:][kept].tolist()) for row, kept in zip(tokens, mask, strict=True)}


def test_demonstrations_are_careful_and_the_mask_keeps_all_of_the_answer(base):
    tokenizer = base[1]
    tokens, mask = draw_demonstrations(tokenizer, random.Random(1), batch_of(50))
    assert tokens.shape == (50, mask.shape[1] + 1)
    for row, kept in zip(tokens, mask, strict=True):
        said, heard = tokenizer.decode(row[1:][kept]), tokenizer.decode(row[1:][~kept])
        expression = heard.split("What is ")[1].split("?")[0]
        assert said.endswith(tokenizer.eos_token) and "=" in said and "Wait" not in said
        problem = Problem(expression, ((0, "+", 0, eval(expression)),))
        assert verify(problem, said.removesuffix(tokenizer.eos_token)) == 1 and not problem.held_out
    again = draw_demonstrations(tokenizer, random.Random(1), batch_of(50))
    assert torch.equal(tokens, again[0]) and torch.equal(mask, again[1])


def test_steps_depend_on_the_seed_and_on_nothing_else(base):
    def run(seed: int, **part: int) -> list[dict[str, float]]:
        return sft_metrics(copy.deepcopy(base[0]), base[1], seed=seed, **part)

    assert_steps_depend_on_the_seed_alone(run)


def test_a_run_that_goes_on_ends_with_the_same_weights(base):
    def new_run():
        model = copy.deepcopy(base[0])
        optimizer = torch.optim.AdamW(model.parameters())
        return model, partial(train_sft, model, base[1], optimizer, replace(SMALL, steps=3, lr=1e-3))

    assert_goes_on_bit_for_bit(new_run)


def test_the_learning_rate_is_the_schedules_of_pretraining(base):
    model = copy.deepcopy(base[0])
    optimizer, rates = sgd(model), []
    recipe = replace(SMALL, steps=4, prompts_per_step=1, lr=0.5)

    def on_step(step, metrics):
        rates.append(optimizer.param_groups[0]["lr"])
        return step == 3

    train_sft(model, base[1], optimizer, recipe, on_step=on_step, first_step=1)
    assert rates == [learning_rate(step, steps=4, peak=0.5) for step in (1, 2)] and rates[0] > rates[1] > 0


def test_training_moves_the_model_towards_careful_solutions(base):
    model = copy.deepcopy(base[0])
    optimizer = torch.optim.AdamW(model.parameters())
    tokens, mask = draw_demonstrations(base[1], random.Random("other"), batch_of(32))
    with torch.no_grad():
        before = sft_term(model, tokens, mask, SMALL).item()
    sft_metrics(model, base[1], replace(SMALL, steps=15, prompts_per_step=16, lr=4e-4), optimizer=optimizer)
    with torch.no_grad():
        assert sft_term(model, tokens, mask, SMALL).item() < 0.97 * before


def test_bfloat16_is_near_and_leaves_the_weights_in_float32(base, batch):
    model = copy.deepcopy(base[0])
    exact, rounded = (sft_step(model, sgd(model), *batch, replace(SMALL, bf16=bf16)) for bf16 in (False, True))
    assert rounded["loss"] != exact["loss"] and rounded["loss"] == pytest.approx(exact["loss"], rel=0.05)
    assert all(p.dtype == p.grad.dtype == torch.float32 for p in model.parameters())


@pytest.mark.parametrize("name", ["llama", "qwen2", "gpt2"])
def test_any_causal_lm_trains(small_models, name):
    model, tokenizer = load(small_models[name])
    optimizer = torch.optim.AdamW(model.parameters())
    rows = sft_metrics(model, tokenizer, replace(SMALL, steps=6, lr=1e-2), optimizer=optimizer)
    assert rows[-1]["loss"] < rows[0]["loss"] - 0.5
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_a_recipe_of_another_kind_is_refused(base):
    with pytest.raises(InputError, match="grpo is a recipe of kind 'rl', not of supervised fine-tuning"):
        sft_metrics(base[0], base[1], RECIPES["grpo"])


def test_a_template_that_marks_nothing_is_refused(base):
    tokenizer = copy.deepcopy(base[1])
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    with pytest.raises(InputError, match=r"does not mark the assistant's tokens.*generation"):
        draw_demonstrations(tokenizer, random.Random(0), batch_of(2))


def test_a_gradient_that_is_not_finite_changes_no_weight(base, batch):
    model = copy.deepcopy(base[0])
    model.model.norm.weight.register_hook(lambda g: g * torch.inf)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(InputError, match=r"the gradient is (nan|inf) \(.*\): the weights were left as they were"):
        sft_step(model, torch.optim.AdamW(model.parameters(), lr=1e-3), *batch, SMALL)
    assert all(torch.equal(before[name], p) for name, p in model.state_dict().items())
