"""Every refusal: the message names the argument and what is wrong with it, in one sentence on one line."""

import math

import numpy as np
import pytest
import torch

from reference.objectives import (
    InputError,
    aggregate,
    approx_kl,
    chunked_token_logprobs,
    clip_frac,
    completion_mask,
    dead_group_share,
    entropy,
    fixed_length,
    group_advantages,
    group_reward_std,
    kl_k3,
    masked_mean,
    position_ids,
    ppo_clip_loss,
    prediction_mask,
    ratio,
    sequence_logprobs,
    sequence_mean,
    sft_loss,
    token_logprobs,
    token_mean,
)
from reference.objectives.shapes import Float, Tensor, typed

NAN = math.nan

# Good arguments, from which each case departs in one: 2 rows of 4 tokens, so 3 predictions, from 5 tokens
LOGITS, TOKENS = torch.zeros(2, 4, 5), torch.zeros(2, 4, dtype=torch.long)
HIDDEN, HEAD = torch.zeros(2, 4, 3), torch.zeros(5, 3)
START = torch.tensor([1, 4])
X, MASK, A = torch.zeros(2, 3), torch.ones(2, 3, dtype=torch.bool), torch.ones(2, 1)
REWARDS = torch.tensor([0.0, 1.0, 1.0, 0.0])

NOTHING_KEPT = torch.zeros(2, 3)
WEIGHTS = torch.full((2, 3), 0.5)
BROKEN = torch.tensor([[0.0, 0.0, 0.0], [0.0, NAN, 0.0]])  # NaN at (1, 1)
BROKEN_LOGITS = LOGITS.clone()
BROKEN_LOGITS[1, 2, 4] = NAN  # one of the five scores of position 2
BROKEN_HIDDEN = HIDDEN.clone()
BROKEN_HIDDEN[1, 2, 0] = NAN


def refusal(function, *args, **options):
    """The message of the InputError, which must be one sentence on one line."""
    with pytest.raises(InputError) as caught:
        function(*args, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert ". " not in message and not message.endswith(".")
    assert len(message) > 20
    return message


def says(message, *words):
    for word in words:
        assert word in message, f"{word!r} is not in {message!r}"


def test_good_arguments_are_accepted():
    """The cases below depart from these in one argument, so these must pass, or the cases prove nothing."""
    token_logprobs(LOGITS, TOKENS)
    chunked_token_logprobs(HIDDEN, HEAD, TOKENS)
    entropy(LOGITS)
    completion_mask(TOKENS, START, eos_token_id=1)
    position_ids(torch.ones(2, 4))
    prediction_mask(torch.ones(2, 4))
    for function in (sequence_logprobs, masked_mean, token_mean, sequence_mean, sft_loss):
        function(X, MASK)
    fixed_length(X, MASK, max_length=3)
    ppo_clip_loss(X, X, A)
    ratio(X, X)
    kl_k3(X, X)
    approx_kl(X, X, MASK)
    clip_frac(X, X, A, MASK)
    group_advantages(REWARDS, group_size=2)
    group_reward_std(REWARDS, group_size=2)
    dead_group_share(REWARDS, group_size=2)


def test_an_input_error_is_a_value_error():
    assert issubclass(InputError, ValueError)


# Shapes: a length that differs from the arguments before it, then an axis too few or too many

WRONG_LENGTH = [
    (token_logprobs, (LOGITS, TOKENS[:, :3]), "tokens", "axis 1 (time) is 3, expected 4"),
    (token_logprobs, (LOGITS, TOKENS[:1]), "tokens", "axis 0 (batch) is 1, expected 2"),
    (chunked_token_logprobs, (HIDDEN, HEAD[:, :2], TOKENS), "lm_head", "axis 1 (width) is 2, expected 3"),
    (chunked_token_logprobs, (HIDDEN, HEAD, TOKENS[:, :3]), "tokens", "axis 1 (time) is 3, expected 4"),
    (chunked_token_logprobs, (HIDDEN, HEAD, TOKENS[:1]), "tokens", "axis 0 (batch) is 1, expected 2"),
    (completion_mask, (TOKENS, START[:1]), "completion_start", "axis 0 (batch) is 1, expected 2"),
    *[
        (function, (X, mask), "mask", words)
        for function in (sequence_logprobs, masked_mean, token_mean, sequence_mean, fixed_length, aggregate, sft_loss)
        for mask, words in (
            (MASK[:, :2], "axis 1 (pred) is 2, expected 3"),
            (torch.ones(2, 4), "axis 1 (pred) is 4, expected 3"),  # the mask over tokens, not over predictions
            (MASK[:1], "axis 0 (batch) is 1, expected 2"),
            (torch.ones(2, 1), "axis 1 (pred) is 1, expected 3"),  # only advantages may be given once per row
        )
    ],
    (ratio, (X, X[:, :2]), "old_logprobs", "axis 1 (pred) is 2, expected 3"),
    (ratio, (X, X[:1]), "old_logprobs", "axis 0 (batch) is 1, expected 2"),
    (kl_k3, (X, X[:, :2]), "ref_logprobs", "axis 1 (pred) is 2, expected 3"),
    (kl_k3, (X, X[:1]), "ref_logprobs", "axis 0 (batch) is 1, expected 2"),
    (ppo_clip_loss, (X, X[:, :2], A), "old_logprobs", "axis 1 (pred) is 2, expected 3"),
    (ppo_clip_loss, (X, X, A[:1]), "advantages", "axis 0 (batch) is 1, expected 2"),
    (ppo_clip_loss, (X, X, torch.ones(2, 2)), "advantages", "axis 1 (pred) is 2, expected 3"),
    (approx_kl, (X, X[:, :2], MASK), "old_logprobs", "axis 1 (pred) is 2, expected 3"),
    (approx_kl, (X, X, MASK[:, :2]), "mask", "axis 1 (pred) is 2, expected 3"),
    (clip_frac, (X, X[:1], A, MASK), "old_logprobs", "axis 0 (batch) is 1, expected 2"),
    (clip_frac, (X, X, torch.ones(2, 2), MASK), "advantages", "axis 1 (pred) is 2, expected 3"),
    (clip_frac, (X, X, A, MASK[:, :2]), "mask", "axis 1 (pred) is 2, expected 3"),
]
OPTIONS = {
    completion_mask: {"eos_token_id": 1},
    fixed_length: {"max_length": 3},
    aggregate: {"strategy": "token_mean"},
    group_advantages: {"group_size": 2},
    group_reward_std: {"group_size": 2},
    dead_group_share: {"group_size": 2},
}


def label(case):
    return f"{case[0].__name__}-{case[2]}-{case[3]}".replace(" ", "_")


@pytest.mark.parametrize(("function", "args", "name", "words"), WRONG_LENGTH, ids=map(label, WRONG_LENGTH))
def test_a_wrong_length_is_refused_naming_the_argument_and_the_axis(function, args, name, words):
    says(refusal(function, *args, **OPTIONS.get(function, {})), f"{function.__name__}: {name} has shape", words)


TENSORS = [
    (token_logprobs, [("logits", LOGITS, "batch, time, vocab"), ("tokens", TOKENS, "batch, time")]),
    (
        chunked_token_logprobs,
        [
            ("hidden", HIDDEN, "batch, time, width"),
            ("lm_head", HEAD, "vocab, width"),
            ("tokens", TOKENS, "batch, time"),
        ],
    ),
    (sequence_logprobs, [("token_logprobs", X, "batch, pred"), ("mask", MASK, "batch, pred")]),
    (entropy, [("logits", LOGITS, "batch, time, vocab")]),
    (position_ids, [("attention_mask", torch.ones(2, 4), "batch, time")]),
    (completion_mask, [("tokens", TOKENS, "batch, time"), ("completion_start", START, "batch")]),
    (prediction_mask, [("token_mask", torch.ones(2, 4), "batch, time")]),
    (masked_mean, [("x", X, "batch, pred"), ("mask", MASK, "batch, pred")]),
    (token_mean, [("token_loss", X, "batch, pred"), ("mask", MASK, "batch, pred")]),
    (sequence_mean, [("token_loss", X, "batch, pred"), ("mask", MASK, "batch, pred")]),
    (fixed_length, [("token_loss", X, "batch, pred"), ("mask", MASK, "batch, pred")]),
    (aggregate, [("token_loss", X, "batch, pred"), ("mask", MASK, "batch, pred")]),
    (sft_loss, [("token_logprobs", X, "batch, pred"), ("mask", MASK, "batch, pred")]),
    (group_advantages, [("rewards", REWARDS, "batch")]),
    (group_reward_std, [("rewards", REWARDS, "batch")]),
    (dead_group_share, [("rewards", REWARDS, "batch")]),
    (ratio, [("token_logprobs", X, "batch, pred"), ("old_logprobs", X, "batch, pred")]),
    (
        ppo_clip_loss,
        [("token_logprobs", X, "batch, pred"), ("old_logprobs", X, "batch, pred"), ("advantages", A, "batch, ")],
    ),
    (kl_k3, [("token_logprobs", X, "batch, pred"), ("ref_logprobs", X, "batch, pred")]),
    (
        approx_kl,
        [("token_logprobs", X, "batch, pred"), ("old_logprobs", X, "batch, pred"), ("mask", MASK, "batch, pred")],
    ),
    (
        clip_frac,
        [
            ("token_logprobs", X, "batch, pred"),
            ("old_logprobs", X, "batch, pred"),
            ("advantages", A, "batch, "),
            ("mask", MASK, "batch, pred"),
        ],
    ),
]
EACH_TENSOR = [
    pytest.param(function, [value for _, value, _ in arguments], index, id=f"{function.__name__}-{arguments[index][0]}")
    for function, arguments in TENSORS
    for index in range(len(arguments))
]
DESCRIBED = dict(TENSORS)


def with_argument(function, args, index, value):
    """The call with one argument replaced, and that argument's name and axes."""
    args = [*args[:index], value, *args[index + 1 :]]
    name, _, axes = DESCRIBED[function][index]
    return refusal(function, *args, **OPTIONS.get(function, {})), name, axes


@pytest.mark.parametrize(("function", "args", "index"), EACH_TENSOR)
def test_another_number_of_axes_is_refused_naming_those_expected(function, args, index):
    for wrong in (args[index][0], args[index][None]):
        message, name, axes = with_argument(function, args, index, wrong)
        says(message, f"{function.__name__}: {name} has shape {tuple(wrong.shape)}, expected", "axes", axes)


@pytest.mark.parametrize(("function", "args", "index"), EACH_TENSOR)
def test_what_is_not_a_tensor_is_refused_naming_its_type(function, args, index):
    for wrong in (args[index].tolist(), args[index].numpy(), None):
        message, name, _ = with_argument(function, args, index, wrong)
        says(message, f"{function.__name__}: {name} is a", type(wrong).__name__, "expected a torch tensor of shape")


ANY_DTYPE = {"mask", "attention_mask", "token_mask"}
INTEGERS = {"tokens", "completion_start"}
TYPED_TENSORS = [
    pytest.param(function, [value for _, value, _ in arguments], index, id=f"{function.__name__}-{arguments[index][0]}")
    for function, arguments in TENSORS
    for index in range(len(arguments))
    if arguments[index][0] not in ANY_DTYPE
]


@pytest.mark.parametrize(("function", "args", "index"), TYPED_TENSORS)
def test_another_dtype_is_refused_naming_it_and_the_one_expected(function, args, index):
    wants_integers = DESCRIBED[function][index][0] in INTEGERS
    for dtype in (torch.float32, torch.bool) if wants_integers else (torch.int64, torch.bool):
        message, name, _ = with_argument(function, args, index, args[index].to(dtype))
        says(message, f"{function.__name__}: {name} has dtype {str(dtype).removeprefix('torch.')}, expected")
        says(message.split("expected")[1], "int" if wants_integers else "float")


@pytest.mark.parametrize(
    "call",
    [
        lambda: refusal(token_logprobs, LOGITS[:, :0], TOKENS[:, :0]),
        lambda: refusal(entropy, LOGITS[:, :0]),
        lambda: refusal(prediction_mask, torch.ones(2, 0)),
    ],
    ids=["token_logprobs", "entropy", "prediction_mask"],
)
def test_a_batch_without_positions_is_refused_on_one_line(call):
    says(call(), "time", "at least 1")


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


@pytest.mark.parametrize("temperature", [0, 0.0, -1.0, NAN])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    for call in (
        lambda: refusal(token_logprobs, LOGITS, TOKENS, temperature=temperature),
        lambda: refusal(chunked_token_logprobs, HIDDEN, HEAD, TOKENS, temperature=temperature),
        lambda: refusal(entropy, LOGITS, temperature=temperature),
    ):
        says(call(), f"temperature is {temperature}", "expected > 0", "greedy")


@pytest.mark.parametrize("wrong", ["1.0", None])
def test_a_temperature_that_is_no_number_is_refused(wrong):
    says(refusal(token_logprobs, LOGITS, TOKENS, temperature=wrong), f"temperature is {wrong!r}", "expected float")


def test_an_integer_temperature_will_do():
    assert token_logprobs(LOGITS, TOKENS, temperature=2).shape == (2, 3)


def test_a_tensor_where_a_number_is_expected_is_refused_on_one_line():
    says(refusal(token_logprobs, LOGITS, TOKENS, temperature=torch.ones(2, 2)), "temperature", "expected float")


@pytest.mark.parametrize("chunk_size", [0, -1])
def test_a_chunk_without_positions_is_refused(chunk_size):
    message = refusal(chunked_token_logprobs, HIDDEN, HEAD, TOKENS, chunk_size=chunk_size)
    says(message, f"chunk_size is {chunk_size}", "at least 1")


@pytest.mark.parametrize("strategy", ["mean", "token-mean", None])
def test_an_unknown_strategy_is_refused_naming_those_there_are(strategy):
    message = refusal(aggregate, X, MASK, strategy=strategy)
    says(message, "strategy is", repr(strategy), "'sequence_mean'", "'token_mean'", "'fixed_length'")


def test_an_unknown_scale_is_refused_naming_those_there_are():
    says(refusal(group_advantages, REWARDS, group_size=2, scale="batch"), "scale is 'batch'", "'group' or 'none'")


def test_fixed_length_without_a_budget_is_refused():
    says(refusal(aggregate, X, MASK, strategy="fixed_length"), "max_length is missing", "fixed_length", "budget")


@pytest.mark.parametrize("max_length", [0, -5])
def test_a_budget_below_one_token_is_refused(max_length):
    for call in (
        lambda: refusal(fixed_length, X, MASK, max_length=max_length),
        lambda: refusal(aggregate, X, MASK, strategy="fixed_length", max_length=max_length),
    ):
        says(call(), f"max_length is {max_length}", "at least 1")


def test_a_budget_of_one_token_is_accepted():
    assert fixed_length(torch.tensor([[3.0], [5.0]]), torch.tensor([[1], [1]]), max_length=1).item() == 4.0


@pytest.mark.parametrize("count", [0, -3])
def test_a_global_count_below_one_is_refused(count):
    for function, name, options in (
        (token_mean, "num_tokens", {}),
        (sft_loss, "num_tokens", {}),
        (sequence_mean, "num_sequences", {}),
        (fixed_length, "num_sequences", {"max_length": 3}),
    ):
        says(refusal(function, X, MASK, **{name: count}, **options), f"{name} is {count}", "at least 1")


def test_a_global_count_must_be_a_whole_number():
    says(refusal(token_mean, X, MASK, num_tokens=2.5), "num_tokens is 2.5 (float)", "expected int")
    says(refusal(token_mean, X, MASK, num_tokens=torch.tensor(2)), "num_tokens is a tensor of shape ()", "expected int")


@pytest.mark.parametrize(
    "bounds",
    [
        {"clip_low": -0.1},
        {"clip_high": -0.1},
        {"clip_low": 1.0},
        {"clip_low": 1},
        {"clip_low": 1.5, "clip_high": 2.0},
    ],
)
def test_clip_bounds_out_of_range_are_refused(bounds):
    message = refusal(ppo_clip_loss, X, X, A, **bounds)
    says(message, *(f"{name}={value}" for name, value in bounds.items()), "0 <= clip_low < 1", "clip_high >= 0")


def test_clip_bounds_at_the_edge_of_the_range_are_accepted():
    ppo_clip_loss(X, X, A, clip_low=0.0, clip_high=0.0)
    ppo_clip_loss(X, X, A, clip_low=0.999, clip_high=100)


def test_clip_bounds_out_of_range_are_refused_by_clip_frac():
    says(refusal(clip_frac, X, X, A, MASK, clip_low=1.5), "clip_low=1.5", "0 <= clip_low < 1")


@pytest.mark.parametrize("bound", ["clip_low", "clip_high"])
def test_a_clip_bound_of_nan_is_refused(bound):
    says(refusal(ppo_clip_loss, X, X, A, **{bound: NAN}), f"{bound}=nan")


def test_a_whole_number_is_not_blamed_for_the_argument_after_it():
    message = refusal(ppo_clip_loss, X, X, A, clip_low=0, clip_high="0.2")
    says(message, "ppo_clip_loss: clip_high is '0.2' (str), expected float")


# Masks

AVERAGES = {
    masked_mean: {},
    token_mean: {},
    sequence_mean: {},
    fixed_length: {"max_length": 3},
    sft_loss: {},
}


@pytest.mark.parametrize("function", AVERAGES)
def test_a_mask_that_keeps_nothing_is_refused(function):
    message = refusal(function, X, NOTHING_KEPT, **AVERAGES[function])
    says(message, "mask keeps no token", "nothing to average", "completion_start")


@pytest.mark.parametrize("strategy", ["token_mean", "sequence_mean", "fixed_length"])
def test_a_mask_that_keeps_nothing_is_refused_whatever_the_strategy(strategy):
    says(refusal(aggregate, X, NOTHING_KEPT, strategy=strategy, max_length=3), "mask keeps no token")


def test_scalars_over_no_token_are_refused():
    says(refusal(approx_kl, X, X, NOTHING_KEPT), "mask keeps no token")
    says(refusal(clip_frac, X, X, A, NOTHING_KEPT), "mask keeps no token")


@pytest.mark.parametrize("value", [0.5, 2.0, -1.0, NAN])
def test_a_mask_of_weights_is_refused(value):
    weights = torch.ones(2, 3)
    weights[1, 2] = value
    for function in (*AVERAGES, sequence_logprobs):
        message = refusal(function, X, weights, **AVERAGES.get(function, {}))
        says(message, "mask holds values other than 0 and 1", "weights")
    says(refusal(approx_kl, X, X, weights), "mask holds values other than 0 and 1")
    says(refusal(clip_frac, X, X, A, weights), "mask holds values other than 0 and 1")
    says(refusal(position_ids, weights), "attention_mask holds values other than 0 and 1")
    says(refusal(prediction_mask, weights), "token_mask holds values other than 0 and 1")


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.float16, torch.float64])
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


@pytest.mark.parametrize("function", [*AVERAGES, sequence_logprobs, aggregate])
def test_nan_that_the_mask_keeps_is_refused_naming_the_position(function):
    options = AVERAGES.get(function, {}) | ({"strategy": "token_mean"} if function is aggregate else {})
    says(refusal(function, BROKEN, MASK, **options), "is NaN at position (1, 1)")
    without = MASK.clone()
    without[1, 1] = False
    assert function(BROKEN, without, **options).isfinite().all()


def test_nan_that_the_mask_keeps_is_refused_by_approx_kl():
    says(refusal(approx_kl, BROKEN, X, MASK), "is NaN at position (1, 1)")
    says(refusal(approx_kl, X, BROKEN, MASK), "is NaN at position (1, 1)")


def test_nan_that_the_mask_keeps_is_refused_by_clip_frac():
    says(refusal(clip_frac, BROKEN, X, A, MASK), "is NaN at position (1, 1)")


def test_clip_frac_accepts_nan_under_the_mask_and_ratios_of_zero():
    without = MASK.clone()
    without[1, 1] = False
    assert clip_frac(BROKEN, X, A, without).item() == 0.0
    assert clip_frac(torch.full((2, 3), -1000.0), X, torch.zeros(2, 1), MASK).item() == 0.0


def test_of_several_nans_the_first_is_named():
    says(refusal(token_mean, torch.tensor([[0.0, NAN, NAN], [NAN, 0.0, 0.0]]), MASK), "NaN at position (0, 1)")


@pytest.mark.parametrize(("function", "name"), [(masked_mean, "x"), (sft_loss, "token_logprobs")])
def test_a_kept_nan_is_reported_under_the_name_of_the_argument(function, name):
    says(refusal(function, BROKEN, MASK), f"{name} is NaN")


def test_a_nan_reward_is_refused_naming_the_position():
    rewards = torch.tensor([0.0, 1.0, NAN, 1.0])
    for scale in ("group", "none"):
        says(refusal(group_advantages, rewards, group_size=2, scale=scale), "rewards is NaN at position (2,)")
    for function in (group_reward_std, dead_group_share):
        says(refusal(function, rewards, group_size=2), "rewards is NaN at position (2,)")


# Groups


@pytest.mark.parametrize("group_size", [0, -2, 3, 5])
def test_a_group_size_that_does_not_divide_the_rewards_is_refused(group_size):
    for function in (group_advantages, dead_group_share, group_reward_std):
        says(refusal(function, REWARDS, group_size=group_size), f"group_size is {group_size}", "the 4 rewards")


def test_one_reward_has_no_standard_deviation():
    says(refusal(group_advantages, REWARDS, group_size=1), "group_size is 1", "standard deviation", 'scale="none"')
    says(refusal(group_reward_std, REWARDS, group_size=1), "group_size is 1", "at least 2")


def test_a_group_size_is_a_whole_number():
    says(refusal(group_advantages, REWARDS, group_size=2.0), "group_size is 2.0 (float)", "expected int")


def test_numpy_rewards_are_refused_and_named():
    says(refusal(group_advantages, np.zeros(4), group_size=2), "rewards is a", "ndarray", "torch tensor")


@pytest.mark.parametrize("eos", [[], True])
def test_an_eos_that_is_no_id_is_refused(eos):
    message = refusal(completion_mask, torch.ones(1, 3).long(), torch.tensor([1]), eos_token_id=eos)
    says(message, f"eos_token_id is {eos}", "pass the id that ends a turn")


@pytest.mark.parametrize("rewards", [[], [1.0, float("inf")]])
def test_rewards_that_are_empty_or_infinite_are_refused(rewards):
    for function in (group_advantages, dead_group_share, group_reward_std):
        says(refusal(function, torch.tensor(rewards), group_size=2), "rewards is empty or holds infinities")


def test_hidden_states_and_head_must_share_a_dtype():
    hidden, head = torch.ones(1, 3, 2), torch.ones(4, 2, dtype=torch.float64)
    message = refusal(chunked_token_logprobs, hidden, head, torch.zeros(1, 3).long())
    says(message, "hidden is torch.float32 and lm_head torch.float64", "cast")


def test_a_batch_of_no_rows_is_an_empty_result():
    empty = chunked_token_logprobs(torch.ones(0, 3, 2), torch.ones(4, 2), torch.zeros(0, 3).long())
    assert empty.shape == (0, 2)
