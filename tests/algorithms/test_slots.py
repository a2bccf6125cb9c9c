"""What the names in a recipe stand for, where a test of the loop would not notice."""

from dataclasses import replace

import pytest
import torch

from reference.algorithms.data import Experience
from reference.algorithms.recipes import RECIPES
from reference.algorithms.slots import LOSSES, clipped_share


@pytest.fixture
def experience() -> Experience:
    """Two tokens of one completion with advantage 1, sampled at log-prob 0."""
    old, tokens = torch.zeros(1, 2), torch.zeros(1, 3, dtype=torch.long)
    return Experience(
        tokens=tokens, attention_mask=tokens == 0, prompt_width=1, group=tokens[:, 0], mask=old == 0,
        old_logprobs=old, rewards=old[:, 0], token_rewards=old, advantages=torch.ones(1, 1),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("loss", "share"),
    [
        ("ppo_clip", 0.5),  # ratios 1 and 2: the second is above 1.2
        ("gspo", 1.0),  # their geometric mean is 1.41, which clips the whole completion
        ("cispo", 0.5),  # the weight 2 is capped at 1.2
        ("reinforce", 0.0),
        ("sapo", 0.0),  # nobody has said how: not PPO's 0.5
        (lambda logp, experience, recipe: logp, 0.0),
    ],
)
def test_the_clipped_share_is_that_of_the_loss(experience, loss, share, monkeypatch):
    monkeypatch.setitem(LOSSES, "sapo", LOSSES["ppo_clip"])
    recipe = replace(RECIPES["grpo"], loss=loss)
    assert clipped_share(torch.tensor([[0.0, 0.6931472]]), experience, recipe).item() == share
