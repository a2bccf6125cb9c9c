"""Rewards: what a completion earns, before lengths are priced and anything is compared. One entry for each.

    success    the verifier's word
    rubric     points of a judge who reads the trajectory and does not know the right answer

What calls cost is taken off both. A reward model may stand there too, or several: ``proxy``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from reference.algorithms.recipes import Recipe
from reference.algorithms.registry import entry_of, name_of
from reference.evaluation.tool_answers import stated_answer, tool_results
from reference.objectives import mean_of, trajectory_reward, worst_of
from reference.objectives.shapes import InputError

if TYPE_CHECKING:
    from reference.world.completions import Completions
    from reference.world.tool_rollout import Trajectory


@dataclass(frozen=True)
class Reward:
    """A reward: its function, and what the rest of the package asks about it."""

    function: Callable[[Completions, Recipe], Tensor]  # -> (rows,)
    words: str  # for the comparison table
    needs_tools: bool = False


def success(c: Completions, r: Recipe) -> Tensor:
    return priced(c.correct, c, r)


def rubric(c: Completions, r: Recipe) -> Tensor:
    return priced(c.of_rows([sum(points(trajectory).values()) / 4 for trajectory in c.trajectories or []]), c, r)


def priced(earned: Tensor, c: Completions, r: Recipe) -> Tensor:
    """(rows,): less the prices of the calls, plus the bonus for those that could be run."""
    return trajectory_reward(
        earned, c.calls(), c.calls(failed=True),
        call_price=r.call_price, invalid_price=r.invalid_price, valid_bonus=r.valid_bonus,
    )  # fmt: skip


def points(trajectory: Trajectory) -> dict[str, bool]:
    """The rubric: four questions about a trajectory, a quarter of the reward each. Nobody computes the right answer."""
    answer = stated_answer(trajectory)
    return {
        "it calls the tool": bool(trajectory.calls),
        "every call could be run": bool(trajectory.calls)
        and all(result.kind == "ok" for _, result in trajectory.calls),
        "it ends with an answer": answer is not None,
        "the tool has returned that number": answer is not None and answer in tool_results(trajectory),
    }


REWARDS = {
    "success": Reward(success, "the verifier's word, less the price of calls"),
    "rubric": Reward(rubric, "a judge's points for how it was done, without the right answer", needs_tools=True),
}


ENSEMBLES = {"mean": mean_of, "worst": worst_of}


def member_rewards(completions: Completions, recipe: Recipe) -> Tensor:
    """(members, rows) what the completions earn, by each of the recipe's rewards; most recipes have one.

    Raises ``InputError`` where a function of your own returns no finite number.
    """
    rewards = torch.stack([entry.function(completions, recipe) for entry in rewards_in(recipe)])
    if not rewards.isfinite().all():
        member, row = (~rewards.isfinite()).nonzero()[0].tolist()
        raise InputError(
            f"reward is a function of your own, which returned {rewards[member, row].item()} for completion {row}: return a "
            "finite number for every one"
        )
    return rewards.detach()  # nothing is learned through a reward


def combined(rewards: Tensor, recipe: Recipe) -> Tensor:
    """(members, rows) -> (rows,): that of the one member, or what the recipe's ``ensemble`` makes of several.

    Each member stands on its own origin already (``reward_by``), so no baseline is left to take off.
    """
    return rewards[0] if len(rewards) == 1 else ENSEMBLES[recipe.ensemble](rewards, rewards.new_zeros(len(rewards)))


def rewards_in(recipe: Recipe) -> list[Reward]:
    """The entries of the recipe's reward, or of each where it has several."""
    several = recipe.reward if isinstance(recipe.reward, tuple) else (recipe.reward,)
    return [reward_of(replace(recipe, reward=one)) for one in several]


def reward_of(recipe: Recipe) -> Reward:
    """The entry of the recipe's reward; for a function of your own one that says nothing but its name."""
    if callable(recipe.reward):
        return Reward(recipe.reward, name_of(recipe.reward))
    if recipe.reward not in REWARDS and os.path.isdir(recipe.reward):
        raise InputError(
            f"reward is the folder {recipe.reward}, which only the command line loads: pass reward_by(load_proxy(folder, "
            "tokenizer)) of reference.algorithms.proxy"
        )
    return entry_of(REWARDS, recipe.reward, "reward")
