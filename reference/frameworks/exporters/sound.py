"""Recipes that no config should be written for: a function without a name, and choices that do not go together."""

from reference.algorithms.advantages import advantage_of
from reference.algorithms.columns import Recipe, options_of
from reference.objectives.shapes import InputError

# Some framework has each of them, with options that are not written yet: nothing is said about who lacks them.
NOT_WRITTEN = {"loss": ("sapo", "vespo", "dppo", "gmpo", "luspo", "jsd"), "advantage": ("maxrl", "teacher")}


def require_sound(recipe: Recipe) -> None:
    """Raise ``InputError`` for what would be refused, or be another algorithm, wherever it is trained."""
    for column in options_of(recipe.kind):
        if callable(getattr(recipe, column.name)):
            raise InputError(
                f"{column.name} is a function of your own, which no config can name: export needs a name there"
            )
    for column, names in NOT_WRITTEN.items():
        if getattr(recipe, column) in names:
            raise InputError(
                f"{column} is {getattr(recipe, column)}, and export does not write it, for no framework: choose another"
            )
    for wrong, why in conflicts(recipe) if recipe.kind == "rl" else []:
        if wrong:
            raise InputError(why)


def conflicts(r: Recipe) -> list[tuple[bool, str]]:
    """Whether it is so, and what to say."""
    advantage, rows = advantage_of(r), r.prompts_per_step * r.group_size
    return [
        (rows % r.minibatches != 0, f"minibatches is {r.minibatches}, which does not divide the {rows} completions of a step"),
        (r.group_size == 1 and (advantage.needs_group or r.max_rounds > 1),
         f"group_size is 1, and advantage {r.advantage!r} and max_rounds {r.max_rounds} compare completions of one prompt: set it "
         "to 2 or more"),
        (advantage.needs_critic and not r.critic, f"advantage {r.advantage!r} needs a critic: choose --critic separate"),
        (bool(r.critic) and not advantage.reads_critic, f"advantage is {r.advantage!r}, which does not read the critic: set critic to none"),
        (bool(r.kl_coef) and (r.kl is None or r.kl_place is None),
         f"kl_coef is {r.kl_coef}, kl {r.kl} and kl_place {r.kl_place}: name estimator and place of the KL"),
    ]  # fmt: skip
