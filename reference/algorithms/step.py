"""What every loop has in common: the optimizer, the learning rate, and the gradient before it is used."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import torch
from torch import Tensor, nn

from reference.algorithms.recipes import Recipe
from reference.objectives.shapes import InputError
from reference.world.workers import in_parallel

Part = TypeVar("Part")
Rest = TypeVar("Rest")


def new_optimizer(recipe: Recipe, model: nn.Module, critic: nn.Module | None = None) -> torch.optim.AdamW:
    """AdamW on the policy and, at its own learning rate, on the critic."""
    groups = [{"params": list(model.parameters()), "lr": recipe.lr}]
    if critic is not None:
        groups.append({"params": list(critic.parameters()), "lr": recipe.critic_lr})
    return torch.optim.AdamW(groups, betas=(0.9, 0.95), weight_decay=0.0)


def learning_rate(step: int, *, steps: int, peak: float, warmup: float = 0.05) -> float:
    """Linear warm-up over the first 5 % of the steps, then a cosine down to zero."""
    done = (step + 1) / steps
    return peak * (done / warmup if done < warmup else 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup))))


def set_rate(optimizer: torch.optim.Optimizer, step: int, recipe: Recipe) -> None:
    """The learning rate of this step: up to ``recipe.lr`` over the first 5 % of the steps, then a cosine down to 0."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(step, steps=recipe.steps, peak=recipe.lr)


def trainable(optimizer: torch.optim.Optimizer, *modules: nn.Module | None) -> list[Tensor]:
    """The weights that get a gradient: those of the modules, and what else the optimizer moves (a loss may have its own)."""
    weights = [weight for module in modules if module is not None for weight in module.parameters()]
    weights += [weight for group in optimizer.param_groups for weight in group["params"]]
    return list({id(weight): weight for weight in weights if weight.requires_grad}.values())


def backward(
    loss_of: Callable[[Part], tuple[Tensor, Rest]], parts: Iterable[Part], leaves: list[Tensor], *, workers: int
) -> Iterator[Rest]:
    """``loss.backward()`` for the loss of every part, added up at ``leaves``. Yields what else ``loss_of`` returns.

    With several workers each part's gradient is a set of tensors of its own until it is added. They are added in the
    order of the parts, so the sum is the same for any number of workers, bit by bit.
    """
    if any(leaf._post_accumulate_grad_hooks for leaf in leaves):
        workers = 1  # somebody wants to know when a gradient is added: ``loss.backward`` says so
    if workers == 1:
        for part in parts:
            loss, rest = loss_of(part)
            loss.backward()
            yield rest
        return

    def gradients_of(part: Part) -> tuple[tuple[Tensor | None, ...], Rest]:
        loss, rest = loss_of(part)
        return torch.autograd.grad(loss, leaves, allow_unused=True), rest

    for gradients, rest in in_parallel(gradients_of, parts, workers=workers):
        for leaf, gradient in zip(leaves, gradients, strict=True):
            if gradient is not None:
                leaf.grad = gradient.clone() if leaf.grad is None else leaf.grad.add_(gradient)
        yield rest


def clip_gradient(
    module: nn.Module,
    max_norm: float | None,
    *,
    name: str = "the gradient",
    advice: str = "start again with a lower lr",
) -> float:
    """Shorten the gradient to ``max_norm`` where it is longer; ``None``: leave it. Returns its norm before.

    Raises ``InputError`` for a gradient that is not finite: called before the optimizer's step, it saves the weights.
    Where it is NaN at the very first step, no learning rate is to blame: see ``gate.require_gradient``.
    """
    weights = [weight for weight in module.parameters() if weight.grad is not None]
    total = torch.nn.utils.get_total_norm([weight.grad for weight in weights])
    norm = total.item()
    if not math.isfinite(norm):
        raise InputError(f"{name} is {norm}{where_not_finite(module)}: the weights were left as they were; {advice}")
    if max_norm is not None:
        torch.nn.utils.clip_grads_with_norm_(weights, max_norm, total)  # with the norm above, torch's clip_grad_norm_
    return norm


def where_not_finite(module: nn.Module) -> str:
    """Which weights have a gradient that is not finite, in words."""
    gradients = [(name, weight.grad) for name, weight in module.named_parameters() if weight.grad is not None]
    bad = [name for name, gradient in gradients if not gradient.isfinite().all()]
    return f" (in {len(bad)} of {len(gradients)} weights, the first {bad[0]})" if bad else " (its square overflows)"
