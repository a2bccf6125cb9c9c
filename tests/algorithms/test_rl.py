import copy
import functools
import random
from dataclasses import replace

import pytest
import torch
from loops import assert_steps_depend_on_the_seed_alone, gradient, sgd, step_metrics

from reference.algorithms import advantages
from reference.algorithms.collect import collect
from reference.algorithms.critic import Critic
from reference.algorithms.distill import asks_teacher
from reference.algorithms.kl import needs_reference
from reference.algorithms.recipes import RECIPES, ROWS, Recipe
from reference.algorithms.rl import train_rl, update
from reference.algorithms.scoring import score
from reference.algorithms.supervised import draw_demonstrations, sft_term
from reference.objectives import (
    InputError,
    group_advantages,
    kl_k3,
    masked_mean,
    sequence_logprobs,
    token_logprobs,
    whiten,
)
from reference.runs.curves import SIX_SCALARS
from reference.runs.launch import new_optimizer
from reference.world.model import SHIPPED, load

pytestmark = pytest.mark.slow

RL = [recipe.name for recipe in ROWS if recipe.kind == "rl"]
NEWER = ("sapo", "vespo", "dppo", "gmpo", "luspo", "maxrl")  # losses and an advantage that no row has
SMALL = {"prompts_per_step": 4, "group_size": 4, "max_new_tokens": 40, "steps": 2}


def small(name: str, **changes: object) -> Recipe:
    """A recipe with few prompts: 16 completions a step, in groups of 4 where it has groups; or GRPO with that loss or
    advantage."""
    if name in NEWER:
        changes, name = {"advantage" if name == "maxrl" else "loss": name, **changes}, "grpo"
    groups = {"prompts_per_step": 16, "group_size": 1} if RECIPES[name].group_size == 1 else {}
    taught = {"teacher": other_model()} if asks_teacher(RECIPES[name]) else {}
    return replace(RECIPES[name], **{**SMALL, **groups, **taught, **changes})


@functools.cache
def other_model():
    """A teacher: the shipped model after another recipe, in double precision."""
    return load(SHIPPED["tool-sft"])[0].double()


def parts(recipe: Recipe, model) -> dict:
    """Reference and critic, if the recipe has them."""
    critic = Critic(model, shared=recipe.critic == "shared") if recipe.critic else None
    if critic is not None:  # a head that says something: at 0 the first gradient of its trunk would be 0 too
        torch.nn.init.normal_(critic.head.weight, std=0.1, generator=torch.Generator().manual_seed(0))
    return {"critic": critic, "ref_model": copy.deepcopy(model) if needs_reference(recipe) else None}


def rl_metrics(model, tokenizer, recipe: Recipe, optimizer=None, **options: object) -> list[dict[str, float]]:
    made = {**parts(recipe, model), **options}
    return step_metrics(train_rl, model, tokenizer, optimizer or sgd(model, made["critic"]), recipe, **made)


@pytest.fixture(scope="module")
def exact(base):
    return copy.deepcopy(base[0]).double(), base[1]


def gathered(exact, recipe: Recipe, **made: object):
    model, tokenizer = exact
    made = made or parts(recipe, model)
    if made["critic"] is not None:
        made["critic"].double()
    experience, _ = collect(model, tokenizer, recipe, random.Random(0), kl_coef=recipe.kl_coef, **made)
    return experience, made["critic"]


# ---- one update --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*RL, *NEWER])
def test_micro_batches_do_not_change_the_gradient(exact, name):
    # Every recipe at a KL, an entropy and a value weight above 0; the policy has moved, so ratios are not all 1.
    model = copy.deepcopy(exact[0])
    recipe = small(name, entropy_coef=0.01, max_grad_norm=1e9, kl_coef=0.1 if small(name).kl else 0.0)
    batch, critic = gathered((model, exact[1]), recipe)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.01 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1), dtype=p.dtype))
    gradients = []
    for rows in (16, 5, 1):
        scalars = update(
            model,
            sgd(model, critic),
            batch,
            replace(recipe, micro_batch_size=rows),
            critic=critic,
            kl_coef=recipe.kl_coef,
        )
        gradients.append((gradient(model), scalars))
    (whole, first), *others = gradients
    assert whole.norm() > 1e-3
    for other, same in others:
        # float64, but attention sums over other paddings: 1e-9 of the norm is rounding, a wrong denominator is not
        assert (other - whole).norm() < 1e-9 * whole.norm()
        for scalar in first:
            assert same[scalar] == pytest.approx(first[scalar], rel=1e-6, abs=1e-9), scalar


@pytest.mark.parametrize("name", [*RL, *NEWER])
def test_the_first_update_starts_at_ratio_one(exact, name):
    recipe = small(name)
    batch, critic = gathered(exact, recipe)
    scalars = update(exact[0], sgd(exact[0]), batch, recipe, critic=critic, kl_coef=recipe.kl_coef)
    assert scalars["ratio"] == pytest.approx(1, abs=1e-6)
    assert scalars["clip_frac"] == 0 and scalars["approx_kl"] < 1e-9


@pytest.mark.parametrize("name", [name for name in RL if name != "distill"])  # where no completion is better
def test_a_small_step_makes_the_better_completions_likelier(exact, name):
    model = copy.deepcopy(exact[0])
    recipe = small(name, max_grad_norm=1e9, task="chains")  # the base calls no tool: its rewards would all be 0
    batch, critic = gathered((model, exact[1]), recipe)

    def weighted() -> float:
        with torch.no_grad():
            logps = token_logprobs(score(model, batch, completions_only=True), batch.targets)
        return (sequence_logprobs(logps * batch.advantages, batch.mask)).sum().item()

    before = weighted()
    update(model, sgd(model, lr=1e-3), batch, recipe, critic=critic, kl_coef=recipe.kl_coef)
    assert weighted() > before


def test_the_kl_term_pulls_towards_the_reference(exact):
    model = copy.deepcopy(exact[0])
    recipe = small("grpo", kl_coef=1.0)
    batch, _ = gathered((model, exact[1]), recipe)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.02 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1), dtype=p.dtype))
    nothing = replace(batch, advantages=torch.zeros_like(batch.advantages))  # only the KL term is left
    optimizer = sgd(model, lr=1e-2)
    drift = []
    for _ in range(4):
        with torch.no_grad():
            new = token_logprobs(score(model, batch, completions_only=True), batch.targets)
        drift.append(masked_mean(kl_k3(new, batch.ref_logprobs), batch.mask).item())
        update(model, optimizer, nothing, recipe, kl_coef=1.0)
    assert drift[0] > drift[1] > drift[2] > drift[3] > 0


def test_the_sft_mix_is_added_with_its_weight(small_models, base):
    # gradient of the mix = gradient without it + sft_coef * gradient of the NLL; on a GPT-2, since Llama's norms compute
    # in float32
    model, tokenizer = load(small_models["gpt2"])
    model.double()
    recipe = small("grpo", sft_coef=0.3, max_grad_norm=1e9, micro_batch_size=3)
    batch, _ = gathered((model, tokenizer), recipe)
    batch = replace(batch, advantages=torch.linspace(-1, 1, 16, dtype=torch.float64)[:, None])
    demonstrations = draw_demonstrations(tokenizer, random.Random(0), replace(RECIPES["sft"], prompts_per_step=4))
    update(model, sgd(model), batch, recipe)
    alone = gradient(model)
    scalars = update(model, sgd(model), batch, recipe, demonstrations=demonstrations)
    mixed = gradient(model)
    model.zero_grad()
    nll = sft_term(model, *demonstrations, recipe)
    nll.backward()
    assert alone.norm() > 0.1 and gradient(model).norm() > 0.1
    expected = alone + 0.3 * gradient(model)
    assert (mixed - expected).norm() < 1e-10 * expected.norm()
    assert scalars["sft_loss"] == pytest.approx(nll.item(), rel=1e-10)
    assert "sft_loss" in rl_metrics(copy.deepcopy(base[0]), base[1], small("grpo", sft_coef=0.3, steps=1))[0]


def test_only_a_shared_critic_moves_the_policy(exact):
    norms = {}
    for kind in ("shared", "separate"):
        model = copy.deepcopy(exact[0])
        recipe = small("ppo", critic=kind, max_grad_norm=1e9)
        batch, critic = gathered((model, exact[1]), recipe)
        nothing = replace(batch, advantages=torch.zeros_like(batch.advantages))  # only the value loss is left
        update(model, sgd(model), nothing, recipe, critic=critic)
        norms[kind] = gradient(model).norm().item()
        assert all(p.grad is not None and p.grad.norm() > 0 for p in critic.head.parameters())
    assert norms["separate"] == 0 and norms["shared"] > 1e-3


def test_a_value_does_not_see_its_action(exact):
    # V of the state before token t: changing token t changes V at t + 1, and nothing at t or before.
    _model, _ = exact
    recipe = small("ppo")
    batch, critic = gathered(exact, recipe)
    row = batch.rows(torch.tensor([int(batch.mask.sum(dim=1).argmax())]))
    changed = row.tokens.clone()
    t = 3
    changed[0, row.prompt_width + t] = (changed[0, row.prompt_width + t] + 1) % 300
    with torch.no_grad():
        one, two = (critic(replace(row, tokens=tokens), None)[0] for tokens in (row.tokens, changed))
    assert torch.equal(one[: t + 1], two[: t + 1]) and one[t + 1] != two[t + 1]


def test_the_critic_learns_to_predict_the_reward(base):
    model, tokenizer = copy.deepcopy(base[0]), base[1]
    recipe = small("ppo", lr=1e-12, prompts_per_step=64, steps=6, minibatches=4)
    critic = Critic(model, shared=False)
    optimizer = torch.optim.AdamW([{"params": model.parameters(), "lr": 0.0}, {"params": critic.parameters()}], lr=1e-3)
    rows = rl_metrics(model, tokenizer, recipe, optimizer, critic=critic)
    assert rows[0]["explained_variance"] == pytest.approx(0, abs=1e-3)  # the head starts at 0
    assert sum(row["explained_variance"] for row in rows[-4:]) / 4 > 0.05


# ---- rollouts ----------------------------------------------------------------------------------------------------------


def test_dynamic_sampling_replaces_dead_groups(base):
    model, tokenizer = base
    for rounds in (1, 6):
        recipe = small("dapo", prompts_per_step=8, max_rounds=rounds, max_new_tokens=96)
        experience, metrics = collect(model, tokenizer, recipe, random.Random(3))
        assert len(experience.tokens) == 32
        assert (metrics["dead_groups"] == 0) == (rounds == 6)
    assert 1 < metrics["rounds"] <= 6


def test_groups_stay_together_through_rounds_of_other_widths(base):
    model, tokenizer = base
    recipe = small("dapo", prompts_per_step=8, max_rounds=6, overlong="score")
    experience, _ = collect(model, tokenizer, recipe, random.Random(3))
    groups = [tuple(row[keep].tolist()) for row, keep in zip(
        experience.tokens[:, : experience.prompt_width], experience.attention_mask[:, : experience.prompt_width], strict=True
    )]  # fmt: skip
    assert all(len(set(groups[i : i + 4])) == 1 for i in range(0, 32, 4))
    assert torch.equal(experience.advantages[:, 0], group_advantages(experience.rewards, group_size=4))


def test_truncated_completions_score_are_left_out_or_pay(base):
    model, tokenizer = base
    results = {
        overlong: collect(model, tokenizer, small("grpo", max_new_tokens=24, overlong=overlong), random.Random(0))
        for overlong in ("score", "mask", "penalty")
    }
    (score_, metrics), (mask, _), (penalty, _) = results.values()
    lengths = score_.mask.sum(dim=1)
    cut = (lengths == 24) & (score_.rewards == 0)
    assert 0 < metrics["truncated"] < 1
    assert torch.equal(mask.mask.any(dim=1), ~cut) and torch.equal(mask.rewards, score_.rewards)
    assert torch.allclose(penalty.rewards, score_.rewards + ((18 - lengths) / 6).clamp(-1, 0))


def test_lengths_of_right_and_wrong_answers_are_told_apart(base):
    model, tokenizer = base
    batch, metrics = collect(model, tokenizer, small("grpo"), random.Random(0))
    lengths, right = batch.mask.sum(dim=1).float(), batch.rewards == 1
    assert 0 < right.sum() < len(right)
    assert metrics["length_right"] == pytest.approx(lengths[right].mean().item())
    assert metrics["length_wrong"] == pytest.approx(lengths[~right].mean().item())


def test_kl_in_the_reward_is_charged_once(exact):
    # Reference = policy with noise. Per completion: r - coef * sum(k1); per token the same, and both add up.
    model, _tokenizer = exact
    ref = copy.deepcopy(model)
    with torch.no_grad():
        for p in ref.parameters():
            p.add_(0.02 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1), dtype=p.dtype))
    recipe = small("rloo", kl_coef=0.3)
    charged, _ = gathered(exact, recipe, ref_model=ref, critic=None)
    free, _ = gathered(exact, replace(recipe, kl_coef=0.0), ref_model=None, critic=None)
    k1 = torch.where(charged.mask, charged.old_logprobs - charged.ref_logprobs, 0.0).sum(dim=1)
    torch.testing.assert_close(charged.rewards, free.rewards - 0.3 * k1, rtol=1e-6, atol=1e-6)  # sampled in float32
    torch.testing.assert_close(charged.token_rewards.sum(dim=1), charged.rewards, rtol=1e-6, atol=1e-6)
    assert k1.abs().max() > 0.01


def test_a_sampler_that_truncates_is_corrected_for(exact):
    model, _tokenizer = exact
    recipe = small("grpo", top_p=0.8)
    batch, _ = gathered(exact, recipe)
    with torch.no_grad():
        whole = token_logprobs(score(model, batch, completions_only=True), batch.targets)
    kept = batch.mask
    # old log-probs are those of the policy itself; the weights are the mass that top_p left, renormalised away
    torch.testing.assert_close(batch.old_logprobs[kept], whole[kept], rtol=1e-5, atol=1e-5)
    assert (batch.correction[kept] <= 1 + 1e-6).all() and (batch.correction[kept] >= 0.8 - 1e-6).all()
    assert batch.correction[kept].min() < 0.99
    assert update(model, sgd(model), batch, recipe)["ratio"] == pytest.approx(1, abs=1e-5)


# ---- the loop ----------------------------------------------------------------------------------------------------------


def test_training_raises_the_reward(base):
    model, tokenizer = copy.deepcopy(base[0]), base[1]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=0.0)
    recipe = replace(RECIPES["grpo"], steps=8, prompts_per_step=16)
    rows = rl_metrics(model, tokenizer, recipe, optimizer)
    first, last = (sum(r["reward"] for r in part) / len(part) for part in (rows[:2], rows[-3:]))
    assert last > first + 0.1  # 0.42 and 0.67; at a learning rate of 0, on the same prompts, 0.43 and 0.40
    assert SIX_SCALARS.keys() <= rows[0].keys()


@pytest.mark.parametrize("name", RL)
def test_steps_depend_on_the_seed_and_on_nothing_else(base, name):
    def run(seed: int, **part: int) -> list[dict[str, float]]:
        return rl_metrics(copy.deepcopy(base[0]), base[1], small(name), seed=seed, **part)

    assert_steps_depend_on_the_seed_alone(run)


@pytest.mark.parametrize("name", ["llama", "qwen2", "gpt2"])
@pytest.mark.parametrize("recipe", ["grpo", "ppo"])
def test_any_causal_lm_trains(small_models, name, recipe):
    model, tokenizer = load(small_models[name])
    before = copy.deepcopy(model.state_dict())
    row = small(recipe, kl="k3", kl_place="loss", kl_coef=0.1, critic="shared" if recipe == "ppo" else None)
    made = parts(row, model)
    optimizer = new_optimizer(replace(row, lr=1e-3), model, made["critic"])
    rows = rl_metrics(model, tokenizer, row, optimizer, **made)  # rewards are 0: the KL acts
    assert rows[0]["reward"] == 0 and torch.isfinite(torch.tensor(list(rows[-1].values()))).all() | (recipe == "ppo")
    assert all(torch.isfinite(p).all() for p in model.parameters())
    assert any(not torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_inner_epochs_reuse_the_rollout(base):
    rows = {}
    for epochs in (1, 3):
        model = copy.deepcopy(base[0])
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        rows[epochs] = rl_metrics(model, base[1], small("grpo", inner_epochs=epochs, steps=1), optimizer)[0]
    assert rows[3]["reward"] == rows[1]["reward"]  # the same completions
    assert rows[3]["ratio"] == pytest.approx(1, abs=1e-5)  # of the first inner step
    assert rows[3]["approx_kl"] > rows[1]["approx_kl"] > 0


def test_the_reference_follows_when_told_to(base):
    def drift(every: int) -> list[float]:
        model = copy.deepcopy(base[0])
        optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
        recipe = small("grpo", kl_coef=1e-6, ref_sync_every=every, steps=4, minibatches=1)
        return [row["kl_k3"] for row in rl_metrics(model, base[1], recipe, optimizer)]

    frozen, followed = drift(0), drift(2)
    assert frozen[0] == pytest.approx(0, abs=1e-7) and frozen[1] > 1e-6 and frozen[2] > 1e-6
    assert followed[1] == frozen[1] and followed[2] == pytest.approx(0, abs=1e-7)


def test_an_adaptive_coefficient_rises_above_its_target_and_goes_on_where_it_was(base):
    def run(**options: object) -> list[float]:
        model = copy.deepcopy(base[0])
        recipe = small("ppo", kl_coef=0.1, kl_target=-1e-9 + 1e-8, steps=3)
        return [row["kl_coef"] for row in rl_metrics(model, base[1], recipe, **options)]

    whole = run()
    assert whole[0] != 0.1 and abs(whole[0] - 0.1) <= 0.1 * 0.2 * 16 / 10_000 + 1e-12
    assert run(first_step=2, kl_coef=whole[1]) == whole[2:]


def test_bfloat16_runs_and_says_how_far_it_is_off(base):
    model = copy.deepcopy(base[0])
    row = rl_metrics(model, base[1], small("grpo", bf16=True, steps=1))[0]
    assert row["ratio"] == pytest.approx(1, abs=0.05)  # 8 bits of mantissa, and micro-batches of other sizes
    assert next(model.parameters()).dtype == torch.float32


# ---- functions of your own -----------------------------------------------------------------------------------------------


def test_a_function_of_ones_own_may_stand_in_any_slot(base):
    def my_advantages(rewards: torch.Tensor, group_size: int) -> torch.Tensor:
        groups = rewards.view(-1, group_size)
        centred = groups - groups.mean(dim=1, keepdim=True)
        return (centred / (groups.std(dim=1, keepdim=True) + 1e-4)).flatten()

    def my_loss(logprobs, old, advantages):
        ratio = (logprobs - old).exp()
        return -torch.minimum(advantages * ratio, advantages * ratio.clamp(0.8, 1.2))

    mine = small(
        "grpo",
        advantage=lambda e, r: my_advantages(e.rewards, r.group_size),
        loss=lambda logp, e, r: my_loss(logp, e.old_logprobs, e.advantages),
        kl=lambda logp, ref, old: (ref - logp).exp() - 1 - (ref - logp),
        aggregation=lambda loss, mask, n: ((loss * mask).sum(dim=1) / mask.sum(dim=1)).sum() / n.num_kept,
        kl_coef=0.1,
    )
    theirs = small("grpo", kl_coef=0.1)
    rows = [rl_metrics(copy.deepcopy(base[0]), base[1], recipe)[0] for recipe in (mine, theirs)]
    for name in rows[0]:
        assert rows[0][name] == pytest.approx(rows[1][name], rel=1e-4, abs=1e-6), name


# ---- bad input -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"minibatches": 3}, "minibatches is 3, which does not divide the 16 completions"),
        ({"advantage": "grup"}, "advantage is 'grup'; did you mean 'group'"),
        ({"loss": "ppo"}, "loss is 'ppo'; did you mean 'ppo_clip'"),
        ({"aggregation": "mean"}, "aggregation is 'mean'; did you mean"),
        ({"kl_coef": -0.1}, "kl_coef is -0.1, expected a finite number that is at least 0"),
        ({"clip_low": 1.5}, "expected 0 <= clip_low < 1"),
        ({"group_size": 1}, "group_size is 1"),
        ({"kl_coef": 0.1, "kl": "k4"}, "kl is 'k4'; did you mean"),
        ({"ref_sync_every": 2}, "ref_sync_every"),
        ({"inner_epochs": 0}, "inner_epochs is 0"),
        (
            {"advantage": "gae"},
            "'gae' needs a critic: choose 'shared' or 'separate', and numbers for vf_coef, gae_lambda and critic_lr",
        ),
        ({"kl_coef": 0.1, "kl_place": None}, "kl_place"),
        ({"overlong": "drop"}, "overlong is 'drop'"),
        (
            {"critic": "shared"},
            "does not read the critic: choose 'gae' and numbers for vf_coef, gae_lambda and critic_lr",
        ),
        ({"critic": "shared", "advantage": "gae"}, "critic is shared and vf_coef 0.0"),
        ({"vf_coef": 1.0}, "critic is None and vf_coef 1.0"),
        ({"value_clip": 0.2}, "value_clip is 0.2, and nothing reads it, since there is no critic"),
        ({"value_clip": -1.0}, "value_clip is -1.0, expected a finite number above 0"),
        ({"kl_target": 0.0, "kl_coef": 0.1}, "kl_target is 0.0, expected a finite number above 0"),
        ({"length_coef": -1.0}, "length_coef is -1.0"),
        ({"entropy_coef": -0.1}, "entropy_coef is -0.1"),
        ({"sft_coef": -1.0}, "sft_coef is -1.0"),
        ({"top_p": 1.5}, "top_p is 1.5"),
        ({"ref_sync_every": -2}, "ref_sync_every is -2"),
        (
            {"kl_place": "measure", "kl_coef": 0.1},
            "kl_place is 'measure', where nothing is charged, and kl_coef is 0.1",
        ),
        ({"kl_place": "measure", "kl_target": 0.1}, "kl_target steers kl_coef, which is 0"),
        (
            {"critic": "shared", "advantage": "gae", "vf_coef": 1.0, "critic_lr": 0.1},
            "gae_lambda None and critic_lr 0.1",
        ),
        (
            {"critic": "shared", "advantage": "gae", "vf_coef": 1.0, "gae_lambda": 1.0},
            "gae_lambda 1.0 and critic_lr None",
        ),
        ({"loss": "gspo", "dual_clip": 3.0}, "dual_clip is 3.0, and nothing reads it, since loss is gspo"),
        ({"advantage": "group_mean", "group_size": 1}, "group_size is 1"),
        ({"advantage": "reinforce_plus_plus", "group_size": 1, "max_rounds": 3}, "group_size is 1"),
        ({"advantage": "reinforce_plus_plus", "loss": "gspo"}, "advantages"),
        ({"advantage": "reinforce_plus_plus", "loss": "vespo"}, "advantages"),
        ({"advantage": "maxrl", "group_size": 1}, "group_size is 1"),
        ({"gamma": 0.9}, "gamma is 0.9, and nothing reads it, since advantage is group"),
        ({"gae_lambda": 0.9}, "gae_lambda is 0.9, and nothing reads it, since there is no critic"),
        ({"critic_lr": 0.1}, "critic_lr is 0.1, and nothing reads it, since there is no critic"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_sampled(base, changes, message):
    calls = []
    recipe = small("grpo", **changes)
    with pytest.raises(InputError, match=message):
        train_rl(base[0], base[1], sgd(base[0]), recipe, on_step=lambda *_: calls.append(1), ref_model=base[0])
    assert not calls


def test_missing_parts_are_named(base):
    model, tokenizer = base
    for name, message in (("ppo", "critic is 'separate' but there is none"), ("rloo", "there is no ref_model")):
        with pytest.raises(InputError, match=message):
            train_rl(
                model, tokenizer, sgd(model), small(name, kl_coef=0.1 * (name == "rloo")), on_step=lambda *_: False
            )
    with pytest.raises(InputError, match="kl_place is 'measure' but there is no ref_model"):
        train_rl(model, tokenizer, sgd(model), small("grpo", kl_place="measure"), on_step=lambda *_: False)
    with pytest.raises(InputError, match="dpo is a recipe of kind 'preference'"):
        train_rl(model, tokenizer, sgd(model), RECIPES["dpo"], on_step=lambda *_: False)


def test_a_minibatch_without_a_finished_completion_teaches_nothing_and_is_passed_over(base):
    # 8 minibatches of 2 completions, budget 24: some hold truncated rows only.
    model = copy.deepcopy(base[0])
    rows = rl_metrics(model, base[1], small("grpo", overlong="mask", minibatches=8, max_new_tokens=24, steps=1))
    assert 0 < rows[0]["truncated"] < 1 and rows[0]["grad_norm"] > 0
    with pytest.raises(InputError, match="every completion was cut off at the budget"):
        rl_metrics(model, base[1], small("grpo", overlong="mask", max_new_tokens=2))


def test_an_infinite_gradient_of_the_critic_changes_nothing(exact):
    model = copy.deepcopy(exact[0])
    recipe = small("ppo", value_clip=None)
    batch, critic = gathered((model, exact[1]), recipe)
    before = critic.head.weight.clone()
    with pytest.raises(InputError, match="the critic's gradient is"):
        update(
            model,
            sgd(model, critic, lr=1.0),
            replace(batch, returns=batch.returns.double() + 1e200),
            recipe,
            critic=critic,
        )
    assert torch.equal(critic.head.weight, before)


def test_the_logged_kl_is_that_of_the_policy_that_sampled(base):
    # With the learning rate at 0 the policy stays what the reference is, and both estimates say so.
    rows = rl_metrics(copy.deepcopy(base[0]), base[1], small("rloo", kl_coef=0.1))
    assert all(abs(row[name]) < 1e-5 for row in rows for name in ("kl_k1", "kl_k3"))


def test_a_kl_that_is_measured_is_logged_and_moves_nothing(base):
    def run(**changes: object) -> tuple[list[dict[str, float]], torch.Tensor]:
        model = copy.deepcopy(base[0])
        optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
        rows = rl_metrics(model, base[1], small("grpo", steps=3, **changes), optimizer)
        return rows, torch.cat([weight.flatten() for weight in model.parameters()])

    (measured, weights), (without, same) = run(kl_place="measure"), run()
    assert torch.equal(weights, same)
    for with_kl, row in zip(measured, without, strict=True):
        assert with_kl.keys() - row.keys() == {"kl_k1", "kl_k3"}
        assert all(with_kl[name] == row[name] for name in row.keys() - {"seconds"})
    assert measured[0]["kl_k3"] == pytest.approx(0, abs=1e-7) and measured[2]["kl_k3"] > 1e-6
    (charged, _) = run(kl="k1", kl_coef=1e-9)  # how it was spelled before: the same to rounding
    assert charged[0]["kl_k3"] == measured[0]["kl_k3"]
    assert charged[2]["kl_k3"] == pytest.approx(measured[2]["kl_k3"], rel=1e-3)


def test_a_measured_reference_may_follow_the_policy(base):
    model = copy.deepcopy(base[0])
    recipe = small("grpo", kl_place="measure", ref_sync_every=2, steps=4, minibatches=1)
    kl = [row["kl_k3"] for row in rl_metrics(model, base[1], recipe, torch.optim.SGD(model.parameters(), lr=0.3))]
    assert kl[1] > 1e-6 and kl[2] == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize(("none", "wide"), [(("clip_low", "clip_high"), (0.999, 1e6)), (("max_grad_norm",), (1e9,))])
def test_no_bound_is_a_bound_that_never_binds_bit_for_bit(base, none, wide):
    def run(values: tuple) -> tuple[list[dict[str, float]], torch.Tensor]:
        model = copy.deepcopy(base[0])
        recipe = small("grpo", steps=1, inner_epochs=2, **dict(zip(none, values, strict=True)))
        rows = rl_metrics(model, base[1], recipe, torch.optim.SGD(model.parameters(), lr=0.1))
        timeless = [{name: value for name, value in row.items() if name != "seconds"} for row in rows]
        return timeless, torch.cat([weight.flatten() for weight in model.parameters()])

    unbounded, bounded, usual = run((None,) * len(none)), run(wide), run((0.0001,) * len(none))
    assert unbounded[0] == bounded[0] and torch.equal(unbounded[1], bounded[1])
    assert not torch.equal(unbounded[1], usual[1])


def test_gae_is_computed_once_for_advantages_and_returns(exact, monkeypatch):
    calls = []
    whole = advantages.gae
    monkeypatch.setattr(advantages, "gae", lambda *given, **options: calls.append(1) or whole(*given, **options))
    recipe = small("ppo")
    batch, _ = gathered(exact, recipe)
    assert len(calls) == 1
    returns = torch.where(batch.mask, batch.gae + batch.values, 0.0)
    assert torch.equal(batch.returns, returns) and torch.equal(batch.advantages, whiten(batch.gae, batch.mask))


def test_the_critic_is_fitted_to_lambda_returns_and_the_policy_sees_whitened_advantages(exact):
    batch, _ = gathered(exact, small("ppo", gae_lambda=1.0, kl_coef=0.0), critic=Critic(exact[0], shared=False))
    kept = batch.mask
    # lambda 1, gamma 1: every token's target is the verdict on its completion
    assert torch.allclose(
        batch.returns[kept], batch.rewards[:, None].expand_as(kept)[kept].to(batch.returns.dtype), atol=1e-5
    )
    assert batch.advantages[kept].mean().abs() < 1e-5 and (batch.advantages[kept].std() - 1).abs() < 1e-3


def test_the_example_of_the_docstring_runs(base):
    from reference.algorithms import recipes

    lines = [line.strip() for line in recipes.__doc__.splitlines()]
    code = "\n".join(line for line in lines if line.startswith(("from dataclasses", "mine =")))
    names = {"RECIPES": RECIPES, "my_advantages": group_advantages}
    exec(code, names)
    mine = replace(names["mine"], **SMALL)
    assert rl_metrics(copy.deepcopy(base[0]), base[1], mine)[0]["grad_norm"] > 0


def test_nan_weights_are_reported_and_not_averaged_away(base):
    model = copy.deepcopy(base[0])
    with torch.no_grad():
        model.model.norm.weight[0] = float("nan")
    with pytest.raises(InputError, match=r"logits .* is NaN"):
        rl_metrics(model, base[1], small("grpo"))
