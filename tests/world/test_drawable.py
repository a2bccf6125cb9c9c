"""Temperatures near 0: a refusal names the fix, and what can be drawn is the likeliest token."""

import math

import pytest
import torch

from reference.objectives import InputError
from reference.world.drawable import require_drawable
from reference.world.model import load
from reference.world.rollout import sample, sampling_logprobs

LOGITS = torch.tensor([[1.5, 20.0, -3.0]])


@pytest.mark.parametrize("temperature", [1e-300, 1e-38])
def test_a_temperature_over_which_logits_are_infinite_is_refused_with_the_fix(temperature):
    logp = sampling_logprobs(LOGITS, temperature=temperature)
    with pytest.raises(InputError, match=rf"temperature is {temperature:g}, .* take 0.001 or more, or .* with greedy"):
        require_drawable(logp, LOGITS, temperature=temperature)


@pytest.mark.parametrize("temperature", [1e-30, 1e-8, 1e-3])
def test_above_it_the_likeliest_token_has_all_the_probability(temperature):
    logp = sampling_logprobs(LOGITS, temperature=temperature)
    require_drawable(logp, LOGITS, temperature=temperature)
    assert logp.exp().tolist() == [[0.0, 1.0, 0.0]]


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_logits_that_the_model_itself_makes_infinite_are_told_as_such(broken):
    logits = torch.tensor([[1.5, broken, -3.0]])
    with pytest.raises(InputError, match=r"of the sampling model, over the temperature.* is NaN"):
        require_drawable(sampling_logprobs(logits), logits, temperature=1.0)


def test_sampling_refuses_it_too(small_models):
    model, tokenizer = load(small_models["gpt2"])
    with pytest.raises(InputError, match="temperature is 1e-300"):
        sample(model, tokenizer, [[5, 6]], max_new_tokens=2, seeds=[0], temperature=1e-300)
