"""Prompts, once per group: the completions of a prompt share its keys and values, in training as in sampling.

A third of what a step of GRPO trains on are prompts, and the completions of a group all begin with the same one. Its
keys and values depend on nothing that comes behind it, so one forward pass serves them all. The backward pass goes in
two stages: each micro-batch leaves its gradient at the shared keys and values, and ``backward`` carries the sum through
the prompts. It is the same gradient, summed in another order.
"""

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from reference.algorithms.data import Experience
from reference.algorithms.reading import read_prompts
from reference.algorithms.recipes import Recipe
from reference.algorithms.scoring import autocast
from reference.algorithms.step import backward
from reference.world.reader import holds_plain_keys
from reference.world.workers import in_parallel, workers_for

PROMPTS = 16  # that go through the model together


class SharedPrompts:
    """Keys and values of the distinct prompts of a batch, all but the last token: that one's logits start a completion."""

    def __init__(self, model: PreTrainedModel, batch: Experience, recipe: Recipe):
        self.model, self.width = model, batch.prompt_width - 1
        self.groups, inverse = batch.group.unique(return_inverse=True)
        one_of_each = torch.empty_like(self.groups).scatter_(
            0, inverse, torch.arange(len(inverse), device=inverse.device)
        )
        tokens, attention = (x[one_of_each, : self.width] for x in (batch.tokens, batch.attention_mask))

        def read(part: tuple[Tensor, Tensor]) -> list[Tensor]:
            with autocast(model, recipe.bf16):
                return read_prompts(model, *part)

        parts = zip(tokens.split(PROMPTS), attention.split(PROMPTS), strict=True)
        # Keys and values for each part of the prompts, (how many, prompts, heads, width, size)
        self.made = list(in_parallel(read, parts, workers=workers_for(model)))
        # What no trainable weight has touched (with q_proj alone, the first layer's) carries no gradient and needs none.
        self.shared = [
            torch.cat(x, dim=1).detach().requires_grad_(x[0].requires_grad) for x in zip(*self.made, strict=True)
        ]

    @property
    def leaves(self) -> list[Tensor]:
        """Where the micro-batches leave their gradient."""
        return [x for x in self.shared if x.requires_grad]

    def cache(self, micro: Experience) -> DynamicCache:
        """What the model would hold after reading the prompts of ``micro``, up to their last token."""
        index = torch.searchsorted(self.groups, micro.group)
        first = self.width - (micro.prompt_width - 1)  # columns that are padding in all of its rows are left out
        chosen = (x[..., first:, :].index_select(1, index) for x in self.shared)  # its backward adds up in one order
        parts = (each for several in chosen for each in several)
        cache = DynamicCache(config=self.model.config)
        for layer in cache.layers:
            layer.update(next(parts), next(parts))
        return cache

    def backward(self, weights: list[Tensor]) -> None:
        """Carry what the micro-batches have left at the keys and values through the prompts, to the weights."""
        counts = [part[0].shape[1] for part in self.made]
        left = [None if x.grad is None else x.grad.split(counts, dim=1) for x in self.shared]

        def loss(part: int) -> tuple[Tensor, None]:
            """A number whose gradient at the keys and values is what was left there."""
            pairs = [(x, grads[part]) for x, grads in zip(self.made[part], left, strict=True) if grads is not None]
            return torch.stack([(x * gradient).sum() for x, gradient in pairs]).sum(), None

        if any(grads is not None for grads in left):
            for _ in backward(loss, range(len(counts)), weights, workers=workers_for(self.model)):
                pass


def can_share(model: PreTrainedModel, batch: Experience) -> bool:
    """Whether groups are there to share a prompt, and the model holds all of it as plain keys and values."""
    return batch.prompt_width > 1 and len(batch.group.unique()) < len(batch.group) and holds_plain_keys(model)
