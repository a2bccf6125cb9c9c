"""Options out of range, options that need each other, and terms with the wrong sign: one sentence with name and value."""

import inspect
import math
from typing import Literal, get_args, get_origin

import pytest
import torch
from calls import CALLS, INF, MASK, NAN, OF_ROWS, ONE, A, X, call, parameter, refused, says, takes

from reference import objectives
from reference.objectives import adaptive_kl_coef, batch_advantages, grad_norm, total_loss


def each(limits):
    """(option, value) for every option, and every value that all functions with this option must refuse."""
    return [pytest.param(option, v, id=f"{option}={v}") for option, values in limits.items() for v in values]


def options_of(name):
    return inspect.signature(getattr(objectives, name)).parameters


# Ranges

ABOVE_ZERO = dict.fromkeys(("beta", "max_log_ratio", "max_kl", "clip", "target", "horizon"), (0, -1.0, NAN, INF))
COEFFICIENTS = ("kl_coef", "vf_coef", "sft_coef", "entropy_coef", "length_coef")
COEFFICIENTS += ("call_price", "invalid_price", "valid_bonus", "threshold")
AT_LEAST_ZERO = dict.fromkeys((*COEFFICIENTS, "eps", "desirable_weight", "undesirable_weight"), (-0.1, NAN, INF, -INF))
SHARES = {
    "gae_lambda": [-0.1, 1.5, NAN, INF],
    "ld_alpha": [-0.1, 1.5, NAN, INF],
    "teacher_share": [-0.1, 1.1, NAN, INF],
    "label_smoothing": [-0.1, 0.6, 1, NAN],
}


@pytest.mark.parametrize(("option", "value"), each(ABOVE_ZERO))
def test_what_divides_or_bounds_must_be_above_zero(option, value):
    for name in takes(option):
        says(refused(name, **{option: value}), f"{option} is {value}", "finite number above 0")


@pytest.mark.parametrize(("option", "value"), each(AT_LEAST_ZERO))
def test_a_coefficient_is_never_negative_and_always_finite(option, value):
    for name in takes(option):
        says(refused(name, **{option: value}), f"{option} is {value}", "finite number", "at least 0")


@pytest.mark.parametrize(("option", "value"), each(SHARES))
def test_a_share_outside_its_interval_is_refused(option, value):
    most = 0.5 if option == "label_smoothing" else 1
    for name in takes(option):
        says(refused(name, **{option: value}), f"{option} is {value}", f"between 0 and {most}")


def test_a_discount_lies_between_zero_and_one_and_simpos_margin_is_at_least_zero():
    """Both are called gamma."""
    assert set(takes("gamma")) == {"discounted_returns", "td_residuals", "gae", "reinforce_plus_plus_advantages"} | {
        "simpo_loss"
    }
    for name in takes("gamma"):
        limits = "at least 0" if name == "simpo_loss" else "between 0 and 1"
        for value in (-0.1, NAN, INF) + (() if name == "simpo_loss" else (1.5,)):
            says(refused(name, gamma=value), f"gamma is {value}", limits)


ABOVE_ZERO = {("exo_loss", "label_smoothing"), ("top_entropy_mask", "share")}  # an infinite KL, and no token


@pytest.mark.parametrize(
    ("option", "edges"),
    [
        ("gamma", [0, 0.0, 1, 1.0]),
        ("gae_lambda", [0, 0.0, 1, 1.0]),
        ("ld_alpha", [0, 0.0, 1, 1.0]),
        ("eps", [0, 0.0]),
        ("label_smoothing", [0, 0.0]),
        ("desirable_weight", [0]),
        ("undesirable_weight", [0]),
        ("length_coef", [0]),
        ("call_price", [0]),
        ("invalid_price", [0]),
        ("valid_bonus", [0]),
        ("threshold", [0, 0.0]),
        ("dual_clip", [1.0001, 3]),
        ("ratio_cap", [1, 1.0, None]),
        ("delta_low", [0, 0.0]),
        ("delta_high", [0, 0.0]),
        ("log_clip_low", [0, 0.0]),
        ("log_clip_high", [0, 0.0]),
        ("share", [0, 1]),
        ("coef", [0, 0.0]),
        ("clip_low", [0, 0.999, None]),
        ("clip_high", [0, 100, None]),
        ("low", [0, 1]),
        ("high", [1, 1.0, INF]),
    ],
)
def test_the_edges_of_a_range_belong_to_it(option, edges):
    for name in takes(option):
        for value in edges:
            if value or (name, option) not in ABOVE_ZERO:
                call(name, **{option: value})
    call("cdpo_loss", label_smoothing=0.5)
    call("kl_penalised_rewards", kl_coef=0)


@pytest.mark.parametrize("zero", [0, 0.0])
def test_labels_that_are_never_wrong_leave_exo_an_infinite_kl(zero):
    says(refused("exo_loss", label_smoothing=zero), "label_smoothing is 0", "infinite", "0.001")
    call("exo_loss", label_smoothing=0.5)


@pytest.mark.parametrize("argument", ["chosen_win_rates", "rejected_win_rates"])
@pytest.mark.parametrize("wrong", [-0.01, 1.01, 12.0])
def test_a_win_rate_is_a_probability(argument, wrong):
    rates = torch.tensor([0.0, wrong, 1.0])
    says(refused("sppo_loss", **{argument: rates}), argument, "outside [0, 1]", "not scores or logits")
    call("sppo_loss", **{argument: rates.clamp(0, 1)})


def test_labels_flipped_half_of_the_time_leave_robust_dpo_nothing_to_divide_by():
    says(refused("robust_dpo_loss", label_smoothing=0.5), "label_smoothing is 0.5", "divides by 0")


@pytest.mark.parametrize(
    "bounds", [{"clip_low": v} for v in (-0.1, 1, 1.5, NAN, INF)] + [{"clip_high": -1}, {"clip_high": NAN}]
)
def test_clip_bounds_must_enclose_one(bounds):
    ((bound, value),) = bounds.items()
    for name in takes("clip_low"):
        message = refused(name, **bounds)
        says(message, f"{bound}={value}", "clip_high >= 0")
        if name != "cispo_loss" or bound == "clip_low":  # whose lower bound is off unless given
            says(message, "0 <= clip_low < 1")


def test_a_bound_that_is_not_there_is_not_blamed():
    for name in takes("clip_low"):
        assert refused(name, clip_low=None, clip_high=-1).endswith("clip_high=-1: expected clip_high >= 0")
        assert refused(name, clip_low=1, clip_high=None).endswith("clip_low=1: expected 0 <= clip_low < 1")


@pytest.mark.parametrize("value", [1, 0.5, 0, -3.0, NAN, INF])
def test_a_dual_clip_that_is_no_ratio_above_one_is_refused(value):
    says(refused("ppo_clip_loss", dual_clip=value), f"dual_clip is {value}", "above 1")


@pytest.mark.parametrize(
    "bounds",
    [{"low": -0.1}, {"low": 1.5}, {"low": NAN}, {"high": 0.5}, {"high": -1}, {"high": NAN}, {"low": 3, "high": 2}],
)
def test_bounds_of_a_correction_that_change_exact_agreement_are_refused(bounds):
    message = refused("sampler_correction", **bounds)
    says(message, *(f"{name}={value}" for name, value in bounds.items()), "0 <= low <= 1 <= high")


@pytest.mark.parametrize("value", [0, -1.0, NAN])
def test_a_temperature_that_is_not_positive_is_refused(value):
    for name in takes("temperature"):
        says(refused(name, temperature=value), f"temperature is {value}", "expected > 0")


@pytest.mark.parametrize("value", [0, -1])
def test_counts_start_at_one(value):
    for option in ("chunk_size", "num_tokens", "num_sequences"):
        for name in takes(option):
            changes = {"strategy": "sequence_mean"} if name == "aggregate" and option == "num_sequences" else {}
            says(refused(name, **{option: value}, **changes), f"{option} is {value}", "at least 1")
    says(refused("adaptive_kl_coef", num_samples=value), f"num_samples is {value}", "above 0")


# Kinds


def names_of_choices():
    for name in CALLS:
        for option, described in options_of(name).items():
            if get_origin(described.annotation) is Literal:
                yield pytest.param(name, option, get_args(described.annotation), id=f"{name}-{option}")


@pytest.mark.parametrize(("name", "option", "choices"), names_of_choices())
def test_an_unknown_choice_is_refused_naming_those_there_are(name, option, choices):
    for wrong in ("unknown", None, 7):
        message = refused(name, **{option: wrong})
        says(message, f"{name}: {option} is {wrong!r}", *map(repr, choices))
    for choice in choices:
        call(name, **{option: choice}, **({"max_length": 3} if name == "aggregate" else {}))


def plain_numbers():
    for name in CALLS:
        for option, described in options_of(name).items():
            if described.annotation in (int, float, float | None, int | None):
                yield pytest.param(name, option, id=f"{name}-{option}")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "option"), plain_numbers())
def test_a_number_must_be_a_number(name, option):
    expected = "int" if "int" in str(options_of(name)[option].annotation) else "float"
    for wrong in ("1", [1], *([2.0] if expected == "int" else [])):
        message = refused(name, **{option: wrong})
        says(message, f"{name}: {option} is {wrong!r} ({type(wrong).__name__})", f"expected {expected}")
    says(refused(name, **{option: torch.tensor(2.0)}), f"{name}: {option} is a tensor of shape ()")


@pytest.mark.parametrize("wrong", ["0.2", None, torch.tensor([0.1, 0.2]), torch.tensor(0.1)])
def test_an_observed_kl_must_be_a_number(wrong):
    says(refused("adaptive_kl_coef", observed_kl=wrong), "observed_kl")


def test_completions_are_counted_in_whole_numbers():
    says(refused("adaptive_kl_coef", num_samples=2.5), "num_samples is 2.5", "int")


def test_an_observed_kl_that_is_not_finite_is_refused():
    for value in (NAN, INF, -INF):
        says(refused("adaptive_kl_coef", observed_kl=value), f"observed_kl is {value}", "finite")
    assert call("adaptive_kl_coef", observed_kl=-0.1) < 0.1  # k1 can be negative by chance


def test_a_coefficient_cannot_turn_negative_by_many_samples_at_a_short_horizon():
    """0.1 * (1 - 0.2 * 10 / 1) would be -0.1. From 5 horizons on the factor is 0 or less."""
    for num_samples in (5, 10):
        message = refused("adaptive_kl_coef", observed_kl=0.0, horizon=1, num_samples=num_samples)
        says(message, f"num_samples is {num_samples}", "horizon")
    assert adaptive_kl_coef(0.1, 0.0, target=0.1, horizon=1, num_samples=4) == pytest.approx(0.1 * (1 - 0.2 * 4))


# Options that need each other


def test_a_kl_and_its_coefficient_come_together_in_the_token_rewards():
    says(refused("token_rewards", kl=None), "kl_coef is 0.1", "kl is missing", "both or neither")
    says(refused("token_rewards", kl_coef=0.0), "kl_coef is 0.0", "kl is given", "both or neither")
    call("token_rewards", kl=None, kl_coef=0.0)


def test_a_value_clip_and_the_old_values_come_together():
    for missing in ("clip", "old_values"):
        says(refused("value_loss", **{missing: None}), "old_values", "clip", "both", "neither")
    call("value_loss", clip=None, old_values=None)


TERMS = {"value_loss": "vf_coef", "kl": "kl_coef", "sft_loss": "sft_coef", "entropy": "entropy_coef"}


@pytest.mark.parametrize(("term", "coef"), TERMS.items())
def test_a_term_of_the_total_loss_and_its_coefficient_come_together(term, coef):
    says(refused("total_loss", **{term: None}), f"{coef} is", f"{term} is missing", "both")
    says(refused("total_loss", **{coef: 0.0}), f"{coef} is 0.0", f"{term} is given", "both")
    call("total_loss", **{term: None, coef: 0.0})


def test_a_budget_is_needed_where_it_is_divided_by():
    says(refused("aggregate", strategy="fixed_length"), "max_length is missing", "budget")
    for name in ("fixed_length", "length_penalised_rewards"):
        for value in (0, -4):
            says(refused(name, max_length=value), f"max_length is {value}", "at least 1")


@pytest.mark.parametrize("buffer", [0, -1, 4, 100])
def test_a_buffer_must_fit_into_the_budget(buffer):
    says(
        refused("soft_overlong_penalty", buffer=buffer), f"buffer={buffer}", "max_length=3", "0 < buffer <= max_length"
    )


def test_lengths_outside_the_budget_are_refused_naming_their_range():
    beyond, negative = torch.tensor([1, 4]), torch.tensor([-2, 3])
    says(refused("length_penalised_rewards", lengths=beyond), "lengths runs from 1 to 4", "0 to max_length = 3")
    says(refused("length_penalised_rewards", lengths=negative), "lengths runs from -2 to 3", "max_length = 3")
    says(refused("soft_overlong_penalty", lengths=negative), "lengths runs from -2 to 3", "at least 0")
    assert call("soft_overlong_penalty", lengths=beyond)[1] == -1  # beyond the budget there is a price, no error


# Tool use


@pytest.mark.parametrize("token", [0, 2, 151643])
def test_a_header_that_is_the_eos_is_refused(token):
    message = refused("tool_mask", assistant_token_id=token, eos_token_id=token)
    says(message, f"assistant_token_id and eos_token_id are both {token}", "opens", "closes")


@pytest.mark.parametrize("argument", ["num_calls", "num_invalid"])
@pytest.mark.parametrize("counts", [[-1, 3], [1, -1], [-1, -7]])
def test_a_negative_count_is_refused(counts, argument):
    message = refused("trajectory_reward", **{argument: torch.tensor(counts)})
    says(message, f"{argument} holds {min(counts)}", "at least 0")


def test_more_invalid_calls_than_calls_are_refused_naming_the_first_row():
    message = refused("trajectory_reward", num_calls=torch.tensor([2, 3]), num_invalid=torch.tensor([2, 4]))
    says(message, "num_invalid is 4 and num_calls 3 in row 1", "counts all calls, the invalid ones included")
    message = refused("trajectory_reward", num_calls=torch.tensor([0, 3]), num_invalid=torch.tensor([1, 4]))
    says(message, "num_invalid is 1 and num_calls 0 in row 0")
    call("trajectory_reward", num_calls=torch.tensor([0, 3]), num_invalid=torch.tensor([0, 3]))


def test_a_weight_in_the_mask_is_refused_also_behind_the_five_tokens_that_count():
    mask = torch.tensor([[1, 1, 1, 1, 1, 1, 0.5]])
    says(refused("future_loss", token_logprobs=-torch.ones(1, 7), mask=mask), "mask holds values other than 0 and 1")


@pytest.mark.parametrize("argument", ["loss_with_result", "loss_without_result", "loss_without_call"])
def test_log_probs_in_the_place_of_losses_are_refused(argument):
    for logprobs, least in (([-0.5, -2.0], "-2"), ([1.0, -0.001], "-0.001")):
        message = refused("keep_call", **{argument: torch.tensor(logprobs)})
        says(message, f"{argument} is {least}, expected at least 0", "future_loss", "not log-probs")
    call("keep_call", **{argument: torch.zeros(2)})


# Signs and gradients of the terms of a total loss


@pytest.mark.parametrize("term", ["value_loss", "sft_loss", "entropy"])
def test_a_term_with_the_wrong_sign_is_refused(term):
    says(refused("total_loss", **{term: torch.tensor(-0.25)}), f"{term} is -0.25", "never be below 0", "sign")
    call("total_loss", **{term: torch.tensor(0.0)})


def test_a_sampled_kl_and_a_policy_loss_may_be_negative():
    call("total_loss", kl=torch.tensor(-0.25), policy_loss=torch.tensor(-3.0))


@pytest.mark.parametrize("term", TERMS)
def test_a_detached_term_is_refused_where_the_policy_loss_has_a_gradient(term):
    weight = torch.tensor(1.0, requires_grad=True)
    attached = dict.fromkeys(["policy_loss", *TERMS], weight * 2)
    says(refused("total_loss", **attached | {term: ONE}), f"{term} has no gradient", "detached")
    call("total_loss", **attached)
    with torch.no_grad():  # an evaluation has no gradients anywhere
        call("total_loss", **dict.fromkeys(["policy_loss", *TERMS], weight * 2))


@pytest.mark.parametrize("penalty", [0.0, 3, 0.5, torch.tensor(0.1), torch.ones(2)])
def test_a_length_term_in_the_loss_is_refused_saying_where_it_belongs(penalty):
    message = refused("total_loss", length_penalty=penalty)
    says(message, "length_penalty has no gradient", "reward", "length_penalised_rewards", "soft_overlong_penalty")


# Groups and batches of one


@pytest.mark.parametrize("group_size", [0, -2, 3, 5])
def test_a_group_size_that_does_not_divide_the_batch_is_refused(group_size):
    for name in takes("group_size"):
        rewards = len(CALLS[name]["rewards"])
        says(
            refused(name, group_size=group_size),
            f"group_size is {group_size}",
            f"the {rewards} rewards",
            "whole groups",
        )


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        ("group_advantages", {"scale": "group"}),
        ("group_advantages", {"scale": "batch"}),
        ("rloo_advantages", {}),
        ("maxrl_advantages", {}),
        ("gdpo_advantages", {}),
        ("reinforce_plus_plus_baseline_advantages", {}),
        ("group_reward_std", {}),
    ],
)
def test_a_group_of_one_has_no_spread_and_no_others(name, scale):
    says(refused(name, group_size=1, **scale), "group_size is 1", "at least 2")


def test_a_batch_of_one_has_no_standard_deviation():
    says(refused("batch_advantages", rewards=torch.ones(1)), "rewards is of length 1", "at least 2")
    for ddof in (0, 1):
        assert batch_advantages(torch.ones(2), ddof=ddof).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(("ddof", "kept"), [(1, 0), (1, 1), (0, 0)])
def test_too_few_tokens_have_no_variance(ddof, kept):
    mask = torch.zeros(2, 3)
    mask[0, :kept] = 1
    says(refused("whiten", mask=mask, ddof=ddof), f"too few tokens for a variance, {kept}:", f"at least {1 + ddof}")
    if ddof == 1:
        for name in ("reinforce_plus_plus_advantages", "reinforce_plus_plus_baseline_advantages"):
            says(refused(name, mask=mask), f"too few tokens for a variance, {kept}:", "at least 2")


def test_one_token_is_enough_without_a_correction_and_is_its_own_mean():
    mask = torch.tensor([[0, 1, 0], [0, 0, 0]])
    assert call("whiten", mask=mask, ddof=0).tolist() == [[0.0] * 3] * 2
    assert call("whiten", mask=mask, ddof=0, shift_mean=False).tolist() == [[0.0, -1.0, 0.0], [0.0] * 3]


EMPTY = {
    "reward_mean": "rewards",
    "group_advantages": "rewards",
    "rloo_advantages": "rewards",
    "dead_group_share": "rewards",
    "group_reward_std": "rewards",
    "batch_advantages": "rewards",
    "truncated_share": "truncated",
    "kto_kl": "mismatched_logprobs",
    "mean_length": "mask",
}


@pytest.mark.parametrize("name", EMPTY)
def test_a_mean_over_no_rows_is_refused(name):
    nothing = {a: v[:0] for a, v in CALLS[name].items() if isinstance(v, torch.Tensor)}
    message = refused(name, **nothing)
    says(message, EMPTY[name])
    assert "group_size" in CALLS[name] or "group_size" not in message


# Parameters


def test_parameters_without_gradients_are_refused_saying_when_to_call():
    for parameters in ([], [torch.nn.Parameter(ONE)], torch.nn.Linear(2, 2).parameters()):
        says(refused("grad_norm", parameters=parameters), "parameters have no gradients", "after backward")


def test_parameters_may_come_from_a_generator_and_some_may_lack_a_gradient():
    assert grad_norm(p for p in [torch.nn.Parameter(ONE), parameter()]).item() == 5.0  # 3, 4, 5
    assert grad_norm([parameter(), parameter()]).item() == pytest.approx(5 * math.sqrt(2))


@pytest.mark.parametrize("wrong", [None, 3.0])
def test_what_is_no_collection_of_parameters_is_refused(wrong):
    says(refused("grad_norm", parameters=wrong), f"grad_norm: parameters is {wrong}", "expected a list")


@pytest.mark.parametrize(
    "wrong", [torch.nn.Sequential(torch.nn.Linear(2, 2)), torch.nn.Linear(2, 2).named_parameters()]
)
def test_a_model_or_its_named_parameters_are_refused(wrong):
    says(refused("grad_norm", parameters=wrong), "parameters")


def test_a_total_without_terms_is_the_policy_loss():
    assert total_loss(ONE) is ONE
    assert call("token_rewards", rewards=OF_ROWS, mask=MASK, kl=X).shape == A.shape
