"""The order of the rows: every objective gives permuted rows the permuted results, and the same scalar and gradient.

A mean over the wrong axis, a neighbour's baseline, a cumulative sum along the batch would show here. Groups are permuted
as groups, and inside; pairs as pairs.
"""

import inspect

import pytest
import torch
from calls import CALLS, axes

from reference import objectives

SIZES = {"batch": 6, "pairs": 6, "pred": 3, "time-1": 3, "time": 4, "vocab": 5, "width": 3, "kinds": 2, "1": 1}
ANY, WHOLE_GROUPS = torch.tensor([3, 0, 5, 1, 4, 2]), torch.tensor([5, 4, 0, 1, 2, 3])
NO_ROWS = {"total_loss", "adaptive_kl_coef", "grad_norm"}  # they see scalars, or parameters
NO_ROWS |= {"worst_of", "mean_of"}  # a column per completion: test_closed_forms_ensembles.py
WITH_ROWS = sorted(CALLS.keys() - NO_ROWS)


def drawn(name: str, argument: str, like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Random numbers of the kind that the argument of the good call holds."""
    shape = [SIZES[axis] for axis in axes(name, argument)]
    if like.dtype == torch.bool or "mask" in argument:
        mask = torch.rand(shape, generator=generator) < 0.6
        if len(shape) > 1:
            mask[:, -1] = True  # no row without a token
        return mask
    if not like.is_floating_point():
        whole = torch.randint(1, 4, shape, generator=generator)
        return whole + 3 if argument == "num_calls" else whole  # of which some are invalid
    numbers = torch.randn(shape, generator=generator, dtype=torch.float64)
    if "win_rates" in argument:
        return numbers.sigmoid()
    if argument.startswith("loss_") or name == "maxrl_advantages":  # of means above 0
        return numbers.abs()
    return -numbers.abs() - 0.1 if "logprobs" in argument else numbers


def arguments(name: str) -> dict:
    generator = torch.Generator().manual_seed(0)
    return {
        argument: drawn(name, argument, value, generator) if isinstance(value, torch.Tensor) and axes(name, argument)
        else value.double() if isinstance(value, torch.Tensor) and value.is_floating_point() else value
        for argument, value in CALLS[name].items()
    }  # fmt: skip


def row_wise(name: str, values: dict) -> list[str]:
    return [argument for argument in values if axes(name, argument)[:1] in (["batch"], ["pairs"])]


def result_and_gradients(name: str, values: dict) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The result, and the gradient of a weighted sum of it; weights go with the rows' results, not with their places."""
    leaves = {k: v.clone().requires_grad_() for k, v in values.items() if torch.is_tensor(v) and v.is_floating_point()}
    result = torch.as_tensor(getattr(objectives, name)(**(values | leaves)))
    if not result.requires_grad:
        return result, {}
    (result**2).sum().backward()
    return result.detach(), {k: leaf.grad for k, leaf in leaves.items() if leaf.grad is not None}


@pytest.mark.parametrize("name", WITH_ROWS)
def test_rows_may_come_in_any_order(name):
    values = arguments(name)
    order = WHOLE_GROUPS if "group_size" in inspect.signature(getattr(objectives, name)).parameters else ANY
    rows = row_wise(name, values)
    assert rows
    before, gradients = result_and_gradients(name, values)
    after, permuted = result_and_gradients(name, values | {argument: values[argument][order] for argument in rows})
    moved = before[order] if before.dim() and len(before) == 6 else before
    assert torch.allclose(after.double(), moved.double(), rtol=1e-10, atol=1e-12)
    assert gradients.keys() == permuted.keys()
    for argument, gradient in gradients.items():
        wanted = gradient[order] if argument in rows else gradient
        assert torch.allclose(permuted[argument], wanted, rtol=1e-9, atol=1e-12), argument


@pytest.mark.parametrize("name", sorted(NO_ROWS))
def test_what_has_no_rows_is_listed_for_that(name):
    assert not row_wise(name, CALLS[name])


@pytest.mark.parametrize("name", ["token_mean", "group_advantages", "gae", "dpo_loss"])
def test_a_function_that_looks_at_its_neighbour_is_found_out(name, monkeypatch):
    right = getattr(objectives, name)

    def wrong(*args, **options):
        return right(*args, **options) + next(iter(options.values()))[0].sum()

    monkeypatch.setattr(objectives, name, wrong)
    with pytest.raises(AssertionError):
        test_rows_may_come_in_any_order(name)
