"""What options of NeMo-RL, SkyRL, AReaL and of frameworks on TRL amount to together, worked by hand."""

import pytest

from reference.frameworks.rules.values import NO_LIMIT
from tests.frameworks.settling import has, settled

A = "trainer.algorithm"


# --- NeMo-RL ---


@pytest.mark.parametrize(
    ("divided", "others", "advantage"),
    [
        (True, True, "group_of_others"),
        (True, False, "group"),
        (False, True, "leave_one_out"),
        (False, False, "group_mean"),
    ],
)
def test_two_switches_of_nemo_rl_make_the_advantage(divided, others, advantage):
    options = {
        "grpo.adv_estimator.name": "grpo",
        "grpo.adv_estimator.normalize_rewards": divided,
        "grpo.adv_estimator.use_leave_one_out_baseline": others,
    }
    assert settled("nemo_rl", "run_grpo.py", options)["advantage"] == advantage


def test_the_kl_of_nemo_rl_is_multiplied_by_a_ratio_in_the_loss():
    rows = {"grpo.num_generations_per_prompt": 8, "grpo.num_prompts_per_step": 4, "policy.train_global_batch_size": 32}
    options = {"grpo.adv_estimator.name": "grpo", "loss_fn.reference_policy_kl_type": "k3"} | rows
    columns = {"kl_place": "loss", "kl_coef": 0.1}
    assert settled("nemo_rl", "run_grpo.py", options, columns)["kl"] == "k3_unbiased"  # one step: the ratio is 1
    two = options | {"policy.train_global_batch_size": 16}
    assert settled("nemo_rl", "run_grpo.py", two, columns)["kl"] == "k3, times a ratio of 1"
    assert (
        settled("nemo_rl", "run_grpo.py", two | {"loss_fn.use_on_policy_kl_approximation": True}, columns)["kl"]
        == "k3_unbiased"
    )
    nowhere = settled(
        "nemo_rl", "run_grpo.py", options | {"loss_fn.use_kl_in_reward": True}, columns | {"kl_place": "reward"}
    )
    assert nowhere["kl_place"] is None  # the estimator grpo does not read it


def test_returns_to_go_are_missing_in_nemo_rl():
    options = {"grpo.adv_estimator.name": "reinforce_plus_plus", "grpo.adv_estimator.minus_baseline": False}
    assert settled("nemo_rl", "run_grpo.py", options)["advantage"] == "reinforce_plus_plus"
    charged = options | {"loss_fn.use_kl_in_reward": True, "loss_fn.reference_policy_kl_penalty": 0.1}
    assert "advantage" not in settled("nemo_rl", "run_grpo.py", charged)
    assert (
        settled("nemo_rl", "run_grpo.py", {"grpo.adv_estimator.name": "reinforce_plus_plus"})["advantage"]
        == "reinforce_plus_plus_baseline"
    )


# --- SkyRL, AReaL, and those on TRL ---


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({f"{A}.advantage_estimator": "rloo"}, {"advantage": "leave_one_out", "critic": None}),
        ({f"{A}.advantage_estimator": "grpo"}, {"advantage": "group_mean"}),
        ({f"{A}.advantage_estimator": "grpo", f"{A}.advantage_batch_normalize": True}, {"advantage": "absent"}),
        ({f"{A}.policy_loss_type": "dual_clip", f"{A}.clip_ratio_c": 3.0}, {"dual_clip": 3.0}),
        ({f"{A}.policy_loss_type": "regular", f"{A}.clip_ratio_c": 3.0}, {"dual_clip": None}),
        ({f"{A}.policy_loss_type": "cispo", f"{A}.cispo.cispo_eps_clip_low": 0.0, f"{A}.cispo.cispo_eps_clip_high": 5.0}, {"clip_low": 0.0, "clip_high": 5.0}),
        ({f"{A}.use_entropy_loss": True, f"{A}.entropy_loss_coef": 0.01}, {"entropy_coef": 0.01}),
        ({f"{A}.dynamic_sampling.type": "filter"}, {"max_rounds": NO_LIMIT}),
        ({f"{A}.dynamic_sampling.type": "replace"}, {"max_rounds": "absent"}),
        ({"trainer.train_batch_size": 128, "trainer.policy_mini_batch_size": 64}, {"minibatches": 2}),
    ],
)  # fmt: skip
def test_skyrl(options, expected):
    options = {f"{A}.advantage_estimator": "grpo"} | options
    assert has(settled("skyrl", "main_base", options, {"advantage": "group_mean"}), **expected)


NORM = "actor.reward_norm"
GROUPS = {f"{NORM}.eps": 1e-5, f"{NORM}.mean_level": "group", f"{NORM}.group_size": 8, "gconfig.n_samples": 8}
TOKENS = {"actor.adv_norm.eps": 1e-5, "actor.adv_norm.mean_level": "batch", "actor.adv_norm.std_level": "batch"}


@pytest.mark.parametrize(
    ("options", "advantage"),
    [
        (GROUPS | {f"{NORM}.std_level": "group"}, "group"),
        (GROUPS | {f"{NORM}.std_level": None}, "group_mean"),
        (GROUPS | {f"{NORM}.std_level": None, f"{NORM}.mean_leave1out": True}, "leave_one_out"),
        (GROUPS | {f"{NORM}.std_level": "batch"}, "group_mean_batch_std"),
        (GROUPS | {f"{NORM}.std_level": "group", f"{NORM}.group_size": 1}, "absent"),
        (GROUPS | TOKENS | {f"{NORM}.std_level": "group"}, "group_whitened"),
        (GROUPS | TOKENS | {f"{NORM}.std_level": None}, "reinforce_plus_plus_baseline"),
        (TOKENS, "reinforce_plus_plus"),
        (TOKENS | {"actor.adv_norm.std_level": None}, "absent"),
        ({}, "absent"),  # the bare return
        ({"critic.eps_clip": 0.5} | TOKENS, "gae"),
        ({"critic.eps_clip": 0.5} | GROUPS | {f"{NORM}.std_level": "group"}, "absent"),
    ],
)  # fmt: skip
def test_two_blocks_of_areal_make_the_advantage(options, advantage):
    assert settled("areal", "PPOTrainer", options, {"advantage": "group"}).get("advantage", "absent") == advantage


def test_the_upper_clip_of_areal_is_the_lower_one_unless_it_is_set():
    assert settled("areal", "PPOTrainer", {"actor.eps_clip": 0.3})["clip_high"] == 0.3
    assert (
        settled("areal", "PPOTrainer", {"actor.eps_clip": 0.3, "actor.eps_clip_higher": 0.4}, {"clip_high": 0.4})[
            "clip_high"
        ]
        == 0.4
    )


def test_frameworks_on_trl():
    swift = {"epsilon": 0.2, "advantage_estimator": "reinforce_plus_plus", "gradient_accumulation_steps": 1}
    found = settled("ms_swift", "grpo", swift, {"advantage": "group", "kl_coef": 0.1, "kl": "k3", "kl_place": "loss"})
    assert has(found, advantage="group_mean_batch_std", kl="k1", kl_place="reward", clip_high=0.2)
    assert has(
        settled("ms_swift", "ppo", {"cliprange": 0.3}), clip_low=0.3, clip_high=0.3, advantage="gae", critic="separate"
    )
    assert settled("ms_swift", "simpo", {})["loss"] == "simpo"
    capped = settled(
        "axolotl",
        "rl: grpo",
        {"trl.epsilon": 0.2, "trl.epsilon_high": 3.0, "trl.loss_type": "cispo"},
        {"loss": "cispo"},
    )
    assert has(capped, cap=3.0, clip_high=2.0)
    assert settled("axolotl", "rl: kto", {}) == {"loss": "kto"}
    assert (
        settled("llamafactory", "dpo", {"pref_loss": "simpo", "simpo_gamma": 0.5}, {"loss": "simpo"})["target_margin"]
        == 0.5
    )
    assert "target_margin" not in settled(
        "llamafactory", "dpo", {"pref_loss": "sigmoid", "simpo_gamma": 0.5}, {"loss": "dpo"}
    )
