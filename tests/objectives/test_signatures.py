"""One shape for all functions: tensors first, by place or by name; options after them, by name only and with a default
unless there is none that anybody would expect."""

import inspect

import pytest
import torch

from reference import objectives
from reference.objectives import (
    InputError,
    clip_frac,
    orpo_loss,
    ppo_clip_loss,
    sampler_correction,
    token_logprobs,
)
from reference.objectives.shapes import require_finite, require_log_ratio, require_no_nan

PUBLIC = sorted(set(objectives.__all__) - {"InputError"})
PLAIN_FIRST = {"adaptive_kl_coef": ["kl_coef", "observed_kl"], "grad_norm": ["parameters"]}
NO_DEFAULT = {"eos_token_id", "group_size", "max_length", "strategy", "kl_coef", "length_coef", "buffer"}
NO_DEFAULT |= {"target", "horizon", "num_samples", "assistant_token_id", "threshold", "ld_alpha", "most"}
NO_DEFAULT |= {"share", "coef", "delta_low", "delta_high"}


DEFAULTS = {  # TRL's and the papers', as the docstrings say; a change of one is a change for everybody who left it out
    "aot_loss": {"beta": 0.1, "label_smoothing": 0.0, "paired": True},
    "apo_down_loss": {"beta": 0.1},
    "apo_zero_loss": {"beta": 0.1},
    "batch_advantages": {"ddof": 1, "eps": 1e-4},
    "bco_loss": {"beta": 0.1, "shift": None},
    "cdpo_loss": {"beta": 0.1, "label_smoothing": 0.1},
    "chunked_token_logprobs": {"temperature": 1.0, "chunk_size": 1024},
    "cispo_loss": {"clip_low": None, "clip_high": 4.0},
    "clip_cov_loss": {"cov_low": 1.0, "cov_high": 5.0, "clip_low": 0.2, "clip_high": 0.2},
    "clip_frac": {"clip_low": 0.2, "clip_high": 0.2, "definition": "no_gradient"},
    "discounted_returns": {"gamma": 1.0, "bootstrap": None, "masked": "skip"},
    "distillation_loss": {"old_logprobs": None, "max_ratio": None},
    "dpo_loss": {"beta": 0.1},
    "dppo_loss": {"divergence": "tv", "ratio_cap": None},
    "entropy": {"temperature": 1.0},
    "exo_loss": {"beta": 0.1, "label_smoothing": 1e-3},
    "gae": {"gamma": 1.0, "gae_lambda": 0.95, "bootstrap": None, "masked": "skip"},
    "gmpo_loss": {"log_clip_low": 0.4, "log_clip_high": 0.4},
    "gdpo_advantages": {"weights": None, "over": "rows", "eps": 1e-4},
    "generalised_jsd": {"teacher_share": 0.5, "temperature": 1.0},
    "group_advantages": {"scale": "group", "ddof": 1, "eps": 1e-4},
    "gspo_loss": {"clip_low": 3e-4, "clip_high": 4e-4},
    "hinge_loss": {"beta": 0.1},
    "implicit_reward": {"beta": 0.1},
    "ipo_loss": {"beta": 0.1},
    "kl_charge": {"credit": "to_go"},
    "kl_full": {"temperature": 1.0},
    "kl_penalty": {"estimator": "k3", "max_log_ratio": None, "max_kl": None},
    "kl_straight_through": {"estimator": "k3"},
    "kl_unbiased": {"estimator": "k3"},
    "kto_loss": {"beta": 0.1, "desirable_weight": 1.0, "undesirable_weight": 1.0},
    "ld_dpo_loss": {"beta": 0.1, "discounted": "both"},
    "luspo_loss": {"clip_low": 2e-3, "clip_high": 2.5e-3},
    "maxrl_advantages": {"without_success": "refuse"},
    "mean_entropy": {"temperature": 1.0},
    "mean_kl": {"estimator": "k3"},
    "nca_loss": {"beta": 0.1},
    "orpo_loss": {"beta": 0.1},
    "ppo_clip_loss": {"clip_low": 0.2, "clip_high": 0.2, "dual_clip": None},
    "reinforce_plus_plus_advantages": {"gamma": 1.0},
    "rejection_mask": {"least": None, "estimator": "k3", "first": "sampler", "level": "token"},
    "robust_dpo_loss": {"beta": 0.1, "label_smoothing": 0.1},
    "sampler_correction": {"level": "token", "mode": "truncate", "low": 0.0, "high": 2.0},
    "sapo_loss": {"tau_positive": 1.0, "tau_negative": 1.05},
    "sequence_logprobs": {"average": False},
    "simpo_loss": {"beta": 2.0, "gamma": 1.0},
    "sppo_loss": {"beta": 0.1, "chosen_win_rates": None, "rejected_win_rates": None},
    "td_residuals": {"gamma": 1.0, "bootstrap": None, "masked": "skip"},
    "token_logprobs": {"temperature": 1.0, "chunk_size": None},
    "token_rewards": {"kl": None, "kl_coef": 0.0},
    "top_entropy_mask": {"share": 0.2},
    "total_loss": {
        **dict.fromkeys(["value_loss", "kl", "sft_loss", "entropy", "length_penalty"]),
        **dict.fromkeys(["vf_coef", "kl_coef", "sft_coef", "entropy_coef"], 0.0),
    },
    "trajectory_reward": dict.fromkeys(["call_price", "invalid_price", "valid_bonus"], 0.0),
    "vespo_loss": {"k_positive": 2.0, "lambda_positive": 3.0, "k_negative": 3.0, "lambda_negative": 2.0},
    "whiten": {"shift_mean": True, "ddof": 1, "eps": 1e-8},
    "value_loss": {"old_values": None, "clip": None},
    "bradley_terry_loss": {"margin": None},
    "token_mean": {"num_tokens": None},
    "sequence_mean": {"num_sequences": None},
    "fixed_length": {"num_sequences": None},
    "sft_loss": {"num_tokens": None},
    "aggregate": {"max_length": None, "num_tokens": None, "num_sequences": None},
}


def is_tensor(annotation) -> bool:
    return "Tensor" in str(annotation)


@pytest.mark.parametrize("name", PUBLIC)
def test_tensors_come_first_and_options_by_name_only(name):
    parameters = inspect.signature(getattr(objectives, name)).parameters.values()
    first = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    options = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    assert len(first) + len(options) == len(parameters) and first
    assert all(p.default is p.empty for p in first)
    plain = [p.name for p in first if not is_tensor(p.annotation)]
    assert plain == PLAIN_FIRST.get(name, [])
    assert {p.name for p in options if p.default is p.empty} <= NO_DEFAULT
    assert all(p.default is None for p in options if is_tensor(p.annotation))


@pytest.mark.parametrize("name", PUBLIC)
def test_the_defaults(name):
    parameters = inspect.signature(getattr(objectives, name)).parameters.values()
    assert {p.name: p.default for p in parameters if p.default is not p.empty} == DEFAULTS.get(name, {})


def test_a_weight_that_equals_a_bound_is_kept():
    equal = torch.zeros(1, 2)  # ratios of exactly 1
    for bounds in ({"low": 1.0, "high": 2.0}, {"low": 0.0, "high": 1.0}):
        kept = sampler_correction(equal, equal, torch.ones(1, 2), mode="mask", **bounds)
        assert kept.tolist() == [[1.0, 1.0]]


def test_an_infinity_of_any_making_is_no_dual_clip():
    with pytest.raises(InputError, match="dual_clip is inf"):
        ppo_clip_loss(torch.zeros(1, 1), torch.zeros(1, 1), torch.ones(1, 1), dual_clip=float("inf"))


@pytest.mark.parametrize("wrong", [0.5, 1e-6, 3.0])
def test_one_average_log_prob_above_zero_is_refused(wrong):
    good, bad = torch.tensor([-1.0, -2.0]), torch.tensor([-1.0, wrong])
    with pytest.raises(InputError, match="chosen_logprobs is above 0"):
        orpo_loss(bad, good)
    with pytest.raises(InputError, match="rejected_logprobs is above 0"):
        orpo_loss(good, bad)


@pytest.mark.parametrize("check", [require_no_nan, require_finite])
def test_the_mask_of_a_check_goes_by_name_only(check):
    with pytest.raises(TypeError):
        check(torch.zeros(1), "x", torch.ones(1, dtype=torch.bool))
    with pytest.raises(TypeError):
        require_log_ratio(torch.zeros(1), torch.zeros(1), ("a", "b"), torch.ones(1, dtype=torch.bool))


@pytest.mark.parametrize("vocab", [4, 5])
def test_the_vocabulary_is_told_by_its_last_id(vocab):
    with pytest.raises(InputError, match=f"ids from {vocab} to {vocab}, but the logits score 0 to {vocab - 1}:"):
        token_logprobs(torch.zeros(1, 2, vocab), torch.tensor([[0, vocab]]))


def test_an_axis_longer_than_small_integers_are_kept_is_compared_by_value():
    logps = torch.zeros(2, 300)
    assert ppo_clip_loss(logps, torch.zeros(2, 300), torch.ones(2, 300)).shape == (2, 300)
    with pytest.raises(InputError, match=r"axis 1 \(pred\) is 301, expected 300"):
        ppo_clip_loss(logps, torch.zeros(2, 301), torch.ones(2, 1))
    with pytest.raises(InputError, match="advantages has dtype int64"):
        ppo_clip_loss(logps, torch.zeros(2, 300), torch.ones(2, 300, dtype=torch.long))


def test_an_axis_that_may_be_one_may_not_be_none():
    with pytest.raises(InputError, match=r"advantages has shape \(2, 0\): axis 1 \(pred\) is 0, expected 3"):
        ppo_clip_loss(torch.zeros(2, 3), torch.zeros(2, 3), torch.ones(2, 0))


def test_an_infinite_advantage_of_a_token_whose_ratio_is_zero_has_no_clip():
    with pytest.raises(InputError, match="advantage times ratio is NaN"):
        clip_frac(torch.tensor([[-torch.inf]]), torch.zeros(1, 1), torch.tensor([[torch.inf]]), torch.ones(1, 1))
