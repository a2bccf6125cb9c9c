"""What a recipe names, called once on completions of nothing, before anything is sampled.

The objectives know their own limits and refuse what they cannot take. A function of your own must return a tensor of the
shape that ``recipes`` states, and a loss must have a gradient.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from reference.algorithms.advantages import advantage_of, gae_of
from reference.algorithms.aggregation import aggregation_of
from reference.algorithms.collect import samples_as_it_trains
from reference.algorithms.data import Counts, Experience, PairLogprobs
from reference.algorithms.kl import kl_of
from reference.algorithms.losses import loss_of
from reference.algorithms.preference_losses import preference_loss_of
from reference.algorithms.recipes import Recipe
from reference.objectives.shapes import InputError
from reference.world.completions import Completions, Problem
from reference.world.rollout import Rollout
from reference.world.tasks import draw_problem
from reference.world.tool_rollout import Trajectory
from reference.world.tool_tasks import draw_tool_problem

MOST_ROWS = 2**14  # groups of millions would only take memory
PRED = 2  # tokens of each completion


def try_slots(recipe: Recipe, *, reference: bool, device: torch.device) -> None:
    """Call reward, advantage, loss, aggregation and KL. ``reference``: whether there is one in training."""
    group_size = min(recipe.group_size, MOST_ROWS)
    prompts = min(recipe.prompts_per_step, MOST_ROWS // group_size)
    recipe = replace(recipe, group_size=group_size, prompts_per_step=prompts)
    rows = prompts * group_size
    per_token = {"(rows, pred)": (rows, PRED)}
    nothing = experience_of_nothing(recipe, rows, reference, device)
    new = nothing.old_logprobs.clone().requires_grad_()  # what the policy says of the same tokens

    for reward in recipe.reward if isinstance(recipe.reward, tuple) else (recipe.reward,):
        if callable(reward):
            one, written = replace(recipe, reward=reward), completions_of_nothing(recipe, nothing)
            call(one, "reward", reward, {"(rows,)": (rows,)}, written, one)
    shapes = {"(rows,)": (rows,), "(rows, 1)": (rows, 1), **per_token}
    if loss_of(recipe).reads_advantage:
        advantages = call(recipe, "advantage", advantage_of(recipe).function, shapes, nothing, recipe)
        nothing = replace(nothing, advantages=advantages[:, None] if advantages.dim() == 1 else advantages)
    token_loss = call(recipe, "loss", loss_of(recipe).function, per_token, new, nothing, recipe)
    require_gradient(recipe, "loss", token_loss)
    counts = Counts(PRED * rows, rows, rows, recipe.max_new_tokens)
    aggregate = aggregation_of(recipe).function
    total = call(recipe, "aggregation", aggregate, {"(), a scalar": ()}, token_loss, nothing.mask, counts)
    require_gradient(recipe, "aggregation", total)
    if recipe.kl_coef or (reference and recipe.kl_place == "reward"):
        old = nothing.old_logprobs
        kl = call(recipe, "kl", kl_of(recipe).function, per_token, new, old, old)
        if recipe.kl_place == "loss":
            require_gradient(recipe, "kl", kl)


def experience_of_nothing(recipe: Recipe, rows: int, reference: bool, device: torch.device) -> Experience:
    """Completions that say nothing and are right by turns, with every part that those of training have."""
    tokens = torch.zeros(rows, 1 + PRED, dtype=torch.long, device=device)
    index = torch.arange(rows, device=device)
    logprobs = torch.full((rows, PRED), -1.0, device=device)
    zero = torch.zeros_like(logprobs)
    rewards = (index % 2).float()
    token_rewards = zero.clone()
    token_rewards[:, -1] = rewards
    nothing = Experience(
        tokens=tokens, attention_mask=torch.ones_like(tokens, dtype=torch.bool), prompt_width=1,
        group=index // recipe.group_size, mask=zero == 0, old_logprobs=logprobs, rewards=rewards,
        token_rewards=token_rewards, ref_logprobs=logprobs if reference else None,
        teacher_logprobs=None if recipe.teacher is None else logprobs, **logits_of_nothing(recipe, rows, device),
        correction=None if samples_as_it_trains(recipe) else torch.ones_like(zero),
    )  # fmt: skip
    if not recipe.critic:
        return nothing
    nothing = replace(nothing, values=zero)
    gae = gae_of(nothing, recipe)
    return replace(nothing, gae=gae, returns=gae)


def logits_of_nothing(recipe: Recipe, rows: int, device: torch.device) -> dict[str, Tensor]:
    """Those of a policy and a teacher that know two tokens, where the recipe has a teacher."""
    if recipe.teacher is None:
        return {}
    logits = torch.zeros(rows, PRED + 1, 2, device=device)
    return {"logits": logits.clone().requires_grad_(), "teacher_logits": logits}


def completions_of_nothing(recipe: Recipe, nothing: Experience) -> Completions:
    """The same as they are sampled, before anything is compared; with tools trajectories that call none and end with 0."""
    rows, mask = len(nothing.tokens), nothing.mask
    cut = torch.zeros(rows, dtype=torch.bool, device=mask.device)
    rollout = Rollout(nothing.tokens, nothing.attention_mask, mask, nothing.old_logprobs, cut, nothing.prompt_width)
    if recipe.task != "tools":
        problems: list[Problem] = [draw_problem(random.Random(0))] * rows
        return Completions(rollout, problems, nothing.rewards)
    trajectory = Trajectory([0] * PRED, [True] * PRED, [-1.0] * PRED, [], "Answer: 0", "answer")
    return Completions(rollout, [draw_tool_problem(random.Random(0))] * rows, nothing.rewards, [trajectory] * rows)


def try_pair_loss(recipe: Recipe, *, reference: bool, device: torch.device) -> None:
    """Call a loss of preferences, on two pairs. ``reference``: whether there is one in training."""
    two = torch.full((2,), -1.0, device=device)
    ref = two if reference else None
    new = [two.clone().requires_grad_() for _ in range(4)]
    pairs = PairLogprobs(*new, ref, ref, torch.zeros((), device=device))
    loss = call(recipe, "loss", preference_loss_of(recipe).function, {"(pairs,)": (2,)}, pairs, recipe)
    require_gradient(recipe, "loss", loss)


def call(
    recipe: Recipe, slot: str, function: Callable[..., Tensor], shapes: dict[str, tuple[int, ...]], *inputs: Any
) -> Tensor:
    """What the function of a slot returns. One of your own is refused where it raises, or returns no such shape."""
    if not callable(getattr(recipe, slot)):
        return function(*inputs)
    try:
        with torch.enable_grad():
            result = function(*inputs)
    except Exception as error:
        raise InputError(
            f"{slot} is a function of your own, which raised {type(error).__name__} when it was tried: {error}"
        ) from error
    found = f"shape {tuple(result.shape)}" if isinstance(result, Tensor) else f"a {type(result).__name__}"
    if not isinstance(result, Tensor) or tuple(result.shape) not in shapes.values():
        expected = " or ".join(f"{words}, here {shape}" for words, shape in shapes.items())
        raise InputError(f"{slot} is a function of your own, which returned {found}, expected a tensor {expected}")
    if not result.is_floating_point():  # of counts and of comparisons: they have no mean
        raise InputError(
            f"{slot} is a function of your own, which returned {str(result.dtype).removeprefix('torch.')}, expected "
            "floating-point numbers: end it with .float()"
        )
    return result


def require_gradient(recipe: Recipe, slot: str, result: Tensor) -> None:
    """Refuse a function of your own that would train nothing."""
    if callable(getattr(recipe, slot)) and not result.requires_grad:
        raise InputError(
            f"{slot} is a function of your own, and what it returned has no gradient: compute it from its first argument, "
            "without detach() or no_grad()"
        )
