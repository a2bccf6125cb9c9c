"""Prompts, once per group: the completions of a prompt share its keys and values, in training as in sampling.

A third of what a step of GRPO trains on are prompts, and the completions of a group all begin with the same one. Its
keys and values depend on nothing that comes behind it, so one forward pass serves them all. The backward pass goes in
two stages: each micro-batch leaves its gradient at the shared keys and values, and ``backward`` carries the sum through
the prompts. It is the same gradient, summed in another order.
"""

import torch
from transformers import DynamicCache, PreTrainedModel

from reference.algorithms.data import Experience
from reference.algorithms.recipes import Recipe
from reference.algorithms.scoring import autocast
from reference.objectives import position_ids
from reference.world.reader import holds_plain_keys


class SharedPrompts:
    """Keys and values of the distinct prompts of a batch, all but the last token: that one's logits start a completion."""

    def __init__(self, model: PreTrainedModel, batch: Experience, recipe: Recipe):
        self.config, self.width = model.config, batch.prompt_width - 1
        self.groups, inverse = batch.group.unique(return_inverse=True)
        one_of_each = torch.empty_like(self.groups).scatter_(
            0, inverse, torch.arange(len(inverse), device=inverse.device)
        )
        tokens, attention = (x[one_of_each, : self.width] for x in (batch.tokens, batch.attention_mask))
        cache = DynamicCache(config=model.config)
        with autocast(model, recipe.bf16):
            model(
                tokens, attention_mask=attention, position_ids=position_ids(attention), past_key_values=cache,
                use_cache=True, logits_to_keep=1,
            )  # fmt: skip
        self.made = [x for layer in cache.layers for x in (layer.keys, layer.values)]  # (prompts, heads, width, size)
        # What no trainable weight has touched (with q_proj alone, the first layer's) carries no gradient and needs none.
        self.shared = [x.detach().requires_grad_(x.requires_grad) for x in self.made]

    def cache(self, micro: Experience) -> DynamicCache:
        """What the model would hold after reading the prompts of ``micro``, up to their last token."""
        index = torch.searchsorted(self.groups, micro.group)
        first = self.width - (micro.prompt_width - 1)  # columns that are padding in all of its rows are left out
        parts = iter(x[:, :, first:].index_select(0, index) for x in self.shared)  # its backward adds up in one order
        cache = DynamicCache(config=self.config)
        for layer in cache.layers:
            layer.update(next(parts), next(parts))
        return cache

    def backward(self) -> None:
        """Carry what the micro-batches have left at the keys and values through the prompts, to the weights."""
        gradients = [
            (output, shared.grad)
            for output, shared in zip(self.made, self.shared, strict=True)
            if shared.grad is not None
        ]
        if gradients:
            torch.autograd.backward(*map(list, zip(*gradients, strict=True)))


def can_share(model: PreTrainedModel, batch: Experience) -> bool:
    """Whether groups are there to share a prompt, and the model holds all of it as plain keys and values."""
    return batch.prompt_width > 1 and len(batch.group.unique()) < len(batch.group) and holds_plain_keys(model)
