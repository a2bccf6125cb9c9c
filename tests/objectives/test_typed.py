"""What ``typed`` does around a function: the name before its errors, calls that Python refuses, compiled and mapped code."""

import math
import pickle

import pytest
import torch
from calls import LOGITS, MASK, NAN, TOKENS, A, X, refusal, says
from torch.func import grad, vmap

from reference.objectives import (
    InputError,
    grad_norm,
    gspo_loss,
    masked_mean,
    ppo_clip_loss,
    token_logprobs,
    token_mean,
)
from reference.objectives.shapes import Float, Tensor, require_positive, typed

# The name


@typed
def inner(x: Float[Tensor, " batch"], *, scale: float = 1.0) -> Float[Tensor, " batch"]:
    require_positive(scale, "scale")
    return x * scale


@typed
def middle(x: Float[Tensor, " batch"], *, scale: float = 1.0) -> Float[Tensor, " batch"]:
    return inner(x, scale=scale)


@typed
def outer(x: Float[Tensor, " batch"], *, scale: float = 1.0) -> Float[Tensor, " batch"]:
    return middle(x, scale=scale)


@pytest.mark.parametrize("function", [inner, middle, outer])
def test_the_function_that_was_called_is_named_and_no_other(function):
    message = refusal(function, torch.ones(1), scale=-1.0)
    assert message == f"{function.__name__}: scale is -1.0, expected a finite number above 0"


def test_what_an_inner_function_finds_is_told_with_the_name_of_the_outer_one():
    broken = X.clone()
    broken[0, 1] = NAN
    message = refusal(gspo_loss, broken, X, A[:, :1], MASK)
    assert message.startswith("gspo_loss: token_logprobs is NaN at position (0, 1)")


def test_the_error_points_at_the_line_that_found_it():
    with pytest.raises(InputError) as caught:
        outer(torch.ones(1), scale=-1.0)
    assert "require_positive" in [entry.name for entry in caught.traceback]


def test_an_error_survives_the_way_from_another_process():
    with pytest.raises(InputError) as caught:
        masked_mean(X, torch.zeros(2, 3))
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert str(InputError("a sentence")) == "a sentence"


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((X,), {}, "masked_mean: missing a required argument: 'mask'"),
        ((X, MASK, X), {}, "masked_mean: too many positional arguments"),
        ((X, MASK), {"dim": 1}, "masked_mean: got an unexpected keyword argument 'dim'"),
    ],
)
def test_a_call_that_python_refuses_names_the_function_too(arguments, options, message):
    with pytest.raises(TypeError) as caught:
        masked_mean(*arguments, **options)
    assert str(caught.value) == message


# Gradients


def parameter_with(gradient):
    p = torch.nn.Parameter(torch.zeros(2, dtype=gradient.dtype, device=gradient.device))
    p.grad = gradient
    return p


def test_the_norm_of_a_lone_parameter_and_of_a_sparse_gradient():
    table = torch.nn.Embedding(4, 2, sparse=True)
    (table(torch.tensor([1, 1, 3])) * torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 4.0]])).sum().backward()
    assert grad_norm(table.weight).item() == 5.0  # 1 + 2 in the same row, and 4


def test_gradients_without_numbers_have_no_norm():
    message = refusal(grad_norm, [parameter_with(torch.ones(2)), parameter_with(torch.ones(2, device="meta"))])
    says(message, "grad_norm: parameters", "meta device", "no numbers")


# Compiled


@pytest.mark.filterwarnings("ignore")
def test_compiled_code_is_checked_as_any_other():
    """dynamo cannot trace the checks; before it went around them, it failed in them, whatever the input."""

    @torch.compile(backend="eager")
    def doubled(x, mask):
        return 2 * masked_mean(2 * x, mask)

    assert doubled(X, MASK).item() == -4.0
    says(refusal_of(doubled, X, MASK[:, :1]), "masked_mean: mask has shape (2, 1)", "expected 3")
    says(refusal_of(doubled, X * math.inf * 0, MASK), "masked_mean: x is NaN at position (0, 0)")


def refusal_of(compiled, *args):
    with pytest.raises(InputError) as caught:
        compiled(*args)
    return str(caught.value)


def test_the_example_of_a_model_on_another_device():
    assert refusal(token_logprobs, LOGITS.to("meta"), TOKENS) == (
        "token_logprobs: tokens is on cpu, logits on meta: move one with .to(...)"
    )


def test_functional_transforms_go_through():
    """Per-sample losses with vmap, where no value is checked; gradients with grad, where every check still holds."""
    many = torch.stack([X, X - 0.5])
    assert torch.equal(vmap(ppo_clip_loss)(many, many, torch.stack([A, A])), torch.stack([-A, -A]))
    slope = grad(lambda x: token_mean(ppo_clip_loss(x, x.detach(), A), MASK))(X)
    assert torch.equal(slope, -A / 6)  # -A * grad(logp), over six tokens
    message = refusal_of(grad(lambda x: token_mean(x, MASK)), X * NAN)
    assert message.startswith("token_mean: token_loss is NaN at position (0, 0)")
