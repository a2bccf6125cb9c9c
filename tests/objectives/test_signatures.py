"""One shape for all functions: tensors first, by place or by name; options after them, by name only and with a default
unless there is none that anybody would expect."""

import inspect

import pytest
import torch

from reference import objectives
from reference.objectives import InputError, clip_frac, ppo_clip_loss, token_logprobs
from reference.objectives.shapes import require_finite, require_log_ratio, require_no_nan

PUBLIC = sorted(set(objectives.__all__) - {"InputError"})
PLAIN_FIRST = {"adaptive_kl_coef": ["kl_coef", "observed_kl"]}
NO_DEFAULT = {"eos_token_id", "group_size", "max_length", "strategy", "kl_coef", "length_coef", "buffer"}
NO_DEFAULT |= {"target", "horizon", "num_samples"}


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
