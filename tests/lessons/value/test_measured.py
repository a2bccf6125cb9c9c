"""What the lesson measures on the small model: gradients on the shared trunk, and new endings of a completion."""

import copy
import random

import pytest
import torch

from reference import objectives
from reference.algorithms.critic import Critic
from reference.algorithms.scoring import forward
from reference.lessons.value.measured import fit_head, new_endings, trunk_gradients
from reference.world.completions import verify_all
from reference.world.head import find_trunk
from reference.world.model import load
from reference.world.rollout import encode_prompts, sample
from reference.world.tasks import draw_problem

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def small():
    model, tokenizer = load()
    problem = draw_problem(random.Random(1), num_steps=4)
    prompt = encode_prompts(tokenizer, [problem])
    rollout = sample(model, tokenizer, prompt, group_size=16, seeds=range(16), max_new_tokens=96)
    return model, tokenizer, problem, rollout, verify_all(rollout, tokenizer, [problem] * 16)


def test_the_head_is_the_least_squares_fit():
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    head = torch.nn.Linear(4, 1)
    fit_head(head, x, x @ torch.tensor([1.0, -2.0, 0.5, 0.0]) + 3)
    assert head.weight[0].tolist() == pytest.approx([1, -2, 0.5, 0], abs=1e-5)
    assert head.bias.item() == pytest.approx(3, abs=1e-5)


def test_the_gradients_on_the_trunk_are_the_slopes_of_the_two_losses(small):
    """A step along a gradient g changes the loss by step * |g|^2: by finite differences, the head and A being constants."""
    model, _, _, rollout, verdicts = small
    start = rollout.prompt_width - 1
    mask, old = rollout.completion_mask[:, start:], rollout.sampler_logprobs[:, start:]
    returns = verdicts[:, None].repeat(1, mask.shape[1])
    critic = Critic(model, shared=True)
    with torch.no_grad():
        hidden = forward(model, rollout, completions_only=True, hidden=True).hidden_states[-1]
        fit_head(critic.head, hidden[:, :-1][mask], returns[mask])
        advantages = objectives.whiten(returns - critic(rollout, hidden), mask)

    @torch.no_grad()
    def losses(direction, step):
        moved = copy.deepcopy(model)
        for weight, change in zip(find_trunk(moved).parameters(), direction, strict=True):
            weight += step * change
        out = forward(moved, rollout, completions_only=True, hidden=True)
        new = objectives.token_logprobs(out.logits, rollout.tokens[:, start:])
        both = (
            objectives.ppo_clip_loss(new, old, advantages),
            objectives.value_loss(critic(rollout, out.hidden_states[-1]), returns),
        )
        return [objectives.token_mean(loss, mask).item() for loss in both]

    for which, gradient in enumerate(trunk_gradients(model, rollout, verdicts)):
        sizes = [weight.numel() for weight in find_trunk(model).parameters()]
        shapes = [weight.shape for weight in find_trunk(model).parameters()]
        direction = [part.view(shape) for part, shape in zip(gradient.split(sizes), shapes, strict=True)]
        step = 1e-3 / gradient.norm().item()
        slope = (losses(direction, step)[which] - losses(direction, -step)[which]) / (2 * step)
        assert slope == pytest.approx(gradient.square().sum().item(), rel=0.02)


def test_a_completion_that_lacks_only_its_end_keeps_its_verdict(small):
    model, tokenizer, problem, rollout, verdicts = small
    lengths = rollout.completion_mask.sum(dim=1)
    states = [(row, int(lengths[row]) - 1) for row in range(16)]
    assert set(verdicts.tolist()) == {0.0, 1.0}
    ended = new_endings(model, tokenizer, problem, rollout, states, times=4)
    assert ended.shape == (16, 4)
    assert (ended.mean(dim=1) - verdicts).abs().max() <= 0.25


def test_from_the_start_every_ending_is_a_new_completion(small):
    model, tokenizer, problem, rollout, _ = small
    ended = new_endings(model, tokenizer, problem, rollout, [(0, 0)], times=16)
    assert 0 < ended.mean() < 1
