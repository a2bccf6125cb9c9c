"""`--engine trl`: TRL's own trainers, driven by our recipes, against our own loops on the same tokens."""

import copy
import math
import random
import sys
from dataclasses import replace

import pytest
import torch
import trl.trainer.grpo_trainer
import trl.trainer.rloo_trainer
from two_processes import train_in_two

from reference.algorithms import preference, reward_model, rl, supervised
from reference.algorithms.collect import collect, shaped_rewards
from reference.algorithms.pairs import draw_pool
from reference.algorithms.recipes import RECIPES, Recipe
from reference.engines.trl.config import gradient_scale, trl_config, trl_options
from reference.engines.trl.data import draw_problems, pairs_chats, pairs_dataset, verifier
from reference.engines.trl.trainer import run_trl, trl_trainer
from reference.objectives import InputError
from reference.world.completions import verify_all
from reference.world.model import eos_ids, load
from reference.world.rollout import encode_prompts, row_seeds, sample

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*checkpointing.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

SMALL = {"steps": 1, "prompts_per_step": 4, "group_size": 4, "max_new_tokens": 40, "micro_batch_size": 4}
POLICY_RECIPES = ("grpo", "dr-grpo", "dapo", "gspo", "cispo", "rloo")
PAIR_RECIPES = ("dpo", "cdpo", "robust-dpo", "hinge", "simpo", "kto")


def small(name: str, **options: object) -> Recipe:
    recipe = RECIPES[name]
    options = SMALL | ({"max_rounds": 1} if recipe.kind == "rl" else {}) | options
    if recipe.kind in ("preference", "reward"):
        options |= {"pool": 24}
    if recipe.kind == "sft":
        del options["group_size"]
    return replace(recipe, **options)


def moved(model, *, by: float = 0.02, seed: int = 0):
    """A copy of a model, some way off."""
    model = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(by * p.abs().mean() * torch.randn(p.shape, generator=generator))
    return model


def weights(model) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def apart(mine, theirs, start) -> float:
    """How far two models have come apart, over how far they have come."""
    return ((weights(mine) - weights(theirs)).norm() / (weights(mine) - weights(start)).norm()).item()


# float32 on both sides, sums in another order, in the second update also on weights that differ by the first
ROUNDING = 1e-4


# --- the mapping ---

OPTIONS = {
    "grpo": ("GRPO", {"loss_type": "grpo", "scale_rewards": "group", "importance_sampling_level": "token",
                      "epsilon": 0.2, "epsilon_high": 0.2, "beta": 0.0, "use_bias_correction_kl": False}),
    "dr-grpo": ("GRPO", {"loss_type": "dr_grpo", "scale_rewards": "none"}),
    "dapo": ("GRPO", {"loss_type": "dapo", "epsilon_high": 0.28, "mask_truncated_completions": False}),
    "gspo": ("GRPO", {"loss_type": "grpo", "importance_sampling_level": "sequence", "epsilon": 3e-4}),
    "cispo": ("GRPO", {"loss_type": "cispo", "epsilon_high": 5.0}),
    "rloo": ("RLOO", {"beta": 0.001, "normalize_advantages": False, "max_grad_norm": 96.0, "adam_epsilon": 96e-8}),
    "dpo": ("DPO", {"loss_type": ["sigmoid"], "beta": 0.1, "max_length": None}),
    "cdpo": ("DPO", {"loss_type": ["sigmoid", "robust"], "loss_weights": [1.2, -0.2], "label_smoothing": 0.25}),
    "robust-dpo": ("DPO", {"loss_type": ["robust"], "label_smoothing": 0.1}),
    "hinge": ("DPO", {"loss_type": ["hinge"]}),
    "simpo": ("CPO", {"loss_type": "simpo", "cpo_alpha": 0.0, "simpo_gamma": 1.0, "beta": 2.0}),
    "kto": ("KTO", {"loss_type": "kto", "per_device_train_batch_size": 64}),
    "sft": ("SFT", {"loss_type": "nll", "packing": False}),
    "reward-model": ("Reward", {"center_rewards_coefficient": None}),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
def test_a_row_in_trls_words(name, tmp_path):
    kind, expected = OPTIONS[name]
    trainer, config = trl_config(replace(RECIPES[name], **{"max_rounds": 1}), output_dir=tmp_path)
    assert trainer.__name__ == f"{kind}Trainer"
    found = {option: getattr(config, option) for option in expected}
    assert found == pytest.approx(expected) if kind != "DPO" else found == expected
    assert (config.learning_rate, config.lr_scheduler_type, config.warmup_steps) == (RECIPES[name].lr, "constant", 0)
    assert (config.adam_beta1, config.adam_beta2, config.weight_decay) == (0.9, 0.95, 0.0)
    assert not (config.bf16 or config.gradient_checkpointing or config.report_to)


@pytest.mark.parametrize("processes", [1, 2, 4])
@pytest.mark.parametrize(("minibatches", "epochs", "micro"), [(1, 1, 64), (2, 1, 64), (4, 3, 10)])
def test_one_rollout_has_the_completions_of_ours_however_many_processes(processes, minibatches, epochs, micro):
    recipe = replace(RECIPES["grpo"], minibatches=minibatches, inner_epochs=epochs, micro_batch_size=micro, steps=7)
    _, o = trl_options(recipe, num_processes=processes)
    rows = o["per_device_train_batch_size"] * processes
    assert rows * o["steps_per_generation"] == 32 * 8
    assert rows * o["gradient_accumulation_steps"] * minibatches == 32 * 8
    assert o["per_device_train_batch_size"] <= micro
    assert o["max_steps"] == 7 * minibatches * o["num_iterations"]
    assert o["num_iterations"] == epochs


REFUSED = {
    "critic is 'separate', .* dropped PPO in 1.13": ("ppo", {}),
    "advantage is 'reinforce_plus_plus'": ("reinforce\\+\\+", {}),
    "advantage is 'reinforce_plus_plus_baseline'": ("reinforce\\+\\+-baseline", {}),
    "max_rounds is 3": ("dapo", {}),
    "top_p is 0.9": ("grpo", {"top_p": 0.9}),
    "loss is 'reinforce'": ("grpo", {"loss": "reinforce"}),
    "set minibatches and inner_epochs to 1": ("rloo", {"inner_epochs": 2}),
    "aggregation is 'token_mean'": ("rloo", {"aggregation": "token_mean"}),
    "^aggregation is 'sequence_mean': TRL's CISPO has 'token_mean' only": ("cispo", {"aggregation": "sequence_mean"}),
    "^clip_low is 0.2: TRL's CISPO has no lower bound, set it to none": ("cispo", {"clip_low": 0.2}),
    "dual_clip is 1.1": ("grpo", {"dual_clip": 1.1}),
    "overlong is 'mask'": ("grpo", {"overlong": "mask"}),
    "kl is 'k1' in the loss": ("grpo", {"kl": "k1", "kl_coef": 0.1}),
    "kl is 'k3' in the reward": ("grpo", {"kl_place": "reward", "kl_coef": 0.1}),
    "kl is 'k3_unbiased'": ("gspo", {"kl": "k3_unbiased", "kl_coef": 0.1}),
    "kl_place is 'measure'": ("grpo", {"kl_place": "measure"}),
    "dual_clip is 3.0, but below": ("grpo", {"dual_clip": 3.0, "clip_high": None}),
    "kl_target is 0.1": ("grpo", {"kl_target": 0.1}),
    "entropy_coef is 0.01": ("grpo", {"entropy_coef": 0.01}),
    "sft_coef is 0.1, TRL has no demonstrations": ("grpo", {"sft_coef": 0.1}),
    "minibatches is 3, which does not divide the 256": ("grpo", {"minibatches": 3}),
    "group_size is 1": ("dr-grpo", {"group_size": 1}),
    "^loss is 'jsd' and advantage 'teacher', which ask a teacher: TRL's DistillationTrainer does": ("distill", {}),
    "^loss is 'ppo_clip' and advantage 'teacher', which ask a teacher": ("grpo", {"advantage": "teacher"}),
    "online is set": ("dpo-online", {}),
    "loss is 'ipo'": ("ipo", {}),
    "loss is 'orpo'": ("orpo", {}),
    "sft_coef is 0.1, TRL's KTO": ("kto", {"sft_coef": 0.1}),
    "temperature is 0.7": ("dpo", {"temperature": 0.7}),
    "temperature is 0.8": ("sft", {"temperature": 0.8}),
    "advantage is a function of your own": ("grpo", {"advantage": lambda e: e.rewards}),
    "loss is a function of your own": ("dpo", {"loss": lambda pairs, recipe: pairs.chosen}),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_trl_cannot_do_is_refused(message):
    name, options = REFUSED[message]
    with pytest.raises(InputError, match=message):
        trl_options(replace(RECIPES[name.replace("\\", "")], **options))


def test_a_bound_that_is_none_binds_nothing(tmp_path):
    recipe = replace(RECIPES["grpo"], clip_low=None, clip_high=None, max_grad_norm=None)
    _, config = trl_config(recipe, output_dir=tmp_path)
    assert (config.epsilon, config.epsilon_high, config.max_grad_norm) == (1.0, math.inf, math.inf)
    _, config = trl_config(replace(RECIPES["cispo"], clip_high=None), output_dir=tmp_path)
    assert (config.loss_type, config.epsilon_high) == ("cispo", math.inf)


def test_rows_that_processes_cannot_share_are_refused():
    with pytest.raises(InputError, match="3 processes cannot share evenly"):
        trl_options(RECIPES["grpo"], num_processes=3)


def test_without_trl_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "trl", None)
    with pytest.raises(InputError, match="pip install"):
        trl_config(RECIPES["grpo"], output_dir=tmp_path)


# --- the data ---


def test_the_problems_are_those_of_our_loop_and_none_is_held_out(base):
    recipe = replace(small("grpo"), steps=3)
    problems = draw_problems(recipe, seed=5)
    assert len(problems) == 12 and not any(p.held_out for p in problems)
    experience, _ = collect(*base, recipe, random.Random("5/1"))
    prompts = encode_prompts(base[1], problems[4:8])
    for row, prompt in enumerate(p for p in prompts for _ in range(4)):
        width = experience.prompt_width
        assert experience.tokens[row, :width][experience.attention_mask[row, :width]].tolist() == prompt


@pytest.mark.parametrize("options", [{}, {"overlong": "penalty", "length_coef": 0.5}])
def test_the_reward_is_the_verdict_on_the_tokens_and_truncated_ones_get_none(base, options):
    model, tokenizer = base
    recipe = small("grpo", **options)
    problems, rng = draw_problems(recipe), random.Random(0)
    rollout = sample(
        model, tokenizer, encode_prompts(tokenizer, problems), group_size=4, seeds=row_seeds(rng, 16), max_new_tokens=40
    )
    correct = verify_all(rollout, tokenizer, [p for p in problems for _ in range(4)])
    mask = rollout.completion_mask[:, rollout.prompt_width - 1 :]
    completions = [row[rollout.prompt_width :][kept].tolist() for row, kept in zip(rollout.tokens, mask, strict=True)]
    reported = {}
    reward = verifier(recipe, tokenizer, problems, eos_ids(model, tokenizer))
    theirs = reward(
        completion_ids=completions, problem=[i for i in range(4) for _ in range(4)], log_metric=reported.__setitem__
    )
    assert theirs == pytest.approx(shaped_rewards(correct, mask.sum(dim=1), recipe).tolist())
    assert reported["verifier/reward"] == pytest.approx(correct.mean().item())
    assert 0 < correct.mean() < 1 and 0 < rollout.truncated.float().mean() < 1
    # a right answer whose EOS was cut away is a truncated one
    right = completions[int(correct.argmax())]
    problem = [int(correct.argmax()) // 4] * 4
    cut = reward(completion_ids=[right, right[:-1]] * 2, problem=problem, log_metric=reported.__setitem__)
    assert cut[0] - cut[1] > 0.85  # a token less also costs less


def test_the_pairs_as_chats(base):
    pairs = draw_pool(*base, small("dpo"))
    row = pairs_chats(pairs, base[1])[0]
    assert row["prompt"] == [{"role": "user", "content": pairs.problems[0].question}]
    assert [row["chosen"][0]["content"], row["rejected"][0]["content"]] == list(pairs.texts(base[1])[0])


def test_too_few_pairs_for_a_step_are_refused(base):
    pairs = draw_pool(*base, small("dpo"))
    with pytest.raises(InputError, match="raise pool"):
        pairs_dataset(small("dpo", prompts_per_step=25), pairs, "DPO")


# --- the same tokens through TRL and through our loop ---


def scripted(trainer, experience, monkeypatch) -> list[dict]:
    """The trainer is given our completions to train on, in their order. Returns where its rollouts will be kept."""
    width, mask = experience.prompt_width, experience.mask
    completions = [row[width:][kept].tolist() for row, kept in zip(experience.tokens, mask, strict=True)]
    with_logprobs = type(trainer).__name__ == "GRPOTrainer"
    trainer._generate_single_turn = lambda *_: (completions, None) if with_logprobs else completions
    for module in (trl.trainer.grpo_trainer, trl.trainer.rloo_trainer):
        monkeypatch.setattr(module, "shuffle_sequence_dict", lambda rows: rows)
    kept, score = [], trainer._generate_and_score_completions

    def spy(inputs):
        kept.append(score(inputs))
        return kept[-1]

    trainer._generate_and_score_completions = spy
    return kept


def trained_by_trl(model, tokenizer, recipe, experience, ref_model, out, monkeypatch, lr: float):
    """The model after one step of TRL's with plain gradient descent, and TRL's own rollout."""
    model = copy.deepcopy(model)
    trainer = trl_trainer(recipe, model=model, tokenizer=tokenizer, out=out)
    if ref_model is not None:
        trainer.ref_model.load_state_dict(ref_model.state_dict())
    rollouts = scripted(trainer, experience, monkeypatch)
    trainer.optimizer = torch.optim.SGD(model.parameters(), lr=lr / gradient_scale(recipe))
    trainer.train()
    assert trainer.state.global_step == recipe.minibatches and len(rollouts) == 1
    return model, rollouts[0]


def trained_by_us(model, recipe, experience, lr: float):
    model = copy.deepcopy(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    ratios = []
    for index in torch.arange(len(experience.tokens)).chunk(recipe.minibatches):
        scalars = rl.update(model, optimizer, experience.rows(index), recipe, kl_coef=recipe.kl_coef)
        ratios.append(scalars["approx_kl"])
    return model, ratios


def case(base, name: str) -> tuple:
    """A model, a rollout of it, and a reference that is not the model."""
    model, tokenizer = base
    recipe = small(name)
    if recipe.kl:
        recipe = replace(recipe, kl_coef=0.05)
    ref_model = moved(model) if recipe.kl_coef else None
    experience, _ = collect(model, tokenizer, recipe, random.Random("0/0"), ref_model=ref_model, kl_coef=recipe.kl_coef)
    return model, tokenizer, recipe, experience, ref_model


@pytest.mark.parametrize("name", POLICY_RECIPES)
def test_a_step_of_policy_optimisation_is_ours(base, name, tmp_path, monkeypatch):
    """Rewards, advantages, old and reference log-probs, loss, gradient, clipping, and two updates on one rollout.

    Nothing on TRL's side is ours but the completions and the optimizer, which is linear in the gradient.
    """
    model, tokenizer, recipe, experience, ref_model = case(base, name)
    lr = 0.1
    theirs, rollout = trained_by_trl(model, tokenizer, recipe, experience, ref_model, tmp_path, monkeypatch, lr)
    torch.testing.assert_close(rollout["advantages"], experience.advantages[:, 0], rtol=1e-5, atol=1e-5)
    if "old_per_token_logps" in rollout:
        old = torch.where(experience.mask, rollout["old_per_token_logps"], 0.0)
        torch.testing.assert_close(old, experience.old_logprobs, rtol=1e-4, atol=1e-5)
    if recipe.aggregation == "token_mean":  # TRL divides by the tokens of the whole rollout, over its updates
        own, _ = trained_by_us(model, recipe, experience, lr)
        assert apart(own, theirs, model) > 10 * ROUNDING
        num_tokens = int(experience.mask.sum()) / recipe.minibatches
        recipe = replace(recipe, aggregation=lambda loss, mask, counts: (loss * mask).sum() / num_tokens)
    mine, approx_kl = trained_by_us(model, recipe, experience, lr)
    assert apart(mine, theirs, model) < ROUNDING
    if recipe.minibatches > 1:
        assert approx_kl[1] > 1e-6 > approx_kl[0]  # the second update is off policy


@pytest.mark.parametrize("name", ["grpo", "rloo"])
def test_the_optimizer_is_ours_and_rloo_takes_the_same_step_from_a_longer_gradient(base, name, tmp_path, monkeypatch):
    """TRL's RLOO has a gradient max_new_tokens times ours: AdamW and clipping must not notice."""
    model, tokenizer, recipe, experience, ref_model = case(base, name)
    recipe = replace(recipe, minibatches=1, lr=1e-3, max_grad_norm=1e-3)  # so small that Adam's epsilon counts
    theirs = copy.deepcopy(model)
    trainer = trl_trainer(recipe, model=theirs, tokenizer=tokenizer, out=tmp_path)
    trainer.ref_model.load_state_dict(ref_model.state_dict())
    scripted(trainer, experience, monkeypatch)
    trainer.train()
    mine = copy.deepcopy(model)
    optimizer = torch.optim.AdamW(mine.parameters(), lr=recipe.lr, betas=(0.9, 0.95), weight_decay=0.0)
    rl.update(mine, optimizer, experience, recipe, kl_coef=recipe.kl_coef)
    assert apart(mine, theirs, model) < ROUNDING


@pytest.mark.parametrize("name", ["dapo", "cispo"])
def test_with_one_update_per_rollout_the_token_mean_is_ours_too(base, name, tmp_path, monkeypatch):
    model, tokenizer, recipe, experience, _ = case(base, name)
    recipe = replace(recipe, minibatches=1)
    theirs, _ = trained_by_trl(model, tokenizer, recipe, experience, None, tmp_path, monkeypatch, 0.1)
    mine, _ = trained_by_us(model, recipe, experience, 0.1)
    assert apart(mine, theirs, model) < ROUNDING


def descend(trainer, model, lr: float):
    trainer.optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    trainer.train()
    return model


@pytest.mark.parametrize(
    ("name", "options"),
    [*((name, {}) for name in PAIR_RECIPES), ("dpo", {"sft_coef": 0.3}), ("simpo", {"sft_coef": 0.3})],
)
def test_two_steps_on_pairs_are_ours(base, name, options, tmp_path):
    """Pairs, padding, log-probs of policy and reference, reference point, loss, gradient, clipping."""
    recipe, tokenizer, start, reference = small(name, steps=2, **options), base[1], moved(base[0], by=0.1), base[0]
    theirs, mine = copy.deepcopy(start), copy.deepcopy(start)
    pool = draw_pool(start, tokenizer, recipe)
    if name == "kto":  # at its bound, 0, it would not matter how it is made
        assert preference.kto_point(start, reference, pool.take([0, 1, 2, 3]), recipe) > 0.1
    trainer = trl_trainer(recipe, model=theirs, tokenizer=tokenizer, out=tmp_path)
    if name != "simpo":
        trainer.ref_model.load_state_dict(reference.state_dict())
    descend(trainer, theirs, 0.1)
    preference.train_preference(
        mine, tokenizer, torch.optim.SGD(mine.parameters(), lr=0.1), recipe, on_step=lambda step, m: False,
        ref_model=None if name == "simpo" else reference, pool=pool,
    )  # fmt: skip
    assert apart(mine, theirs, start) < ROUNDING


def test_three_steps_of_supervised_fine_tuning_are_ours(base, tmp_path):
    """Also the learning rate, which warms up and falls: each step's is written over the optimizer's."""
    recipe, tokenizer, start = small("sft", steps=3, lr=0.1), base[1], base[0]
    theirs, mine = copy.deepcopy(start), copy.deepcopy(start)
    descend(trl_trainer(recipe, model=theirs, tokenizer=tokenizer, out=tmp_path), theirs, 0.1)
    optimizer = torch.optim.SGD(mine.parameters(), lr=0.1)
    supervised.train_sft(mine, tokenizer, optimizer, recipe, on_step=lambda step, m: False)
    assert apart(mine, theirs, start) < ROUNDING


def test_two_steps_of_a_reward_model_are_ours(base, tmp_path):
    policy, tokenizer = base
    recipe, start = small("reward-model", steps=2, lr=0.1), reward_model.load_reward_model()
    theirs, mine = copy.deepcopy(start), copy.deepcopy(start)
    descend(trl_trainer(recipe, model=theirs, tokenizer=tokenizer, out=tmp_path, policy=policy), theirs, 0.1)
    optimizer = torch.optim.SGD(mine.parameters(), lr=0.1)
    reward_model.train_reward_model(mine, tokenizer, optimizer, recipe, on_step=lambda step, m: False, policy=policy)
    assert apart(mine, theirs, start) < ROUNDING


# --- whole runs ---


@pytest.mark.parametrize(("name", "options"), [("grpo", {"kl_coef": 0.01}), ("rloo", {}), ("dpo", {}), ("sft", {})])
def test_a_run_trains_the_model_and_logs_a_row_per_step(base, name, options, tmp_path):
    recipe, model, seen = small(name, steps=2, **options), copy.deepcopy(base[0]), []
    rows = run_trl(
        recipe, model=model, tokenizer=base[1], out=tmp_path, on_step=lambda step, m: bool(seen.append((step, m)))
    )
    assert seen == [(1, rows[0]), (2, rows[1])]
    named = {"rl": {"reward", "reward_std", "dead_groups", "length", "truncated", "entropy"}}
    named |= {"preference": {"loss", "margin", "accuracy", "chosen", "rejected"}, "sft": {"loss", "token_accuracy"}}
    for row in rows:
        assert named[recipe.kind] | {"grad_norm", "seconds"} <= row.keys()
        assert all(isinstance(x, float) and x == x for x in row.values())
    assert not torch.equal(weights(model), weights(base[0]))
    assert not model.training and "forward" not in vars(model)
    assert name != "grpo" or {"kl_k3", "clip_frac"} <= rows[0].keys()


def test_the_first_row_is_that_of_our_loop(base, tmp_path):
    """Where nothing is sampled the whole row can be compared."""
    mine, theirs = {}, {}
    recipe = small("dpo", steps=2, lr=1e-3)
    model, other = copy.deepcopy(base[0]), copy.deepcopy(base[0])
    run_trl(recipe, model=model, tokenizer=base[1], out=tmp_path, on_step=lambda s, m: bool(theirs.update({s: m})))
    optimizer = torch.optim.AdamW(other.parameters(), lr=recipe.lr, betas=(0.9, 0.95), weight_decay=0.0)
    preference.train_preference(
        other, base[1], optimizer, recipe, on_step=lambda s, m: bool(mine.update({s: m})), ref_model=base[0]
    )
    for step in (1, 2):
        for name in ("loss", "margin", "chosen", "rejected", "accuracy", "grad_norm"):
            # after a step of Adam entries whose gradient is only rounding have moved by lr in either direction
            assert theirs[step][name] == pytest.approx(mine[step][name], rel=1e-3, abs=1e-4), (step, name)


def test_on_step_can_end_a_run(base, tmp_path):
    rows = run_trl(
        small("sft", steps=5), model=copy.deepcopy(base[0]), tokenizer=base[1], out=tmp_path,
        on_step=lambda step, m: step == 2,
    )  # fmt: skip
    assert len(rows) == 2


def test_a_model_with_learned_positions_is_refused(small_models, tmp_path):
    model, tokenizer = load(small_models["gpt2"])
    with pytest.raises(InputError, match="TRL does not pass positions"):
        run_trl(small("grpo"), model=model, tokenizer=tokenizer, out=tmp_path)


def test_two_processes_share_the_rows_and_end_with_one_model(base, tmp_path):
    first, second = train_in_two(tmp_path)
    assert first["processes"] == second["processes"] == 2
    assert (first["logged"], second["logged"]) == ([1, 2], [])
    assert first["sums"] == second["sums"]
    assert first["sums"] != [p.double().sum().item() for p in base[0].parameters()]
    for mine, theirs in zip(first["rows"], second["rows"], strict=True):
        assert {"reward", "length", "grad_norm", "kl_k3"} <= mine.keys()
        assert {**mine, "seconds": 0} == {**theirs, "seconds": 0}
        assert mine["reward"] * 16 == pytest.approx(round(mine["reward"] * 16))  # of all 16 completions
