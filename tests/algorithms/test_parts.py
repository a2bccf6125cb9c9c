"""Parts of a step beside each other: the same numbers, to the bit, for any number of workers."""

import copy
import random
import traceback
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from llamas import completions, experience, small
from torch import nn
from transformers import AutoModelForSequenceClassification

from reference.algorithms.collect import logprobs_of, values_of
from reference.algorithms.critic import Critic
from reference.algorithms.data import Pairs
from reference.algorithms.preference import preference_step
from reference.algorithms.pretrain import pretrain_step
from reference.algorithms.recipes import RECIPES
from reference.algorithms.reward_model import reward_step
from reference.algorithms.rl import update
from reference.algorithms.step import backward
from reference.algorithms.supervised import sft_step
from reference.world import rollout, workers
from reference.world.llama_reader import LlamaReader
from reference.world.rollout import encode_prompts, sample
from reference.world.tasks import draw_problem
from reference.world.workers import one_core_per_operation

# ---- the gradient ------------------------------------------------------------------------------------------------------


def same_for_any_number(loss_of, weights: list[torch.Tensor]) -> None:
    found = []
    for count in (1, 2, 3):
        for weight in weights:
            weight.grad = None
        list(backward(lambda part: (loss_of(part), None), range(5), weights, workers=count))
        found.append([None if w.grad is None else w.grad.clone() for w in weights])
    for other in found[1:]:
        assert all(a is b is None or torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def test_weights_without_a_part_in_the_loss():
    used, sometimes, never = (torch.randn(3, requires_grad=True) for _ in range(3))
    same_for_any_number(
        lambda part: (used.sin() * part).sum() + (sometimes.sum() if part == 2 else 0.0), [used, sometimes, never]
    )
    assert never.grad is None and torch.equal(sometimes.grad, torch.ones(3))


@pytest.mark.parametrize("count", [1, 2])
def test_two_weights_with_one_gradient_keep_their_own(count):
    """autograd gives both the same tensor; what is added to one must not be added to the other."""
    a, b = (torch.zeros(3, requires_grad=True) for _ in range(2))
    losses = [lambda: (a + b).sum(), lambda: (2 * a).sum(), lambda: (a + b).sum()]
    list(backward(lambda part: (part(), None), losses, [a, b], workers=count))
    assert a.grad.tolist() == [4, 4, 4] and b.grad.tolist() == [2, 2, 2]
    a.grad.zero_()
    assert b.grad.tolist() == [2, 2, 2]


@pytest.mark.parametrize("count", [1, 2])
def test_a_gradient_that_is_there_is_added_to(count):
    a = torch.zeros(3, requires_grad=True)
    a.grad = torch.full((3,), 10.0)
    list(backward(lambda part: (part * a.sum(), None), [1, 2], [a], workers=count))
    assert a.grad.tolist() == [13, 13, 13]


@pytest.mark.parametrize("kind", ["register_hook", "register_post_accumulate_grad_hook"])
@pytest.mark.parametrize("count", [1, 2])
def test_hooks_on_weights_fire_once_for_each_part(kind, count):
    a, fired = torch.zeros(3, requires_grad=True), []
    getattr(a, kind)(lambda _: fired.append(1))
    list(backward(lambda part: (part * a.sum(), None), [1, 2, 3], [a], workers=count))
    assert len(fired) == 3


# ---- the loops ---------------------------------------------------------------------------------------------------------

PROMPTS, LENGTHS = [5, 5, 5, 9, 9, 2, 2, 2, 2, 2], [1, 12, 4, 7, 1, 3, 12, 6, 5, 8]
GROUPS = [0, 0, 0, 1, 1, 2, 2, 2, 2, 2]
ROLLOUT = completions(PROMPTS, LENGTHS, budget=12)
OPTIONS = {"micro_batch_size": 2, "max_new_tokens": 12}
TOKENIZER = SimpleNamespace(pad_token_id=0, eos_token_id=1)


def update_of(name: str, **options):
    recipe = replace(RECIPES[name], **OPTIONS, **options)

    def step(model, optimizer, extra):
        old = torch.zeros(10, 12).sub(6.0)
        batch = experience(ROLLOUT, old, groups=GROUPS)
        if recipe.loss == "gspo":
            batch = replace(batch, advantages=batch.rewards[:, None])
        update(model, optimizer, batch, recipe, critic=extra, kl_coef=recipe.kl_coef)

    return step


def preference_of(name: str):
    recipe = replace(RECIPES[name], **OPTIONS)

    def step(model, optimizer, extra):
        preference_step(model, optimizer, Pairs(ROLLOUT, [None] * 5), recipe, ref_model=small("grouped"))

    return step


def sft(model, optimizer, extra) -> None:
    mask = ROLLOUT.completion_mask
    sft_step(model, optimizer, ROLLOUT.tokens, mask, replace(RECIPES["sft"], micro_batch_size=3))


def pretraining(model, optimizer, extra) -> None:
    tokens, mask = ROLLOUT.tokens.repeat(4, 1), ROLLOUT.completion_mask.repeat(4, 1)
    pretrain_step(model, optimizer, tokens, mask, 100, max_grad_norm=1.0)


def reward(model, optimizer, extra) -> None:
    reward_step(model, optimizer, Pairs(ROLLOUT, [None] * 5), replace(RECIPES["reward-model"], **OPTIONS))


STEPS = {
    "update": update_of("grpo", entropy_coef=0.1, kl_coef=0.1),
    "update, gspo": update_of("gspo"),
    "update, bf16": update_of("grpo", bf16=True),
    "update, critic shared": update_of("ppo", critic="shared"),
    "update, critic separate": update_of("ppo"),
    "preference_step": preference_of("dpo"),
    "preference_step, kto": preference_of("kto"),
    "sft_step": sft,
    "pretrain_step": pretraining,
    "reward_step": reward,
}
KINDS = {  # the second goes through transformers' own forward
    "plain functions": lambda: small("grouped"),
    "own forward": lambda: small("grouped", attention_bias=True),
}


def weights_after_two_steps(name: str, model) -> dict[str, torch.Tensor]:
    if name == "reward_step":
        config = copy.deepcopy(model.config)
        config.num_labels = 1
        scores = AutoModelForSequenceClassification.from_config(config)
        scores.model.load_state_dict(model.model.state_dict())
        nn.init.normal_(scores.score.weight, generator=torch.Generator().manual_seed(0))
        model = scores.eval()
    critic = Critic(model, shared="shared" in name) if "critic" in name else None
    whole = nn.ModuleList([model] if critic is None else [model, critic])
    optimizer = torch.optim.AdamW(whole.parameters(), lr=1e-2)
    for _ in range(2):
        STEPS[name](model, optimizer, critic)
    return whole.state_dict()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", STEPS)
def test_two_steps_are_the_same_to_the_bit_for_any_number_of_workers(name, kind, monkeypatch):
    start, found = KINDS[kind](), []
    for count in (1, 2, 3):
        monkeypatch.setattr(workers, "spare_cores", lambda count=count: count)
        with one_core_per_operation():
            found.append(weights_after_two_steps(name, copy.deepcopy(start)))
    assert any(not torch.equal(p, found[0][key]) for key, p in nn.ModuleList([start]).state_dict().items())
    for other in found[1:]:
        assert [key for key, p in other.items() if not torch.equal(p, found[0][key])] == []


@pytest.mark.parametrize("kind", KINDS)
def test_samples_logprobs_and_values_are_the_same_to_the_bit(kind, monkeypatch):
    model, found = KINDS[kind](), []
    recipe = replace(RECIPES["ppo"], **OPTIONS)
    critic = Critic(model, shared=True).eval()
    nn.init.normal_(critic.head.weight, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(rollout, "ROWS", 4)
    rng = random.Random(0)
    prompts = [[rng.randrange(2, 384) for _ in range(rng.randrange(1, 8))] for _ in range(9)]
    for count in (1, 2, 3):
        monkeypatch.setattr(workers, "spare_cores", lambda count=count: count)
        with one_core_per_operation():
            drawn = sample(model, TOKENIZER, prompts, max_new_tokens=9, group_size=2, seeds=range(18))
            scores, values = logprobs_of(model, drawn, recipe), values_of(critic, model, drawn, recipe)
        found.append((drawn.tokens, drawn.sampler_logprobs, scores, values))
    assert found[0][3].norm() > 0
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


@pytest.mark.slow
def test_samples_do_not_depend_on_the_cores_of_an_operation(base, monkeypatch):
    """With 5 to 11 rows a product would: then it has one core, whatever is free."""
    model, tokenizer = base
    prompts = encode_prompts(tokenizer, [draw_problem(random.Random(seed)) for seed in range(6)])
    found, taken, rows_of = [], [], []
    set_threads, next_logits = torch.set_num_threads, LlamaReader.next_logits

    def watched(reader, tokens, attention):
        rows_of.append((len(tokens), torch.get_num_threads()))
        return next_logits(reader, tokens, attention)

    monkeypatch.setattr(LlamaReader, "next_logits", watched)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: taken.append(count) or set_threads(count))
    for count in (1, 2, 3):
        monkeypatch.setattr(workers, "spare_cores", lambda count=count: count)
        drawn = sample(model, tokenizer, prompts, max_new_tokens=96, group_size=4, seeds=range(24))
        found.append((drawn.tokens, drawn.sampler_logprobs))
    assert {1, 2, 3} <= set(taken) and any(rows >= 12 and threads == 3 for rows, threads in rows_of)
    assert {threads for rows, threads in rows_of if rows < 12} == {1} and min(rows for rows, _ in rows_of) < 12
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


@pytest.mark.parametrize("count", [1, 2])
def test_a_loss_may_have_a_weight_of_its_own(count, monkeypatch):
    monkeypatch.setattr(workers, "spare_cores", lambda: count)
    model, scale = small("grouped"), nn.Parameter(torch.ones(()))
    optimizer = torch.optim.SGD([*model.parameters(), scale], lr=0.0)
    update_of("grpo", loss=lambda logprobs, micro, recipe: scale * -logprobs)(model, optimizer, None)
    assert scale.grad is not None and scale.grad != 0


def test_the_reference_is_in_its_own_mode_afterwards(monkeypatch):
    monkeypatch.setattr(workers, "spare_cores", lambda: 3)
    model, reference = small("grouped"), small("grouped", attention_dropout=0.5).train()
    seen = []
    for _ in range(2):
        pairs = Pairs(ROLLOUT, [None] * 5)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        seen.append(preference_step(model, optimizer, pairs, replace(RECIPES["dpo"], **OPTIONS), ref_model=reference))
    assert seen[0] == seen[1]  # no dropout, so no chance
    assert all(module.training for module in reference.modules())


@pytest.mark.parametrize("count", [1, 2])
def test_an_error_in_a_learners_own_loss_shows_the_learners_line(count, monkeypatch):
    monkeypatch.setattr(workers, "spare_cores", lambda: count)
    model = small("grouped")

    def my_loss(logprobs, micro, recipe):
        return logprobs * micro.advantage_of_my_own  # the learner's line

    with pytest.raises(AttributeError, match="advantage_of_my_own") as caught:
        update_of("grpo", loss=my_loss)(model, torch.optim.SGD(model.parameters(), lr=0.0), None)
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert last.name == "my_loss" and last.line.endswith("# the learner's line")
