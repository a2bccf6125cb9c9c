"""--reward RUN: the run of a reward model, or its model's folder, where the verifier would stand; or several of them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from reference.algorithms.proxy import baseline_of, load_proxy, reward_by
from reference.algorithms.recipes import RECIPES, Recipe
from reference.algorithms.rewards import REWARDS
from reference.objectives.shapes import InputError
from reference.runs.folder import is_run, read_options
from reference.runs.measure import newest_model
from reference.world.weights import fingerprint


def is_proxy(recipe: Recipe) -> bool:
    """Whether the recipe names the folder of a reward model as its reward."""
    names = named(recipe)
    return recipe.kind == "rl" and bool(names) and not any(name in REWARDS for name in names)


def named(recipe: Recipe) -> tuple[str, ...]:
    """What the recipe names as its reward: one, or several folders; none where a function of your own is there."""
    several = recipe.reward if isinstance(recipe.reward, tuple) else (recipe.reward,)
    return tuple(name for name in several if isinstance(name, str))


def proxy_words(recipe: Recipe) -> str:
    """What rewards, for the first lines of a run: a folder, or how several are combined, and which."""
    names = named(recipe)
    return names[0] if len(names) == 1 else f"{recipe.ensemble} of {', '.join(names)}"


def proxy_sources(reward: str | tuple[str, ...]) -> str | tuple[str, ...]:
    """``proxy_source`` of one, or of each. Raises ``InputError`` also for a copy of another one."""
    if isinstance(reward, str):
        return proxy_source(reward)
    folders = tuple(proxy_source(name) for name in reward)
    require_no_copy(folders)
    return folders


def require_no_copy(folders: tuple[str, ...]) -> None:
    """Refuse two folders that hold the same weights: they are one reward model, and an ensemble would count it double."""
    first: dict[str, str] = {}
    for folder in folders:
        weights = fingerprint(folder)
        if weights and first.setdefault(weights, folder) != folder:
            raise InputError(
                f"{folder} holds the same weights as {first[weights]}, so this reward model would count double: name one of "
                "the two folders"
            )


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
    models = [load_proxy(folder, tokenizer, device=device) for folder in named(recipe)]
    if len(models) == 1:
        return replace(recipe, reward=reward_by(models[0]))
    return replace(recipe, reward=tuple(reward_by(model, baseline=baseline_of(model, tokenizer)) for model in models))


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
