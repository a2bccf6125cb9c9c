"""Options that were typed and that nothing would read: the run would be the same without them, so they are refused.

Only what stands in the command line is asked. A row of the table may hold a number that its other entries leave unread
(GRPO names an estimator of a KL whose weight is 0), and so may the config.json of a run.
"""

from pathlib import Path

from reference.objectives.shapes import InputError
from reference.training.files import pasted
from reference.training.recipes import RECIPES, Recipe
from reference.training.runs import is_run, read_options

SMOOTHED = ("cdpo", "robust_dpo")


def require_read(recipe: Recipe, typed: set[str]) -> None:
    """Raise ``InputError`` for the first option that was typed and that the recipe, as it is now, does not read.

    ``none`` asks for nothing, and is accepted.
    """
    for name, why in unread(recipe).items():
        if name in typed and getattr(recipe, name, "") is not None:
            raise InputError(f"nothing reads {flag(name)} here, since {why}: leave it out")


def unread(r: Recipe) -> dict[str, str]:
    """The options that nothing reads, of those that the recipe's command has, and why."""
    if r.kind == "reward":
        return {"eval_samples": "a reward model is measured on pairs, one of each held-out problem"}
    if r.kind == "preference":
        return unread_of_pairs(r)
    return unread_of_rl(r) if r.kind == "rl" else {}


def unread_of_pairs(r: Recipe) -> dict[str, str]:
    found: dict[str, str] = {}
    if r.loss not in SMOOTHED:
        found["label_smoothing"] = f"loss is {r.loss}, and only {' and '.join(SMOOTHED)} expect wrong labels"
    if r.loss != "simpo":
        found["target_margin"] = f"loss is {r.loss}, and only simpo has a margin to reach"
    if r.online:
        found["pool"] = "the recipe is online and draws new pairs at every step"
    return found


def unread_of_rl(r: Recipe) -> dict[str, str]:
    found: dict[str, str] = {}
    if not r.kl_coef:
        found |= dict.fromkeys(("kl", "kl_place"), "kl_coef is 0 (give the KL a weight with --kl-coef to have one)")
    if r.loss == "reinforce":
        found |= dict.fromkeys(("clip_low", "clip_high"), "loss is reinforce, which clips nothing")
    if not r.critic:
        found |= dict.fromkeys(("gae_lambda", "critic_lr"), "there is no critic")
    if not r.critic and r.advantage != "reinforce_plus_plus":
        found["gamma"] = f"advantage {r.advantage} has no returns over time to discount"
    return found


def require_read_by_evaluate(run: str, typed: set[str]) -> None:
    """The same for ``evaluate``: a reward model writes nothing, and the options of its pairs are those of its run."""
    if not is_run(folder := Path(run)):
        return
    recipe = RECIPES.get(read_options(folder)["recipe"])
    if recipe and recipe.kind == "reward" and (names := sorted(typed & {"samples", "max_new_tokens"})):
        raise InputError(
            f"nothing reads {flag(names[0])} here, since {pasted(folder)} is a reward model, which is measured on pairs as "
            "its run made them: leave it out"
        )


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")
