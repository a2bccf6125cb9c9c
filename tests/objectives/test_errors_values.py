"""NaN is reported where it stands, never averaged away; infinities are refused where they would become NaN.

What masked positions and rows without tokens may hold is in ``test_masked``.
"""

import pytest
import torch
from calls import CALLS, INF, MASK, NAN, OF_ROWS, ONE, REWARDS, X, axes, call, refused, says, tensors

PER_TOKEN = [
    pytest.param(name, argument, id=f"{name}-{argument}")
    for name in CALLS
    for argument in tensors(name)
    if axes(name, argument) == ["batch", "pred"] and CALLS[name][argument].is_floating_point()
]


def with_value(good, position, value):
    changed = good.clone()
    changed[position] = value
    return changed


# NaN


@pytest.mark.parametrize(("name", "argument"), [case for case in PER_TOKEN if "mask" in CALLS[case.values[0]]])
def test_a_kept_nan_is_refused_naming_argument_and_position(name, argument):
    message = refused(name, **{argument: with_value(CALLS[name][argument], (1, 1), NAN)})
    says(message, "NaN at position (1, 1)")
    words = "advantage times ratio" if name == "clip_frac" else "x is" if name == "whiten" else f"{argument} is"
    says(message, words)


@pytest.mark.parametrize(("name", "argument"), [case for case in PER_TOKEN if "mask" not in CALLS[case.values[0]]])
def test_without_a_mask_a_nan_stays_in_its_place_for_the_sum_to_report(name, argument):
    """Neither swallowed by a clamp or a maximum nor spread to its neighbours."""
    result = call(name, **{argument: with_value(CALLS[name][argument], (1, 1), NAN)})
    expected = torch.zeros(2, 3, dtype=torch.bool)
    expected[1, 1] = True
    assert result.isnan().tolist() == expected.tolist()
    says(refused("token_mean", token_loss=result), "token_loss is NaN at position (1, 1)")


@pytest.mark.parametrize(
    "options",
    [
        {"name": "ppo_clip_loss", "dual_clip": 3.0},
        {"name": "cispo_loss", "clip_low": 0.2},
        {"name": "dppo_loss", "divergence": "kl"},
        {"name": "dppo_loss", "ratio_cap": 1.0},
        {"name": "kl_penalty", "max_log_ratio": 20.0, "max_kl": 10.0},
        {"name": "kl_penalty", "estimator": "abs", "max_kl": 10.0},
        {"name": "kl_unbiased", "estimator": "k2"},
        {"name": "kl_straight_through", "estimator": "abs"},
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_no_clamp_swallows_a_nan(options):
    name, options = options["name"], {k: v for k, v in options.items() if k != "name"}
    result = call(name, token_logprobs=with_value(X, (0, 2), NAN), **options)
    assert result.isnan().nonzero().tolist() == [[0, 2]]


PER_ROW = [
    pytest.param(name, argument, id=f"{name}-{argument}")
    for name in CALLS
    for argument in tensors(name)
    if len(axes(name, argument)) == 1 and CALLS[name][argument].is_floating_point()
]


@pytest.mark.parametrize(("name", "argument"), PER_ROW)
def test_a_nan_of_a_row_or_a_pair_is_refused_naming_argument_and_position(name, argument):
    message = refused(name, **{argument: with_value(CALLS[name][argument], 1, NAN)})
    says(message, f"{argument} is NaN at position (1,)")


@pytest.mark.parametrize("name", ["token_logprobs", "entropy", "kl_full", "generalised_jsd", "mean_entropy"])
def test_nan_logits_are_refused_naming_the_position(name):
    logits = with_value(CALLS[name]["logits"], (1, 2, 4), NAN)
    says(refused(name, logits=logits), "from the logits", "is NaN at position (1, 2)")
    call(name, logits=with_value(logits, (1, slice(2, 3)), 0.0))


@pytest.mark.parametrize("term", ["policy_loss", "value_loss", "kl", "sft_loss", "entropy"])
def test_a_nan_term_is_refused_naming_it(term):
    says(refused("total_loss", **{term: torch.tensor(NAN)}), f"{term} is NaN")


@pytest.mark.parametrize(
    ("name", "term"), [("total_loss", "policy_loss"), ("total_loss", "kl"), ("kto_loss", "kl"), ("bco_loss", "shift")]
)
def test_one_number_has_no_position_to_name(name, term):
    assert "position" not in refused(name, **{term: torch.tensor(NAN)})


def test_an_infinite_reference_point_is_refused_and_an_infinite_term_is_not():
    says(refused("kto_loss", kl=torch.tensor(INF)), "kl is inf")
    says(refused("bco_loss", shift=torch.tensor(INF)), "shift is inf")
    assert call("total_loss", kl=torch.tensor(INF)) == INF


# Infinities: refused where they have no mean or no difference, let pass where they mean that something is impossible

PASS_ON = {("token_rewards", "rewards"), ("kl_penalised_rewards", "rewards"), ("length_penalised_rewards", "rewards")}


@pytest.mark.parametrize(("name", "argument"), [case for case in PER_ROW if tuple(case.values) not in PASS_ON])
def test_an_infinite_reward_or_log_prob_of_a_row_is_refused_naming_argument_and_position(name, argument):
    for value in (INF, -INF):
        message = refused(name, **{argument: with_value(CALLS[name][argument], 1, value)})
        says(message, f"{argument} is {value} at position (1,)")


def test_an_infinite_reward_is_passed_on_to_be_refused_with_its_advantage():
    for name, _ in PASS_ON:
        result = call(name, rewards=with_value(OF_ROWS, 1, INF))
        assert result.isinf().sum() == 1
        assert not result.isnan().any()
    last = call("token_rewards", rewards=with_value(OF_ROWS, 1, INF))
    says(refused("gae", rewards=last), "rewards is inf at position (1, 2)")


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("whiten", "x"),
        ("reinforce_plus_plus_advantages", "rewards"),
        ("discounted_returns", "rewards"),
        ("td_residuals", "rewards"),
        ("td_residuals", "values"),
        ("gae", "rewards"),
        ("gae", "values"),
        ("explained_variance", "values"),
        ("explained_variance", "returns"),
        ("kl_penalised_rewards", "kl"),
    ],
)
def test_a_kept_infinity_is_refused_where_it_would_become_a_nan(name, argument):
    for value in (INF, -INF):
        message = refused(name, **{argument: with_value(CALLS[name][argument], (1, 1), value)})
        words = "x" if name == "whiten" else argument
        says(message, f"{words} is {value} at position (1, 1)")


IMPOSSIBLE = with_value(X, (1, 1), -INF)


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("sequence_ratio", "token_logprobs", "old_logprobs"),
        ("gspo_loss", "token_logprobs", "old_logprobs"),
        ("sampler_correction", "old_logprobs", "sampler_logprobs"),
        ("mean_ratio", "token_logprobs", "old_logprobs"),
        ("approx_kl", "token_logprobs", "old_logprobs"),
        ("mean_kl", "token_logprobs", "ref_logprobs"),
    ],
)
def test_a_token_that_both_policies_call_impossible_is_refused_saying_so(name, first, second):
    both = {first: IMPOSSIBLE, second: IMPOSSIBLE}
    says(refused(name, **both), f"{first} - {second} (inf - inf) is NaN at position (1, 1)")


def test_a_token_that_one_policy_calls_impossible_has_ratio_zero_or_the_largest_there_is():
    assert call("ratio", token_logprobs=IMPOSSIBLE)[1, 1] == 0
    assert call("ratio", old_logprobs=IMPOSSIBLE)[1, 1].isfinite()
    assert call("mean_kl", ref_logprobs=IMPOSSIBLE, estimator="k1") == INF
    assert call("kl_charge", kl=-IMPOSSIBLE)[1].tolist() == [INF, INF, 1.0]


# Signs that give themselves away


@pytest.mark.parametrize("argument", ["chosen_logprobs", "rejected_logprobs"])
def test_orpo_refuses_a_log_prob_above_zero(argument):
    says(refused("orpo_loss", **{argument: -CALLS["orpo_loss"][argument]}), argument, "above 0", "log-probs")


def test_a_negative_reference_point_is_refused():
    says(refused("kto_loss", kl=-ONE), "kl is -1", "at least 0")


def test_rewards_and_coefficients_of_zero_are_no_error():
    assert call("kl_penalised_rewards", kl_coef=0.0).tolist() == OF_ROWS.tolist()
    assert call("length_penalised_rewards", length_coef=0).tolist() == OF_ROWS.tolist()
    assert call("group_advantages", rewards=torch.zeros_like(REWARDS)).tolist() == [0.0] * 4
    assert call("whiten", x=torch.zeros_like(X), mask=MASK).tolist() == [[0.0] * 3] * 2
