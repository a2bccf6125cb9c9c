import copy
import random

import pytest
import torch

from reference.objectives import InputError, group_advantages
from reference.training.curves import SIX_SCALARS
from reference.training.grpo import train_grpo, update, verify_all
from reference.world.model import load
from reference.world.rollout import encode_prompts, sample
from reference.world.tasks import draw_problem

LOOP = {"prompts_per_step": 4, "group_size": 4, "max_new_tokens": 40, "minibatches": 2}
UPDATE = {
    "ref_model": None, "temperature": 1.0, "max_new_tokens": 40, "clip_low": 0.2, "clip_high": 0.2, "kl_coef": 0.0,
    "max_grad_norm": 1e9,
}  # fmt: skip


def sgd(model) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.0)


def collect(model, tokenizer, optimizer, **options) -> list[dict[str, float]]:
    rows: list[dict[str, float]] = []
    train_grpo(model, tokenizer, optimizer, on_step=lambda step, m: rows.append(m), **{**LOOP, **options})
    return rows


@pytest.fixture
def batch(base):
    model, tokenizer = copy.deepcopy(base[0]).double(), base[1]
    rng = random.Random(0)
    problems = [p for p in (draw_problem(rng) for _ in range(6)) for _ in range(4)]
    generator = torch.Generator().manual_seed(0)
    rollout = sample(model, tokenizer, encode_prompts(tokenizer, problems), max_new_tokens=40, generator=generator)
    rewards = verify_all(rollout, tokenizer, problems).double()
    return model, rollout, group_advantages(rewards, group_size=4)


@pytest.mark.parametrize("aggregation", ["sequence_mean", "token_mean", "fixed_length"])
def test_micro_batches_do_not_change_the_gradient(batch, aggregation):
    model, rollout, advantages = batch
    gradients = []
    for rows in (24, 5, 1):
        update(model, sgd(model), rollout, advantages, micro_batch_size=rows, aggregation=aggregation, **UPDATE)
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    assert gradients[0].norm() > 1e-3
    for other in gradients[1:]:
        # float64, but attention sums over other paddings: 1e-9 of the norm is rounding, a wrong denominator is not
        assert (other - gradients[0]).norm() < 1e-9 * gradients[0].norm()


def test_the_scalars_do_not_depend_on_micro_batches_either(batch):
    model, rollout, advantages = batch
    one, many = (
        update(model, sgd(model), rollout, advantages, micro_batch_size=rows, aggregation="token_mean", **UPDATE)
        for rows in (24, 5)
    )
    assert one.keys() == many.keys()
    for name in one:
        assert many[name] == pytest.approx(one[name], rel=1e-6, abs=1e-9)


def test_the_first_step_starts_at_ratio_one(batch):
    model, rollout, advantages = batch
    scalars = update(model, sgd(model), rollout, advantages, micro_batch_size=8, aggregation="token_mean", **UPDATE)
    assert scalars["clip_frac"] == 0 and scalars["approx_kl"] < 1e-9  # sampled in float32, scored in float64


def test_a_small_step_makes_the_better_completions_likelier(batch):
    model, rollout, advantages = batch
    from reference.objectives import sequence_logprobs, token_logprobs
    from reference.training.grpo import score

    def weighted() -> float:
        with torch.no_grad():
            logps = sequence_logprobs(token_logprobs(score(model, rollout), rollout.tokens), rollout.completion_mask)
        return (logps * advantages).sum().item()

    before = weighted()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    update(model, optimizer, rollout, advantages, micro_batch_size=24, aggregation="fixed_length", **UPDATE)
    assert weighted() > before


def test_the_kl_term_pulls_towards_the_reference(batch):
    model, rollout, _ = batch
    ref = copy.deepcopy(model)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.02 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1), dtype=p.dtype))
    options = {**UPDATE, "ref_model": ref, "kl_coef": 1.0, "clip_low": 0.2}
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    nothing = torch.zeros(len(rollout.tokens), dtype=torch.float64)  # no advantages: only the KL term is left
    kl = [
        update(model, optimizer, rollout, nothing, micro_batch_size=24, aggregation="token_mean", **options)["kl"]
        for _ in range(3)
    ]
    assert kl[0] > kl[1] > kl[2] > 0


def test_training_raises_the_reward(base):
    # 12 steps on short chains are enough to see it: from the base's sampled accuracy to clearly above.
    model, tokenizer = copy.deepcopy(base[0]), base[1]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=0.0)
    rows = collect(model, tokenizer, optimizer, steps=14, prompts_per_step=16, group_size=8, max_new_tokens=96)
    first, last = (sum(r["reward"] for r in part) / 4 for part in (rows[:4], rows[-4:]))
    assert last > first + 0.05
    assert SIX_SCALARS.keys() <= rows[0].keys()


def test_steps_depend_on_the_seed_and_on_nothing_else(base):
    def run(seed: int, first_step: int = 0) -> list[dict[str, float]]:
        model = copy.deepcopy(base[0])
        rows = collect(model, base[1], sgd(model), steps=2, seed=seed, first_step=first_step)
        return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]

    assert run(0) == run(0)
    assert run(0)[1:] == run(0, first_step=1)  # learning rate 0: step 1 does not need step 0
    assert run(0) != run(1)


@pytest.mark.parametrize("name", ["llama", "qwen2", "gpt2"])
def test_any_causal_lm_trains(small_models, name):
    model, tokenizer = load(small_models[name])
    before = copy.deepcopy(model.state_dict())
    ref, _ = load(small_models[name])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    rows = collect(model, tokenizer, optimizer, steps=2, kl_coef=0.1, ref_model=ref)  # rewards are 0: only the KL acts
    assert rows[0]["kl"] == pytest.approx(0, abs=1e-6) and rows[0]["dead_groups"] == 1
    assert all(torch.isfinite(p).all() for p in model.parameters())
    assert any(not torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_minibatches_must_divide_the_rows(base):
    with pytest.raises(InputError, match="minibatches is 3, which does not divide the 16 completions"):
        collect(base[0], base[1], sgd(base[0]), steps=1, minibatches=3)


def test_nan_weights_are_reported_and_not_averaged_away(base):
    model = copy.deepcopy(base[0])
    with torch.no_grad():
        model.model.norm.weight[0] = float("nan")
    with pytest.raises(InputError, match=r"logits .* is NaN"):
        collect(model, base[1], sgd(model), steps=1)
