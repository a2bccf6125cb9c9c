"""What options amount to together, framework by framework, worked by hand."""

import math

import pytest

from reference.frameworks.rules.values import NO_LIMIT, as_number, is_number, minibatches
from reference.frameworks.settle import RULES
from reference.frameworks.surprises_own import OWN
from tests.frameworks.settling import has, settled

ACTOR = "actor_rollout_ref.actor"


# --- every framework ---


@pytest.mark.parametrize(
    "columns", [{"kl_place": None, "kl": "k3", "kl_coef": 0.1}, {"kl_place": "loss", "kl": "k3", "kl_coef": 0}]
)
def test_a_kl_without_a_place_or_a_weight_is_none(columns):
    assert has(settled("other", "", {}, columns), kl=None, kl_place=None, kl_coef=0.0)


def test_a_kl_with_both_stays():
    columns = {"kl_place": "loss", "kl": "k3", "kl_coef": 0.1}
    assert settled("other", "", {}, columns) == columns


def test_bounds_that_no_ratio_reaches_are_none():
    found = settled(
        "other", "", {}, {"advantage": "group", "clip_low": 1.0, "clip_high": math.inf, "max_grad_norm": math.inf}
    )
    assert has(found, clip_low=None, clip_high=None, max_grad_norm=None)
    near = settled("other", "", {}, {"advantage": "group", "clip_low": 0.99, "clip_high": 1e9, "max_grad_norm": 1.0})
    assert has(near, clip_low=0.99, clip_high=1e9, max_grad_norm=1.0)


def test_what_is_not_divided_has_no_ddof():
    divided = {"advantage": "group", "ddof": 1, "eps": 1e-6}
    assert settled("other", "", {}, divided)["ddof"] == 1
    assert "ddof" not in settled("other", "", {}, divided | {"advantage": "group_mean"})


def test_without_a_critic_nothing_is_said_about_one():
    columns = {"critic": None, "value_clip": 0.2, "gae_lambda": 0.9}
    assert settled("other", "", {}, columns) == {"critic": None}
    assert settled("other", "", {}, columns | {"critic": "separate"})["value_clip"] == 0.2


def test_without_a_ratio_there_is_no_clip():
    assert "clip_low" not in settled("other", "", {}, {"loss": "reinforce", "clip_low": 0.2})
    assert "clip_low" in settled("other", "", {}, {"loss": "ppo_clip", "clip_low": 0.2})


def test_smoothed_labels_make_dpo_conservative():
    assert settled("other", "", {}, {"loss": "dpo", "label_smoothing": 0.1}) == {"loss": "cdpo", "label_smoothing": 0.1}
    assert settled("other", "", {}, {"loss": "dpo", "label_smoothing": 0.0}) == {"loss": "dpo"}
    assert settled("other", "", {}, {"loss": "hinge", "label_smoothing": 0.1}) == {"loss": "hinge"}
    assert settled("other", "", {}, {"loss": "robust_dpo", "label_smoothing": 0.1})["label_smoothing"] == 0.1


def test_a_rate_in_quotes_is_a_number():
    assert settled("other", "", {}, {"lr": "1e-6"}) == {"lr": 1e-6}
    assert as_number("fast") == "fast" and as_number(3) == 3


def test_a_ratio_of_sequences_in_the_clipped_loss_is_gspo():
    assert settled("other", "", {}, {"ratio": "sequence", "loss": "ppo_clip"})["loss"] == "gspo"
    assert settled("other", "", {}, {"ratio": "sequence", "loss": "cispo"})["loss"] == "cispo"


def test_steps_are_rows_over_rows_per_step():
    assert minibatches(256, 128) == {"minibatches": 2} and minibatches(100, 30) == {"minibatches": 4}
    assert minibatches(64, 128) == {"minibatches": 1}
    assert not is_number(minibatches("?", 128)["minibatches"]) and not is_number(minibatches(1, 0)["minibatches"])
    assert is_number(1) and is_number(0.5) and not is_number(True) and not is_number("1")


def test_own_surprises_and_rules_are_of_frameworks_that_are_recorded():
    from reference.frameworks.defaults import newest

    assert RULES.keys() <= newest().keys() and OWN.keys() <= newest().keys()


# --- TRL ---

GRPO = {
    "epsilon": 0.2,
    "epsilon_high": None,
    "loss_type": "dapo",
    "gradient_accumulation_steps": 1,
    "beta": 0.0,
    "num_iterations": 1,
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"clip_high": 0.2}),
        ({"epsilon_high": 0.28}, {"clip_high": 0.28}),
        ({"loss_type": "cispo", "epsilon_high": 5.0}, {"cap": 5.0, "clip_high": 4.0, "clip_low": None}),
        ({"loss_type": "cispo"}, {"cap": 0.2, "clip_high": -0.8}),  # the cap is epsilon itself
        ({"beta": 0.1, "use_bias_correction_kl": True}, {"kl": "k3_unbiased"}),
        ({"steps_per_generation": 8, "gradient_accumulation_steps": 4}, {"minibatches": 2}),
        ({"steps_per_generation": 6, "gradient_accumulation_steps": 4}, {"minibatches": "absent"}),
        ({"generation_batch_size": 64}, {"minibatches": "absent"}),
        ({"sync_ref_model": True, "ref_model_mixup_alpha": 1.0, "ref_model_sync_steps": 10, "steps_per_generation": 2}, {"ref_sync_every": 5}),
        ({"sync_ref_model": True, "ref_model_mixup_alpha": 0.6, "ref_model_sync_steps": 10, "steps_per_generation": 2},
         {"ref_sync_every": "absent"}),
    ],
)  # fmt: skip
def test_grpo_of_trl(changes, expected):
    assert has(
        settled("trl", "GRPOConfig", GRPO | changes, {"loss": "ppo_clip", "kl_place": "loss", "kl_coef": 0.1}),
        **expected,
    )


def test_rloo_of_trl_has_no_ratio_with_one_step_and_another_with_more():
    options = GRPO | {"max_grad_norm": 1.0, "max_completion_length": 500}
    found = settled("trl", "RLOOConfig", options, {"minibatches": 1, "loss": "ppo_clip", "ratio": "sequence"})
    assert has(found, loss="reinforce", aggregation="fixed_length", max_grad_norm=0.002)  # 1 / 500
    more = settled(
        "trl",
        "RLOOConfig",
        options | {"num_iterations": 2},
        {"minibatches": 1, "loss": "ppo_clip", "ratio": "sequence"},
    )
    assert "loss" not in more


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"loss_type": ["sigmoid"]}, {"loss": "dpo", "sft_coef": 0.0, "average_logprobs": False}),
        ({"loss_type": "hinge"}, {"loss": "hinge"}),
        ({"loss_type": ["ipo"]}, {"loss": "ipo", "average_logprobs": True}),
        ({"loss_type": ["robust"], "label_smoothing": 0.1}, {"loss": "robust_dpo", "label_smoothing": 0.1}),
        ({"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 0.5]}, {"loss": "dpo", "sft_coef": 0.5}),
        ({"loss_type": ["sigmoid", "robust"], "loss_weights": [1.4, -0.4], "label_smoothing": 0.25}, {"loss": "cdpo", "label_smoothing": 0.2}),
        ({"loss_type": ["sigmoid", "robust"], "loss_weights": [1.4, -0.4], "label_smoothing": 0.1}, {"loss": "absent"}),
        ({"loss_type": ["sigmoid", "robust"], "loss_weights": [1.4, 0.4], "label_smoothing": 0.25}, {"loss": "absent"}),
        ({"loss_type": ["sigmoid"], "loss_weights": [0.5]}, {"loss": "absent"}),
        ({"loss_type": ["exo_pair"]}, {"loss": "absent"}),
    ],
)  # fmt: skip
def test_dpo_of_trl(options, expected):
    assert has(settled("trl", "DPOConfig", options), **expected)


# --- verl ---


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"kl_place": None}),
        ({f"{ACTOR}.use_kl_loss": True, f"{ACTOR}.kl_loss_type": "low_var_kl", f"{ACTOR}.kl_loss_coef": 0.1}, {"kl": "k3", "kl_place": "loss", "kl_coef": 0.1}),
        ({f"{ACTOR}.use_kl_loss": True, f"{ACTOR}.kl_loss_type": "k3+", f"{ACTOR}.kl_loss_coef": 0.1}, {"kl": "k3+"}),
        ({f"{ACTOR}.use_kl_loss": True, f"{ACTOR}.kl_loss_type": "mse+", f"{ACTOR}.kl_loss_coef": 0.1}, {"kl": "k2"}),
        ({"algorithm.use_kl_in_reward": True, "algorithm.kl_penalty": "kl", "algorithm.kl_ctrl.kl_coef": 0.2}, {"kl": "k1", "kl_place": "reward", "kl_coef": 0.2}),
        ({f"{ACTOR}.clip_ratio_c": 3.0, f"{ACTOR}.policy_loss.loss_mode": "vanilla"}, {"dual_clip": 3.0}),
        ({f"{ACTOR}.clip_ratio_c": 5e8, f"{ACTOR}.policy_loss.loss_mode": "vanilla"}, {"dual_clip": None}),  # exp(20) = 4.85e8
        ({f"{ACTOR}.clip_ratio_c": 3.0, f"{ACTOR}.policy_loss.loss_mode": "gspo"}, {"dual_clip": None}),
        ({"data.train_batch_size": 1024, f"{ACTOR}.ppo_mini_batch_size": 256}, {"minibatches": 4}),
        ({"algorithm.filter_groups.enable": True}, {"max_rounds": NO_LIMIT}),
        ({"reward.reward_manager.name": "dapo", "reward.reward_kwargs.overlong_buffer_cfg.enable": True}, {"overlong": "penalty"}),
        ({"reward.reward_manager.name": "naive", "reward.reward_kwargs.overlong_buffer_cfg.enable": True}, {"overlong": "absent"}),
    ],
)  # fmt: skip
def test_verl(options, expected):
    assert has(settled("verl", "main_ppo", options, {"dual_clip": 3.0, "kl_place": "loss"}), **expected)


def test_no_std_of_verl_is_grpo_s_alone():
    options = {"algorithm.norm_adv_by_std_in_grpo": False, "algorithm.adv_estimator": "rloo"}
    assert settled("verl", "main_ppo", options, {"advantage": "group_mean"})["advantage"] == "leave_one_out"
    assert (
        settled("verl", "main_ppo", options | {"algorithm.adv_estimator": "grpo"}, {"advantage": "group_mean"})[
            "advantage"
        ]
        == "group_mean"
    )
    assert "advantage" not in settled(
        "verl", "main_ppo", options | {"algorithm.adv_estimator": "remax"}, {"advantage": "group_mean"}
    )


# --- OpenRLHF ---


def test_two_clips_of_openrlhf_count_over_one():
    columns = {"clip_low": 0.2, "clip_high": 0.2, "critic": "separate", "value_clip": 0.5}
    options = {"--actor.eps_clip_low_high": [0.1, 0.3], "--algo.advantage.estimator": "rloo"}
    assert has(
        settled("openrlhf", "train_ppo_ray", options, columns),
        clip_low=0.1,
        clip_high=0.3,
        critic=None,
        value_clip="absent",
    )
    kept = settled("openrlhf", "train_ppo_ray", {"--algo.advantage.estimator": "gae"}, columns)
    assert has(kept, clip_low=0.2, critic="separate", value_clip=0.5)


def test_openrlhf_counts_completions():
    """128 prompts with 8 completions, 256 of them in a step: 1024 / 256 = 4."""
    options = {"--rollout.n_samples_per_prompt": 8, "--rollout.batch_size": 128, "--train.batch_size": 256}
    assert settled("openrlhf", "train_ppo_ray", options)["minibatches"] == 4


def test_gspo_of_openrlhf_has_one_aggregation():
    found = settled("openrlhf", "train_ppo_ray", {"--actor.policy_loss_type": "gspo"}, {"aggregation": "token_mean"})
    assert found["aggregation"] == "sequence_mean"


def test_the_loss_on_pairs_of_openrlhf():
    assert settled("openrlhf", "train_dpo", {"--model.label_smoothing": 0.1}, {"loss": "dpo"}) == {
        "loss": "cdpo",
        "label_smoothing": 0.1,
    }
    assert settled(
        "openrlhf", "train_dpo", {"--model.label_smoothing": 0.1, "--model.ipo_enable": True}, {"loss": "ipo"}
    ) == {"loss": "ipo"}
