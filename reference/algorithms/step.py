"""What every loop has in common: who is told of a step, the learning rate, and the gradient before it is used."""

import math

import torch
from torch import nn

from reference.algorithms.recipes import Recipe
from reference.objectives.shapes import InputError


def learning_rate(step: int, *, steps: int, peak: float, warmup: float = 0.05) -> float:
    """Linear warm-up over the first 5 % of the steps, then a cosine down to zero."""
    done = (step + 1) / steps
    return peak * (done / warmup if done < warmup else 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup))))


def set_rate(optimizer: torch.optim.Optimizer, step: int, recipe: Recipe) -> None:
    """The learning rate of this step: up to ``recipe.lr`` over the first 5 % of the steps, then a cosine down to 0."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(step, steps=recipe.steps, peak=recipe.lr)


def clip_gradient(
    module: nn.Module, max_norm: float, *, name: str = "the gradient", advice: str = "start again with a lower lr"
) -> float:
    """Shorten the gradient to ``max_norm`` where it is longer. Returns its norm before.

    Raises ``InputError`` for a gradient that is not finite: called before the optimizer's step, it saves the weights.
    Where it is NaN at the very first step, no learning rate is to blame: see ``gate.require_gradient``.
    """
    weights = [weight for weight in module.parameters() if weight.grad is not None]
    total = torch.nn.utils.get_total_norm([weight.grad for weight in weights])
    norm = total.item()
    if not math.isfinite(norm):
        raise InputError(f"{name} is {norm}{where_not_finite(module)}: the weights were left as they were; {advice}")
    torch.nn.utils.clip_grads_with_norm_(weights, max_norm, total)  # with the line above, torch's clip_grad_norm_
    return norm


def where_not_finite(module: nn.Module) -> str:
    """Which weights have a gradient that is not finite, in words."""
    named = [(name, weight.grad) for name, weight in module.named_parameters() if weight.grad is not None]
    bad = [name for name, gradient in named if not gradient.isfinite().all()]
    return f" (in {len(bad)} of {len(named)} weights, the first {bad[0]})" if bad else " (its square overflows)"
