"""Every refusal of a shape, a dtype, a type, a mask or a group: one sentence that names the argument and what is wrong.

What is out of range or not a number: ``test_errors_options`` and ``test_errors_values``. The good calls are in ``calls``.
"""

import inspect
import math

import numpy as np
import pytest
import torch
from calls import (
    CALLS,
    HEAD,
    HIDDEN,
    LOGITS,
    MASK,
    REWARDS,
    TOKENS,
    A,
    X,
    axes,
    call,
    refusal,
    refused,
    says,
    takes,
    tensors,
)

from reference import objectives
from reference.objectives import (
    InputError,
    chunked_token_logprobs,
    clip_frac,
    completion_mask,
    entropy,
    fixed_length,
    group_advantages,
    masked_mean,
    ppo_clip_loss,
    token_logprobs,
    token_mean,
)
from reference.objectives.shapes import Float, Tensor, typed

NAN = math.nan
WITH_TENSORS = [name for name in CALLS if tensors(name)]
START = torch.tensor([1, 4])
NOTHING_KEPT = torch.zeros(2, 3)
BROKEN = torch.tensor([[0.0, 0.0, 0.0], [0.0, NAN, 0.0]])  # NaN at (1, 1)
BROKEN_LOGITS = LOGITS.clone()
BROKEN_LOGITS[1, 2, 4] = NAN  # one of the five scores of position 2
BROKEN_HIDDEN = HIDDEN.clone()
BROKEN_HIDDEN[1, 2, 0] = NAN


@pytest.mark.parametrize("name", CALLS)
def test_a_good_call_is_accepted_and_has_no_nan(name):
    """Every case departs from one of these in one argument, so these must pass, or the cases prove nothing."""
    result = call(name)
    assert not torch.as_tensor(result).isnan().any()


def test_there_is_a_good_call_of_every_objective():
    public = {name for name in objectives.__all__ if inspect.isfunction(getattr(objectives, name))}
    assert set(CALLS) == public


def test_an_input_error_is_a_value_error():
    assert issubclass(InputError, ValueError)


# Shapes: a length that differs from the arguments before it, then an axis too few or too many


def shared_axes(name):
    """(argument, index, axis) for each axis that an argument before has too."""
    seen = set()
    for argument in tensors(name):
        for index, axis in enumerate(axes(name, argument)):
            if axis.removesuffix("-1") in seen:
                yield argument, index, axis
        seen |= set(axes(name, argument))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CALLS if [*shared_axes(name)]])
def test_a_wrong_length_is_refused_naming_the_argument_and_the_axis(name):
    for argument, index, axis in shared_axes(name):
        good = CALLS[name][argument]
        size = good.shape[index]
        for wrong in (good.narrow(index, 0, size - 1), torch.cat([good, good.narrow(index, 0, 1)], dim=index)):
            message = refused(name, **{argument: wrong})
            says(message, f"{name}: {argument} has shape {tuple(wrong.shape)}", f"axis {index} ({axis})")
            says(message, f"is {wrong.shape[index]}, expected {size} to match")


def test_only_advantages_may_be_given_once_per_row():
    once = torch.ones(2, 1)
    newer = ("sapo_loss", "dppo_loss", "clip_cov_loss", "kl_cov_loss")
    for name in ("reinforce_loss", "ppo_clip_loss", "cispo_loss", "clip_frac", *newer):
        call(name, advantages=once)
    for name in ("ppo_clip_loss", "gae", "value_loss", "kl_k3", "token_mean"):
        argument = tensors(name)[1]
        says(refused(name, **{argument: once}), f"{name}: {argument}", "axis 1 (pred) is 1, expected 3")


def test_one_ratio_per_completion_takes_one_advantage_per_completion():
    says(refused("gspo_loss", advantages=A), "gspo_loss: advantages has shape (2, 3)", "expected 1")


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_TENSORS)
def test_another_number_of_axes_is_refused_naming_those_expected(name):
    for argument in tensors(name):
        good, expected = CALLS[name][argument], axes(name, argument)
        for wrong in (good[None], *([good[0]] if expected else [])):
            message = refused(name, **{argument: wrong})
            says(message, f"{name}: {argument} has shape {tuple(wrong.shape)}, expected")
            if expected:
                says(message, f"{len(expected)} ax", f"({', '.join(expected)})")


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_TENSORS)
def test_what_is_not_a_tensor_is_refused_naming_its_type(name):
    for argument in tensors(name):
        good = CALLS[name][argument]
        optional = inspect.signature(getattr(objectives, name)).parameters[argument].default is None
        for wrong in (good.tolist(), good.numpy(), *([] if optional else [None])):
            message = refused(name, **{argument: wrong})
            says(message, f"{name}: {argument} is a", type(wrong).__name__, "expected a torch tensor")


ANY_DTYPE = {"mask", "attention_mask", "token_mask", "chosen_mask", "rejected_mask"}
DTYPES = {"int": torch.int64, "bool": torch.bool, "float": torch.float32}
INTEGERS = dict.fromkeys(("tokens", "completion_start", "lengths", "num_calls", "num_invalid"), "int")
YES_OR_NO = {"truncated", "desirable"}


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_TENSORS)
def test_another_dtype_is_refused_naming_it_and_the_one_expected(name):
    for argument in tensors(name):
        expected = INTEGERS.get(argument, "float")
        for wrong, dtype in DTYPES.items():
            if argument in ANY_DTYPE | YES_OR_NO or wrong == expected:
                continue
            message = refused(name, **{argument: CALLS[name][argument].to(dtype)})
            says(message, f"{name}: {argument} has dtype {str(dtype).removeprefix('torch.')}, expected")
            says(message.split("expected")[1], expected)


@pytest.mark.parametrize("wrong", ["int", "float"])
@pytest.mark.parametrize(
    ("name", "argument"),
    [("overlong_mask", "truncated"), ("truncated_share", "truncated"), ("kto_loss", "desirable")],
)
def test_what_is_yes_or_no_must_be_bool(name, argument, wrong):
    message = refused(name, **{argument: CALLS[name][argument].to(DTYPES[wrong])})
    says(message, f"{name}: {argument} has dtype {str(DTYPES[wrong]).removeprefix('torch.')}, expected")
    says(message.split("expected")[1], "bool")


@pytest.mark.parametrize(
    ("name", "argument"),
    [("total_loss", "policy_loss"), ("total_loss", "kl"), ("kto_loss", "kl"), ("bco_loss", "shift")],
)
def test_a_vector_where_one_number_belongs_is_refused_in_words(name, argument):
    message = refused(name, **{argument: torch.ones(2)})
    says(message, f"{name}: {argument} has shape (2,), expected a single number")


@pytest.mark.parametrize(
    "name", ["token_logprobs", "entropy", "kl_full", "generalised_jsd", "prediction_mask", "mean_entropy"]
)
def test_a_batch_without_positions_is_refused_on_one_line(name):
    empty = {argument: CALLS[name][argument][:, :0] for argument in tensors(name)}
    says(refused(name, **empty), "time", "at least 1")


def test_a_function_that_breaks_its_own_annotation_is_told_apart_from_one_called_wrongly():
    @typed
    def forgets_to_shift(x: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time-1"]:
        return x

    says(refusal(forgets_to_shift, X), "forgets_to_shift: the result", "report this as a bug")


def test_an_argument_one_shorter_than_another_is_refused_naming_the_length_it_should_have():
    @typed
    def of_predictions(tokens: Float[Tensor, "batch time"], logp: Float[Tensor, "batch time-1"]) -> None: ...

    of_predictions(torch.ones(2, 4), torch.ones(2, 3))
    says(refusal(of_predictions, torch.ones(2, 4), torch.ones(2, 4)), "logp", "axis 1 (time-1) is 4, expected 3")


# Plain options


@pytest.mark.parametrize("wrong", ["1.0", None])
def test_a_temperature_that_is_no_number_is_refused(wrong):
    says(refusal(token_logprobs, LOGITS, TOKENS, temperature=wrong), f"temperature is {wrong!r}", "expected float")


def test_an_integer_temperature_will_do():
    assert token_logprobs(LOGITS, TOKENS, temperature=2).shape == (2, 3)


def test_a_tensor_where_a_number_is_expected_is_refused_on_one_line():
    message = refusal(token_logprobs, LOGITS, TOKENS, temperature=torch.ones(2, 2))
    says(message, "temperature is a tensor of shape (2, 2)", "expected float")
    assert "item" not in message  # four numbers have none


def test_a_budget_of_one_token_is_accepted():
    assert fixed_length(torch.tensor([[3.0], [5.0]]), torch.tensor([[1], [1]]), max_length=1).item() == 4.0


def test_a_global_count_must_be_a_whole_number():
    says(refusal(token_mean, X, MASK, num_tokens=2.5), "num_tokens is 2.5 (float)", "expected int")
    says(refusal(token_mean, X, MASK, num_tokens=torch.tensor(2)), "num_tokens is a tensor of shape ()", "expected int")


def test_a_whole_number_is_not_blamed_for_the_argument_after_it():
    message = refusal(ppo_clip_loss, X, X, A, clip_low=0, clip_high="0.2")
    says(message, "ppo_clip_loss: clip_high is '0.2' (str), expected float")


# Masks

MEANS = ["masked_mean", "token_mean", "sequence_mean", "fixed_length", "aggregate", "sft_loss"]
SCALARS = ["mean_kl", "mean_ratio", "mean_entropy", "approx_kl", "clip_frac"]


@pytest.mark.parametrize("name", [*MEANS, *SCALARS])
def test_a_mask_that_keeps_nothing_is_refused(name):
    for mask in (NOTHING_KEPT, NOTHING_KEPT.bool()):
        says(refused(name, mask=mask), "mask keeps no token", "nothing to average", "completion_start")


@pytest.mark.parametrize("strategy", ["token_mean", "sequence_mean", "fixed_length"])
def test_a_mask_that_keeps_nothing_is_refused_whatever_the_strategy(strategy):
    says(refused("aggregate", mask=NOTHING_KEPT, strategy=strategy, max_length=3), "mask keeps no token")


def test_a_critic_without_tokens_cannot_be_judged():
    says(refused("explained_variance", mask=NOTHING_KEPT), "mask keeps no token", "values", "returns")


@pytest.mark.parametrize("value", [0.5, 2.0, -1.0, NAN])
@pytest.mark.parametrize("argument", ["mask", "attention_mask", "token_mask"])
def test_a_mask_of_weights_is_refused_by_every_function_that_takes_one(argument, value):
    for name in takes(argument):
        weights = torch.ones(CALLS[name][argument].shape)
        weights[1, 2] = value
        says(refused(name, **{argument: weights}), f"{argument} holds values other than 0 and 1", "weights")


@pytest.mark.parametrize(
    "dtype", [torch.bool, torch.uint8, torch.uint16, torch.int8, torch.int64, torch.float16, torch.float64]
)
def test_a_mask_of_zeros_and_ones_is_accepted_in_any_dtype(dtype):
    mask = torch.tensor([[1, 0, 0], [1, 1, 0]]).to(dtype)
    assert masked_mean(torch.tensor([[1.0, 9.0, 9.0], [2.0, 3.0, 9.0]]), mask).item() == 2.0


@pytest.mark.parametrize("start", [0, -1, 5])
def test_a_completion_that_starts_outside_the_row_is_refused(start):
    message = refusal(completion_mask, TOKENS, torch.tensor([2, start]), eos_token_id=1)
    says(message, f"completion_start is [2, {start}]", "indices from 1 to 4")


def test_an_eos_id_is_required_as_an_integer():
    """A tokenizer without EOS has None, which would compare equal to no token and keep all the padding."""
    says(refusal(completion_mask, TOKENS, START, eos_token_id=None), "eos_token_id is None", "expected int")


# Values


@pytest.mark.parametrize("bad_id", [-100, -1, 5, 99])
def test_a_token_outside_the_vocabulary_is_refused(bad_id):
    tokens = TOKENS.clone()
    tokens[1, 3] = bad_id
    low, high = min(bad_id, 0), max(bad_id, 0)
    for message in (
        refusal(token_logprobs, LOGITS, tokens),
        refusal(chunked_token_logprobs, HIDDEN, HEAD, tokens),
    ):
        says(message, f"tokens holds ids from {low} to {high}", "0 to 4", "-100", "mask")


def test_the_last_id_of_the_vocabulary_is_accepted():
    assert token_logprobs(LOGITS, TOKENS + 4).shape == (2, 3)
    assert chunked_token_logprobs(HIDDEN, HEAD, TOKENS + 4).shape == (2, 3)


def test_nan_logits_are_refused_naming_the_position():
    says(refusal(token_logprobs, BROKEN_LOGITS, TOKENS), "log-prob (from the logits) is NaN", "position (1, 2)")
    says(refusal(entropy, BROKEN_LOGITS), "entropy (from the logits) is NaN", "position (1, 2)")
    message = refusal(chunked_token_logprobs, BROKEN_HIDDEN, HEAD, TOKENS)
    says(message, "log-prob (from the hidden states) is NaN", "position (1, 2)")


def test_a_position_at_which_every_token_is_forbidden_is_refused():
    logits = torch.full((1, 2, 3), -math.inf)
    says(refusal(token_logprobs, logits, TOKENS[:1, :2]), "is NaN", "position (0, 0)")
    says(refusal(entropy, logits), "is NaN", "position (0, 0)")


def test_nan_at_the_last_position_scores_nothing_and_is_let_pass():
    logits = LOGITS.clone()
    logits[:, 3] = NAN
    assert token_logprobs(logits, TOKENS).isfinite().all()
    assert entropy(logits).isfinite().all()


def test_clip_frac_accepts_nan_under_the_mask_and_ratios_of_zero():
    without = MASK.clone()
    without[1, 1] = False
    assert clip_frac(BROKEN, torch.zeros(2, 3), A, without).item() == 0.0
    assert clip_frac(torch.full((2, 3), -1000.0), X, torch.zeros(2, 1), MASK).item() == 0.0


def test_of_several_nans_the_first_is_named():
    says(refusal(token_mean, torch.tensor([[0.0, NAN, NAN], [NAN, 0.0, 0.0]]), MASK), "NaN at position (0, 1)")


# Groups


def test_a_group_size_is_a_whole_number():
    says(refusal(group_advantages, REWARDS, group_size=2.0), "group_size is 2.0 (float)", "expected int")


def test_numpy_rewards_are_refused_and_named():
    says(refusal(group_advantages, np.zeros(4), group_size=2), "rewards is a", "ndarray", "torch tensor")


@pytest.mark.parametrize("eos", [[], True])
def test_an_eos_that_is_no_id_is_refused(eos):
    message = refusal(completion_mask, torch.ones(1, 3).long(), torch.tensor([1]), eos_token_id=eos)
    says(message, f"eos_token_id is {eos}", "pass the id that ends a turn")


def test_hidden_states_and_head_must_share_a_dtype():
    hidden, head = torch.ones(1, 3, 2), torch.ones(4, 2, dtype=torch.float64)
    message = refusal(chunked_token_logprobs, hidden, head, torch.zeros(1, 3).long())
    says(message, "hidden is torch.float32 and lm_head torch.float64", "cast")


def test_a_batch_of_no_rows_is_an_empty_result():
    empty = chunked_token_logprobs(torch.ones(0, 3, 2), torch.ones(4, 2), torch.zeros(0, 3).long())
    assert empty.shape == (0, 2)
