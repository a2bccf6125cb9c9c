"""--reward RUN: the run of a reward model, or its model's folder, where the verifier would stand."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from reference.algorithms.proxy import load_proxy, reward_by
from reference.algorithms.recipes import RECIPES, Recipe
from reference.algorithms.rewards import REWARDS
from reference.objectives.shapes import InputError
from reference.runs.folder import is_run, read_options
from reference.runs.measure import newest_model


def is_proxy(recipe: Recipe) -> bool:
    """Whether the recipe names the folder of a reward model as its reward."""
    return recipe.kind == "rl" and isinstance(recipe.reward, str) and recipe.reward not in REWARDS


def proxy_source(reward: str) -> str:
    """The folder of the reward model: of a run its newest checkpoint, so that a resumed run has the same. Names of rewards
    stay. Raises ``InputError`` for a run of another kind, and for one without a checkpoint."""
    folder = Path(reward)
    if reward in REWARDS or not is_run(folder):
        return reward
    recipe = read_options(folder)["recipe"]
    if recipe not in RECIPES or RECIPES[recipe].kind != "reward":
        raise InputError(f"{folder} is a run of {recipe}, which gives no rewards: name a run of reward-model")
    return str(newest_model(reward))


def with_proxy(recipe: Recipe, tokenizer: PreTrainedTokenizerBase, device: Any) -> Recipe:
    """The recipe with the reward model itself in the slot of the reward, where a folder is named there."""
    if not is_proxy(recipe):
        return recipe
    require_chains(recipe)
    return replace(recipe, reward=reward_by(load_proxy(str(recipe.reward), tokenizer, device=device)))


def require_chains(recipe: Recipe) -> None:
    """Refuse what a reward model cannot stand for: trajectories with tools, and a choice of groups by the verifier's word."""
    if recipe.task == "tools":
        raise InputError(
            "reward is a reward model, which has read chains only, and task is 'tools': choose 'success' or 'rubric'"
        )
    if recipe.max_rounds > 1:
        raise InputError(
            f"max_rounds is {recipe.max_rounds}, which samples again where the verifier finds a group all right or all wrong, and "
            "reward is a reward model, which stands where no verifier is: set max_rounds to 1"
        )
