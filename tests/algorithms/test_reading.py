"""Packed rows give what rectangles give: log-probs, entropies, hidden states, and the gradient of every recipe."""

import random
from dataclasses import replace

import pytest
import torch
from llamas import completions, experience, small
from loops import gradient, sgd

from reference.algorithms import reading, rl
from reference.algorithms.collect import logprobs_of
from reference.algorithms.critic import Critic
from reference.algorithms.data import Experience
from reference.algorithms.distill import asks_teacher
from reference.algorithms.losses import loss_of
from reference.algorithms.reading import different_rows, read_completions
from reference.algorithms.recipes import RECIPES, ROWS, Recipe
from reference.algorithms.rl import update
from reference.algorithms.shared_prompts import SharedPrompts
from reference.objectives import entropy, overlong_mask, token_logprobs
from reference.world.model import load

BUDGET = 12
PROMPTS, LENGTHS = [5, 5, 5, 9, 9, 2, 2, 2], [1, 12, 4, 7, 1, 3, 12, 6]  # a whole budget, a single token, left padding
GROUPS = [0, 0, 0, 1, 1, 2, 2, 2]


def made(kind: str) -> tuple[torch.nn.Module, Experience]:
    model = small(kind)
    rollout = completions(PROMPTS, LENGTHS, budget=BUDGET)
    pred = rollout.tokens.shape[1] - rollout.prompt_width
    batch = experience(rollout, torch.zeros(len(PROMPTS), pred), groups=GROUPS)
    # the rows of a group have one prompt now: their log-probs are those of these tokens
    again = replace(rollout, tokens=batch.tokens)
    assert reading.reads_as_llama(model)
    old = logprobs_of(model, again, RECIPES["grpo"])
    return model, experience(rollout, old, groups=GROUPS)


def on_both_paths(monkeypatch, compute):
    """What ``compute()`` gives with packed rows, and with transformers' own forward."""
    packed = compute()
    with monkeypatch.context() as patched:
        patched.setattr(reading, "reads_as_llama", lambda model: False)
        return packed, compute()


def near(ours: torch.Tensor, theirs: torch.Tensor, rel: float = 1e-4) -> bool:
    return theirs.norm() > 1e-3 and (ours - theirs).norm() < rel * theirs.norm()


@pytest.mark.parametrize("share", [False, True], ids=["whole rows", "shared prompts"])
@pytest.mark.parametrize("kind", ["llama", "head_dim", "qwen2"])
def test_logprobs_entropies_and_hidden_states(kind, share, monkeypatch):
    model, batch = made(kind)

    def compute():
        prompts = SharedPrompts(model, batch, RECIPES["grpo"]).cache if share else None
        read = read_completions(model, batch, hidden=True, prompts=prompts)
        per_token = (
            read.spread(token_logprobs(read.logits, read.tokens)),
            read.spread(entropy(read.logits)),
            read.hidden[:, :-1].norm(dim=-1),
            read.hidden[:, :-1].sum(dim=-1),
        )
        return read, [torch.where(batch.mask, x, 0.0) for x in per_token]

    (ours, ours_per_token), (theirs, theirs_per_token) = on_both_paths(monkeypatch, compute)
    assert ours.real is not None and theirs.real is None
    assert ours.logits.shape[1] == sum(LENGTHS) + 1  # no padding went through the head
    for mine, other in zip(ours_per_token, theirs_per_token, strict=True):
        assert mine.shape == other.shape == batch.mask.shape
        assert near(mine, other)


def test_rollouts_of_single_tokens(monkeypatch):
    model = small("grouped")
    for prompts, lengths in (([1, 1], [1, 1]), ([4], [1]), ([1, 3], [5, 1])):
        rollout = completions(prompts, lengths, budget=BUDGET)
        ours, theirs = on_both_paths(monkeypatch, lambda r=rollout: logprobs_of(model, r, RECIPES["grpo"]))
        assert near(ours, theirs)


CASES: dict[str, dict] = {
    **{recipe.name: {} for recipe in ROWS if recipe.kind == "rl"},
    "ppo, critic shared": {"name": "ppo", "critic": "shared"},
    "grpo, kl in the loss": {"name": "grpo", "kl_coef": 0.1},
    "grpo, entropy": {"name": "grpo", "entropy_coef": 0.1},
    "grpo, temperature": {"name": "grpo", "temperature": 0.7},
    "dapo, cut off ones masked": {"name": "dapo", "overlong": "mask"},
    "grpo, demonstrations beside": {"name": "grpo", "sft_coef": 0.5},
    "grpo, sampler's correction": {"name": "grpo", "top_p": 0.9},
    **{f"grpo, {loss}": {"name": "grpo", "loss": loss} for loss in ("sapo", "vespo", "dppo", "gmpo", "luspo")},
    "distill, between": {"name": "distill", "teacher_share": 0.3},
    "distill, a temperature": {"name": "distill", "temperature": 0.7},
}


def recipe_of(case: str) -> Recipe:
    options = dict(CASES[case])
    row = RECIPES[options.pop("name", case)]
    if asks_teacher(row):
        options["teacher"] = small("grouped", hidden_size=48)
    return replace(row, micro_batch_size=3, max_new_tokens=BUDGET, max_grad_norm=1e9, **options)


def arranged(case: str, batch: Experience, model) -> tuple[Experience, dict]:
    """The batch as the recipe would have it, and what else ``update`` takes."""
    recipe, extra = recipe_of(case), {}
    if recipe.critic:
        torch.manual_seed(5)
        extra["critic"] = Critic(model, shared=recipe.critic == "shared")
        torch.nn.init.normal_(extra["critic"].head.weight)
    if loss_of(recipe).per_completion:
        batch = replace(batch, advantages=batch.rewards[:, None])  # one per completion
    if recipe.overlong == "mask":
        batch = replace(batch, mask=overlong_mask(batch.mask, torch.tensor(LENGTHS) == BUDGET))
    if recipe.top_p < 1:
        batch = replace(batch, correction=torch.where(batch.mask, 0.5 + batch.values.sigmoid(), 0.0))
    if recipe.sft_coef:
        tokens = torch.randint(2, 384, (4, 9), generator=torch.Generator().manual_seed(6))
        extra["demonstrations"] = (tokens, torch.arange(8).expand(4, 8) > 3)
    return batch, extra | {"kl_coef": recipe.kl_coef}


@pytest.mark.parametrize("share", [False, True], ids=["whole rows", "shared prompts"])
@pytest.mark.parametrize("case", CASES)
def test_every_recipe_takes_the_same_step(case, share, monkeypatch):
    model, batch = made("grouped")
    batch, extra = arranged(case, batch, model)
    recipe = recipe_of(case)
    if not share:
        monkeypatch.setattr(rl, "can_share", lambda model, batch: False)

    def compute():
        modules = [model, extra.get("critic")]
        scalars = update(model, sgd(*modules), batch, recipe, **extra)
        return [gradient(module) for module in modules if module is not None], scalars

    (ours, scalars), (theirs, their_scalars) = on_both_paths(monkeypatch, compute)
    for mine, other in zip(ours, theirs, strict=True):
        assert near(mine, other, rel=1e-3)
    assert scalars == pytest.approx(their_scalars, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("frozen", ["model.embed_tokens", "k_proj", "norm", "lm_head", "model"])
def test_frozen_weights_get_nothing_and_the_others_the_same(frozen, monkeypatch):
    model, batch = made("qwen2")
    for name, weight in model.named_parameters():
        weight.requires_grad_(not (name.startswith(frozen) or (frozen in ("k_proj", "norm") and frozen in name)))
    recipe = recipe_of("grpo")

    def compute():
        update(model, sgd(model), batch, recipe)
        return {name: p.grad for name, p in model.named_parameters()}

    ours, theirs = on_both_paths(monkeypatch, compute)
    for name, weight in model.named_parameters():
        assert (ours[name] is None) == (theirs[name] is None) == (not weight.requires_grad), name
        assert theirs[name] is None or near(ours[name], theirs[name], rel=1e-3), name


def test_the_rows_of_a_batch_do_not_see_each_other():
    model, batch = made("grouped")
    order = random.Random(0).sample(range(8), k=8)

    def logprobs(rows: Experience) -> torch.Tensor:
        read = read_completions(model, rows)
        return read.spread(token_logprobs(read.logits, read.tokens))

    together = logprobs(batch.rows(torch.tensor(order)))
    for place, row in enumerate(order):
        alone = logprobs(batch.rows(torch.tensor([row])))[0]
        assert torch.allclose(together[place, : len(alone)], alone, atol=1e-4)


# ---- equal rows ----------------------------------------------------------------------------------------------------------


def test_different_rows_by_hand():
    rows = torch.tensor([[7, 1], [3, 5], [7, 1], [7, 2], [3, 5]])
    first, row = different_rows(rows)
    assert first.tolist() == [0, 1, 3] and row.tolist() == [0, 1, 0, 2, 1]


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_equal_rows_are_read_once_and_count_as_often_as_they_stand_there(kind, small_models, monkeypatch):
    """Rows 0, 3 and 5 of a minibatch are one completion with three advantages; the gradient is that of reading each."""
    model = load(small_models["gpt2"])[0] if kind == "gpt2" else made(kind)[0]
    some = made("llama")[1]
    batch = some.rows(torch.tensor([1, 3, 0, 1, 7, 1]))
    batch = replace(batch, advantages=torch.tensor([1.0, 0.5, -1.0, -0.3, 2.0, 0.7])[:, None])
    recipe, seen = replace(RECIPES["grpo"], micro_batch_size=6, entropy_coef=0.1, max_grad_norm=None), []
    read_each = reading.read_each
    monkeypatch.setattr(
        reading, "read_each", lambda m, rows, **k: seen.append(len(rows.tokens)) or read_each(m, rows, **k)
    )
    found = []
    for once in (True, False):
        with monkeypatch.context() as patched:
            if not once:
                patched.setattr(reading, "different_rows", lambda rows: (torch.arange(len(rows)),) * 2)
            scalars = update(model, sgd(model), batch, recipe)
        found.append((gradient(model), scalars))
    (ours, scalars), (each, scalars_each) = found
    assert seen == [4, 6]
    assert near(ours, each)
    assert scalars == pytest.approx(scalars_each, rel=1e-5, abs=1e-9)


def test_rows_that_differ_in_padding_alone_are_read_apart(monkeypatch):
    """The pad may be a token that is also said, such as the EOS: equal tokens with another mask are other rows."""
    model, batch = made("llama")
    row = batch.rows(torch.tensor([1, 1]))
    mask = row.attention_mask.clone()
    mask[1, -1] = False
    short = replace(row, attention_mask=mask)
    read = read_completions(model, short)
    assert read.row.tolist() == [0, 1]
