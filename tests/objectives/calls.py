"""One good call of every objective, from which the tests of refusals and of paddings depart in one argument at a time.

Two rows of four tokens, so three predictions, of a vocabulary of five; two prompts with two completions each; three
pairs. What an argument's axes are called is written down here, by the name of the argument, not read from the code.
"""

import inspect
import math

import pytest
import torch

from reference import objectives
from reference.objectives import InputError

NAN, INF = math.nan, math.inf

LOGITS, TOKENS = torch.zeros(2, 4, 5), torch.zeros(2, 4, dtype=torch.long)
HIDDEN, HEAD = torch.zeros(2, 4, 3), torch.zeros(5, 3)
X, OLD, MASK = torch.full((2, 3), -1.0), torch.full((2, 3), -1.5), torch.ones(2, 3, dtype=torch.bool)
A = torch.tensor([[1.0, 1.0, 1.0], [-1.0, -1.0, -1.0]])
REWARDS, OF_ROWS = torch.tensor([0.0, 1.0, 1.0, 0.0]), torch.tensor([0.0, 1.0])
CHOSEN, REJECTED = torch.tensor([-1.0, -2.0, -3.0]), torch.tensor([-2.0, -2.0, -2.0])
ONE = torch.tensor(1.0)


def parameter():
    p = torch.nn.Parameter(torch.zeros(2))
    p.grad = torch.tensor([3.0, 4.0])
    return p


NEW_AND_OLD = {"token_logprobs": X, "old_logprobs": OLD}
NEW_AND_REF = {"token_logprobs": X, "ref_logprobs": OLD}
CLIPPED = NEW_AND_OLD | {"advantages": A}
PAIRS = {"chosen_logprobs": CHOSEN, "rejected_logprobs": REJECTED}
PAIRS_AND_REF = PAIRS | {"ref_chosen_logprobs": CHOSEN, "ref_rejected_logprobs": REJECTED}
GROUPS = {"rewards": REWARDS, "group_size": 2}
STEPS = {"rewards": X, "values": OLD, "mask": MASK, "bootstrap": OF_ROWS}

CALLS = {
    # logprobs
    "token_logprobs": {"logits": LOGITS, "tokens": TOKENS},
    "chunked_token_logprobs": {"hidden": HIDDEN, "lm_head": HEAD, "tokens": TOKENS},
    "sequence_logprobs": {"token_logprobs": X, "mask": MASK},
    "entropy": {"logits": LOGITS},
    "position_ids": {"attention_mask": torch.ones(2, 4)},
    # masking
    "completion_mask": {"tokens": TOKENS, "completion_start": torch.tensor([1, 4]), "eos_token_id": 1},
    "prediction_mask": {"token_mask": torch.ones(2, 4)},
    "overlong_mask": {"mask": MASK, "truncated": torch.tensor([True, False])},
    "masked_mean": {"x": X, "mask": MASK},
    "sequence_sum": {"x": X, "mask": MASK},
    "token_mean": {"token_loss": X, "mask": MASK},
    "sequence_mean": {"token_loss": X, "mask": MASK},
    "fixed_length": {"token_loss": X, "mask": MASK, "max_length": 3},
    "aggregate": {"token_loss": X, "mask": MASK, "strategy": "token_mean"},
    # supervised
    "token_nll": {"token_logprobs": X},
    "sft_loss": {"token_logprobs": X, "mask": MASK},
    # returns
    "token_rewards": {"rewards": OF_ROWS, "mask": MASK, "kl": X, "kl_coef": 0.1},
    "discounted_returns": {"rewards": X, "mask": MASK, "bootstrap": OF_ROWS},
    "td_residuals": STEPS,
    "gae": STEPS,
    # advantages
    "group_advantages": GROUPS,
    "batch_advantages": {"rewards": REWARDS},
    "rloo_advantages": GROUPS,
    "whiten": {"x": X, "mask": MASK},
    "reinforce_plus_plus_advantages": {"rewards": X, "mask": MASK},
    "reinforce_plus_plus_baseline_advantages": {"rewards": OF_ROWS, "mask": MASK, "group_size": 2},
    # newer advantages
    "maxrl_advantages": GROUPS,
    "gdpo_advantages": {"rewards": torch.stack([REWARDS, REWARDS.flip(0) + 1], dim=1)[:2], "mask": MASK}
    | {"group_size": 2, "weights": torch.tensor([1.0, 0.5])},
    # policy
    "ratio": NEW_AND_OLD,
    "sequence_ratio": NEW_AND_OLD | {"mask": MASK},
    "reinforce_loss": {"token_logprobs": X, "advantages": A},
    "ppo_clip_loss": CLIPPED,
    "gspo_loss": CLIPPED | {"advantages": A[:, :1], "mask": MASK},
    "cispo_loss": CLIPPED,
    "sampler_correction": {"old_logprobs": X, "sampler_logprobs": OLD, "mask": MASK},
    # policy_newer
    "sapo_loss": CLIPPED,
    "dppo_loss": CLIPPED | {"delta_low": 0.15, "delta_high": 0.15},
    # policy_covariance
    "clip_cov_loss": CLIPPED | {"mask": MASK, "scores": torch.ones(2, 3), "share": 0.5},
    "kl_cov_loss": CLIPPED | {"mask": MASK, "share": 0.5, "coef": 1.0},
    # policy_sequences
    "gmpo_loss": CLIPPED | {"advantages": A[:, :1], "mask": MASK},
    "luspo_loss": CLIPPED | {"advantages": A[:, :1], "mask": MASK},
    "vespo_loss": CLIPPED | {"advantages": A[:, :1], "mask": MASK},
    # rejection
    "rejection_mask": {"old_logprobs": X, "sampler_logprobs": OLD, "mask": MASK, "most": 1.0},
    "off_policy_mask": {"token_logprobs": X, "sampler_logprobs": OLD, "advantages": A[:, :1], "mask": MASK}
    | {"threshold": 0.1},
    "top_entropy_mask": {"entropy": -X, "mask": MASK},
    # value
    "value_loss": {"values": X, "returns": OLD, "old_values": OLD, "clip": 0.2},
    "explained_variance": {"values": X, "returns": A, "mask": MASK},
    # kl
    "kl_k1": NEW_AND_REF,
    "kl_k2": NEW_AND_REF,
    "kl_k3": NEW_AND_REF,
    "kl_abs": NEW_AND_REF,
    "kl_full": {"logits": LOGITS, "ref_logits": LOGITS},
    "kl_penalty": NEW_AND_REF,
    "kl_unbiased": NEW_AND_REF | {"old_logprobs": OLD},
    "kl_straight_through": NEW_AND_REF,
    "kl_charge": {"kl": X, "mask": MASK},
    "adaptive_kl_coef": {"kl_coef": 0.1, "observed_kl": 0.2, "target": 0.1, "horizon": 1000, "num_samples": 8},
    # distillation
    "generalised_jsd": {"logits": LOGITS, "teacher_logits": LOGITS},
    "distillation_rewards": {"token_logprobs": X, "teacher_logprobs": OLD, "mask": MASK},
    "distillation_loss": {"token_logprobs": X, "teacher_logprobs": OLD, "old_logprobs": OLD, "max_ratio": 2.0},
    # preference
    "bradley_terry_loss": {"chosen_rewards": CHOSEN, "rejected_rewards": REJECTED, "margin": torch.ones(3)},
    "preference_margin": PAIRS_AND_REF,
    "implicit_reward": {"logprobs": CHOSEN, "ref_logprobs": REJECTED},
    "dpo_loss": PAIRS_AND_REF,
    "cdpo_loss": PAIRS_AND_REF,
    "robust_dpo_loss": PAIRS_AND_REF,
    "ipo_loss": PAIRS_AND_REF,
    "hinge_loss": PAIRS_AND_REF,
    "simpo_loss": PAIRS,
    "orpo_loss": PAIRS,
    "kto_loss": {"logprobs": CHOSEN, "ref_logprobs": REJECTED, "desirable": CHOSEN > -2, "kl": ONE},
    "kto_kl": {"mismatched_logprobs": CHOSEN, "ref_mismatched_logprobs": REJECTED},
    # preference_absolute
    "apo_zero_loss": PAIRS_AND_REF,
    "apo_down_loss": PAIRS_AND_REF,
    "nca_loss": PAIRS_AND_REF,
    "sppo_loss": PAIRS_AND_REF
    | {"chosen_win_rates": torch.tensor([0.9, 0.6, 1.0]), "rejected_win_rates": torch.tensor([0.1, 0.4, 0.0])},
    "bco_loss": PAIRS_AND_REF | {"shift": ONE},
    # preference_newer
    "exo_loss": PAIRS_AND_REF,
    "ld_dpo_loss": {"chosen_token_logprobs": X, "rejected_token_logprobs": OLD}
    | {"ref_chosen_token_logprobs": OLD, "ref_rejected_token_logprobs": X}
    | {"chosen_mask": MASK, "rejected_mask": torch.tensor([[1, 1, 0], [1, 0, 0]]), "ld_alpha": 0.5},
    "aot_loss": PAIRS_AND_REF,
    # steering
    "total_loss": {"policy_loss": ONE, "value_loss": ONE, "vf_coef": 0.5, "kl": ONE, "kl_coef": 0.1}
    | {"sft_loss": ONE, "sft_coef": 0.2, "entropy": ONE, "entropy_coef": 0.01},
    "kl_penalised_rewards": {"rewards": OF_ROWS, "kl": X, "mask": MASK, "kl_coef": 0.1},
    "length_penalised_rewards": {"rewards": OF_ROWS, "lengths": torch.tensor([0, 3])}
    | {"length_coef": 0.1, "max_length": 3},
    "soft_overlong_penalty": {"lengths": torch.tensor([0, 3]), "max_length": 3, "buffer": 2},
    # ensembles
    "worst_of": {"rewards": X, "baselines": OF_ROWS},
    "mean_of": {"rewards": X, "baselines": OF_ROWS},
    # tool use
    "tool_mask": {"tokens": torch.tensor([[3, 0, 2, 0], [3, 0, 0, 0]]), "attention_mask": torch.ones(2, 4)}
    | {"assistant_token_id": 3, "eos_token_id": 2},
    "trajectory_reward": {"success": OF_ROWS, "num_calls": torch.tensor([2, 3]), "num_invalid": torch.tensor([0, 1])}
    | {"call_price": 0.1, "invalid_price": 0.2, "valid_bonus": 0.05},
    "future_loss": {"token_logprobs": X, "mask": MASK},
    "keep_call": {"loss_with_result": OF_ROWS, "loss_without_result": OF_ROWS + 2, "loss_without_call": OF_ROWS + 1}
    | {"threshold": 0.5},
    # scalars
    "reward_mean": {"rewards": REWARDS},
    "mean_kl": NEW_AND_REF | {"mask": MASK},
    "mean_entropy": {"logits": LOGITS, "mask": MASK},
    "mean_ratio": NEW_AND_OLD | {"mask": MASK},
    "approx_kl": NEW_AND_OLD | {"mask": MASK},
    "clip_frac": CLIPPED | {"mask": MASK},
    "group_reward_std": GROUPS,
    "dead_group_share": GROUPS,
    "mean_length": {"mask": MASK},
    "truncated_share": {"truncated": torch.tensor([True, False])},
    "grad_norm": {"parameters": [parameter()]},
}

AXES = {
    **dict.fromkeys(["logits", "ref_logits", "teacher_logits"], "batch time vocab"),
    **dict.fromkeys(["tokens", "attention_mask", "token_mask"], "batch time"),
    "hidden": "batch time width",
    "lm_head": "vocab width",
    **dict.fromkeys(["x", "mask", "token_loss", "token_logprobs", "old_logprobs", "ref_logprobs"], "batch pred"),
    "scores": "batch pred",
    "teacher_logprobs": "batch pred",
    **dict.fromkeys(["sampler_logprobs", "advantages", "values", "old_values", "returns", "kl"], "batch pred"),
    **dict.fromkeys(["rewards", "bootstrap", "completion_start", "truncated", "lengths", "desirable"], "batch"),
    **dict.fromkeys(["success", "num_calls", "num_invalid"], "batch"),
    **dict.fromkeys(["loss_with_result", "loss_without_result", "loss_without_call"], "batch"),
    **dict.fromkeys(["mismatched_logprobs", "ref_mismatched_logprobs"], "batch"),
    **dict.fromkeys(["chosen_logprobs", "rejected_logprobs", "ref_chosen_logprobs", "ref_rejected_logprobs"], "pairs"),
    **dict.fromkeys(["chosen_rewards", "rejected_rewards", "margin"], "pairs"),
    **dict.fromkeys(["chosen_token_logprobs", "rejected_token_logprobs"], "pairs pred"),
    **dict.fromkeys(["ref_chosen_token_logprobs", "ref_rejected_token_logprobs"], "pairs pred"),
    **dict.fromkeys(["chosen_mask", "rejected_mask"], "pairs pred"),
    **dict.fromkeys(["chosen_win_rates", "rejected_win_rates"], "pairs"),
    "baselines": "members",
    "weights": "kinds",
    **dict.fromkeys(["policy_loss", "value_loss", "sft_loss", "entropy"], ""),
}
AXES_HERE = {  # where a function calls them something else
    ("mean_entropy", "mask"): "batch time-1",
    **{(name, "advantages"): "batch 1" for name in ("gspo_loss", "gmpo_loss", "luspo_loss", "vespo_loss")},
    ("off_policy_mask", "advantages"): "batch 1",
    ("top_entropy_mask", "entropy"): "batch pred",
    **{(name, "rewards"): "batch pred" for name in ("discounted_returns", "td_residuals", "gae")},
    ("reinforce_plus_plus_advantages", "rewards"): "batch pred",
    **{("kto_loss", name): "batch" for name in ("logprobs", "ref_logprobs")},
    **{("implicit_reward", name): "pairs" for name in ("logprobs", "ref_logprobs")},
    **{(name, "rewards"): "members batch" for name in ("worst_of", "mean_of")},
    ("gdpo_advantages", "rewards"): "batch kinds",
    **{(name, "kl"): "" for name in ("kto_loss", "total_loss")},
}


def axes(name, argument):
    """What the axes of this argument are called, as a list."""
    return AXES_HERE.get((name, argument), AXES.get(argument, "")).split()


def call(name, **changes):
    """The good call with these arguments instead."""
    return getattr(objectives, name)(**(CALLS[name] | changes))


def tensors(name):
    """The tensor arguments of the good call, in order."""
    return [argument for argument, value in CALLS[name].items() if isinstance(value, torch.Tensor)]


def takes(argument):
    """The functions that have this argument."""
    return [name for name in CALLS if argument in inspect.signature(getattr(objectives, name)).parameters]


def refusal(function, *args, **options):
    """The message of the InputError, which must name the function, once, and be one sentence on one line."""
    with pytest.raises(InputError) as caught:
        function(*args, **options)
    message = str(caught.value)
    assert message.startswith(f"{function.__name__}: ")
    assert message.removeprefix(f"{function.__name__}: ").split()[0] not in [f"{other}:" for other in CALLS]
    assert "\n" not in message
    assert ". " not in message and not message.endswith(".")
    assert len(message) > 20
    return message


def refused(name, **changes):
    """The message with which the good call is refused once these arguments are changed."""
    return refusal(getattr(objectives, name), **(CALLS[name] | changes))


def says(message, *words):
    for word in words:
        assert word in message, f"{word!r} is not in {message!r}"
