"""Every function, every argument, every kind of bad input: an InputError that begins with the function's name.

Nothing here knows a single function: the arguments are those of ``calls``, the options those of the signatures.
"""

import inspect
import warnings
from decimal import Decimal
from typing import get_args

import numpy as np
import pytest
import torch
from calls import CALLS, HEAD, HIDDEN, MASK, NAN, TOKENS, axes, call, refusal, refused, says, tensors

from reference import objectives
from reference.objectives import (
    InputError,
    chunked_token_logprobs,
    completion_mask,
    fixed_length,
    grad_norm,
)

TENSORS = [pytest.param(name, argument, id=f"{name}-{argument}") for name in CALLS for argument in tensors(name)]


def nested(x):
    with warnings.catch_warnings():  # that they are a prototype
        warnings.simplefilter("ignore")
        return torch.nested.nested_tensor([x[0], x[0]]) if x.ndim > 1 else None


def compressed(x):
    with warnings.catch_warnings():  # that they are in beta
        warnings.simplefilter("ignore")
        return x.to_sparse_csr() if x.ndim == 2 else None


NO_INPUT = {  # what each makes of a good tensor, None where there is no such thing, and what the sentence says of it
    "sparse": (lambda x: x.to_sparse(), "has layout sparse_coo: make it an ordinary tensor with .to_dense()"),
    "compressed": (compressed, "has layout sparse_csr: make it an ordinary tensor with .to_dense()"),
    "nested": (nested, "is a nested tensor: pad its rows"),
    "complex": (lambda x: x.to(torch.complex64), "has dtype complex64, which nothing here computes with: cast it"),
    "float8": (lambda x: x.to(torch.float8_e4m3fn), "has dtype float8_e4m3fn, which nothing here computes with"),
    "an array": (lambda x: x.numpy(), "is an ndarray, expected a torch tensor"),
    "a list": (lambda x: x.tolist() if x.ndim else [1.0], "is a list, expected a torch tensor"),
    "a number": (lambda x: 1.0, "is a float, expected a torch tensor"),
    "words": (lambda x: "tensor", "is a str, expected a torch tensor"),
    "one axis more": (lambda x: x[None], "has shape (1,"),
    "one axis less": (lambda x: x[0] if x.ndim else None, "has shape ("),
}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "argument"), TENSORS)
def test_what_is_no_tensor_to_compute_with(name, argument):
    for made, words in NO_INPUT.values():
        if (bad := made(CALLS[name][argument])) is not None:
            says(refused(name, **{argument: bad}), f"{name}: {argument} {words}")


@pytest.mark.parametrize(("name", "argument"), TENSORS)
def test_a_tensor_on_another_device_than_the_first(name, argument):
    first, *others = tensors(name)
    message = refused(name, **{argument: CALLS[name][argument].to("meta")})
    if not others:
        assert message.startswith(f"{name}: {argument} is on the meta device and holds no numbers")
    elif argument == first:
        assert message == f"{name}: {others[0]} is on cpu, {first} on meta: move one with .to(...)"
    else:
        assert message == f"{name}: {argument} is on meta, {first} on cpu: move one with .to(...)"


@pytest.mark.parametrize("name", [name for name in CALLS if tensors(name)])
def test_tensors_without_numbers(name):
    message = refused(name, **{argument: CALLS[name][argument].to("meta") for argument in tensors(name)})
    assert message.startswith(f"{name}: {tensors(name)[0]} is on the meta device and holds no numbers")


def options(name):
    described = inspect.signature(getattr(objectives, name)).parameters.items()
    return {option: d.annotation for option, d in described if "Tensor" not in str(d.annotation)}


def of_numbers(annotation):
    """int, float, either or None, and a choice of whole numbers."""
    return all(arm in (int, float, type(None)) or type(arm) is int for arm in get_args(annotation) or (annotation,))


OPTIONS = [pytest.param(name, o, id=f"{name}-{o}") for name in CALLS for o in options(name) if name != "grad_norm"]
NUMBERS = [case for case in OPTIONS if of_numbers(options(case.values[0])[case.values[1]])]


@pytest.mark.parametrize(("name", "option"), NUMBERS)
def test_a_whole_number_that_torch_cannot_hold(name, option):
    for wrong in (10**30, -(10**30), 2**63, 10**400, 10**5000):
        says(refused(name, **{option: wrong}), f"{name}: {option} is a whole number beyond 2**63")


def test_the_largest_whole_number_that_torch_holds_is_taken():
    for name in ("token_logprobs", "chunked_token_logprobs"):
        assert torch.equal(call(name, chunk_size=2**63 - 1), call(name))
    assert call("completion_mask", eos_token_id=[1, 2**63 - 1, 1 - 2**63]).tolist() == call("completion_mask").tolist()


@pytest.mark.parametrize(("name", "option"), NUMBERS)
def test_true_and_false_are_no_numbers(name, option):
    for wrong in (True, False):
        says(refused(name, **{option: wrong}), f"{name}: {option} is {wrong} (bool), expected a number")


WORDS_FOR = [
    (torch.tensor(0.5), "is a tensor of shape () (Tensor), expected", "pass its .item()"),
    (torch.ones(2, 3), "is a tensor of shape (2, 3) (Tensor), expected"),
    (np.ones((3, 3)), "is array([[1., 1", "(ndarray), expected"),
    ("ab\ncd" * 99, "is 'ab\\ncdab\\nc", "(str), expected"),
    ([[1]], "is [[1]]"),
    ([], "is []"),
    ([10**5000], "is too long to be shown"),
    (1j, "is 1j (complex), expected"),
    (Decimal("0.5"), "is Decimal('0.5') (Decimal), expected"),
    (np.longdouble(1), "(longdouble), expected"),
    ({"a": 1}, "is {'a': 1} (dict), expected"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_an_option_of_another_type(name, option):
    for wrong, *words in WORDS_FOR:
        says(refused(name, **{option: wrong}), f"{name}: {option} ", *words)


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_an_option_that_is_not_a_number(name, option):
    assert refused(name, **{option: NAN}).startswith(f"{name}: ")


AXES = [
    pytest.param(name, axis, id=f"{name}-{axis}")
    for name in CALLS
    for axis in sorted({a.removesuffix("-1") for argument in tensors(name) for a in axes(name, argument)} - {"1"})
]


def without(name, axis):
    """The good tensors, with nothing along this axis."""
    made = {argument: CALLS[name][argument] for argument in tensors(name)}
    for argument in made:
        for index, here in enumerate(axes(name, argument)):
            if here.removesuffix("-1") == axis:
                made[argument] = made[argument].narrow(index, 0, 0)
    return made


@pytest.mark.parametrize(("name", "axis"), AXES)
def test_an_empty_axis_gives_an_empty_result_or_a_sentence(name, axis):
    try:
        result = call(name, **without(name, axis))
    except InputError as error:
        assert str(error).startswith(f"{name}: ")
    else:
        assert axis not in ("vocab", "width")
        assert not result.isnan().any()


@pytest.mark.parametrize("name", ["entropy", "kl_full", "mean_entropy"])
def test_without_a_vocabulary_there_is_no_distribution(name):
    assert refused(name, **without(name, "vocab")).startswith(f"{name}: axis vocab is empty")


def test_without_a_width_there_are_no_logits():
    message = refusal(chunked_token_logprobs, HIDDEN[:, :, :0], HEAD[:, :0], TOKENS)
    assert message.startswith("chunked_token_logprobs: axis width is empty")


def test_a_head_is_given_by_its_weight():
    message = refusal(chunked_token_logprobs, HIDDEN, torch.nn.Linear(3, 5), TOKENS)
    words = "lm_head is a Linear, expected a torch tensor of shape (vocab width): pass its .weight"
    assert message == f"chunked_token_logprobs: {words}"


@pytest.mark.parametrize("name", ["discounted_returns", "td_residuals", "gae"])
def test_rows_without_predictions_have_no_returns(name):
    for bootstrap in (CALLS[name]["bootstrap"], None):
        assert call(name, **without(name, "pred") | {"bootstrap": bootstrap}).shape == (2, 0)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "argument"), TENSORS)
def test_any_make_of_tensor_is_as_good_as_a_plain_one(name, argument):
    class Special(torch.Tensor):
        pass

    good = CALLS[name][argument]
    with torch.inference_mode():
        inferred = good.clone()
    own = torch.nn.Parameter(good.clone(), requires_grad=good.is_floating_point())
    for same in (
        good.as_subclass(Special),
        inferred,
        own,
        good.repeat_interleave(2, dim=-1)[..., ::2] if good.ndim else good,
    ):
        if name == "total_loss" and same is own:
            continue  # every term must have a gradient, or none
        assert torch.equal(call(name, **{argument: same}).as_subclass(torch.Tensor), call(name))


HALVES = [pytest.param(name, option, id=f"{name}-{option}") for name, option in (
    ("value_loss", "clip"), ("kl_penalty", "max_log_ratio"), ("kl_penalty", "max_kl"), ("ppo_clip_loss", "clip_high"),
    ("gspo_loss", "clip_high"), ("cispo_loss", "clip_high"), ("clip_frac", "clip_high"), ("sampler_correction", "high"),
    ("clip_cov_loss", "clip_high"), ("luspo_loss", "clip_high"), ("gmpo_loss", "log_clip_high"), ("dppo_loss", "ratio_cap"),
)]  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize(("name", "option"), HALVES)
def test_a_bound_beyond_the_dtype_bounds_nothing(name, option, dtype):
    """torch's clamp refuses 1e5 for float16 and 1e39 for float32."""
    these = {a: CALLS[name][a].to(dtype) for a in tensors(name) if CALLS[name][a].is_floating_point()}
    unbounded = call(name, **these, **{option: 1000.0})
    for bound in (1e5, 1e39, 1e300):
        assert torch.equal(call(name, **these, **{option: bound}), unbounded)


def test_a_budget_times_a_count_is_not_counted_in_64_bits():
    """2**62 tokens and 2**10 rows: their product is 0 in torch's whole numbers. A float holds it, exactly."""
    loss = torch.full((2, 3), 2.0**70, dtype=torch.float64)
    assert fixed_length(loss, MASK, max_length=2**62, num_sequences=2**10).item() == 6 / 4
    assert fixed_length(loss, MASK, max_length=2**62).item() == 6 * 2.0**70 / 2**63


NUMPY = {int: (np.int64, np.int32, np.uint16, np.array), float: (np.float64, np.float32, np.float16, np.array)}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "option"), [case for case in NUMBERS if case.values[1] in CALLS[case.values[0]]])
def test_numbers_of_numpy_are_taken_as_those_of_python(name, option):
    value = CALLS[name][option]
    for kind in NUMPY[type(value)]:
        number = kind(value)
        assert call(name, **{option: number}) == pytest.approx(call(name, **{option: number.item()}), nan_ok=False)


def test_a_wrong_number_of_numpy_is_refused_as_the_one_of_python():
    says(refused("group_advantages", group_size=np.float32(2)), "group_size is 2.0 (float), expected int")
    says(refused("dpo_loss", beta=np.int64(0)), "beta is 0, expected a finite number above 0")
    says(refused("dpo_loss", beta=np.True_), "beta is True (bool), expected a number")
    assert call("whiten", shift_mean=np.False_).tolist() == call("whiten", shift_mean=False).tolist()


@pytest.mark.parametrize("bad", ["a", 2.5, True, None, 10**30, -(2**63) - 1, [1]])
@pytest.mark.parametrize("place", range(4))
def test_one_bad_id_among_many_is_found_wherever_it_stands(bad, place):
    """A checker of types that looks at one item at random lets three out of four of these pass, or blames the result."""
    ids = [1, 2, 3, 4]
    ids[place] = bad
    for _ in range(5):
        message = refusal(completion_mask, TOKENS, torch.tensor([1, 4]), eos_token_id=ids)
        says(message, "completion_mask: eos_token_id is [", "pass the id that ends a turn")


@pytest.mark.parametrize("place", range(4))
def test_one_thing_among_parameters_that_is_none_is_found_wherever_it_stands(place):
    parameters = [torch.nn.Parameter(torch.ones(1)) for _ in range(4)]
    parameters[place] = 1.0
    for _ in range(5):
        says(refusal(grad_norm, parameters), "grad_norm: parameters holds something else than tensors")
