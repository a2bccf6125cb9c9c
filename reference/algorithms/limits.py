"""The numbers of a recipe and what each may be, in one place for every kind of recipe.

A number outside its limits is refused before anything is loaded or sampled. The upper ones are generous: they keep the
gradient, whose squares are added up in float32, from overflowing where no model could have learned anything.
"""

import math

from reference.algorithms.recipes import Recipe, options_of
from reference.objectives.shapes import InputError

WEIGHTS = ("kl_coef", "entropy_coef", "sft_coef", "length_coef", "vf_coef")  # of terms of the loss or the reward
COUNTS = ("pool", "steps", "prompts_per_step", "group_size", "inner_epochs", "minibatches", "max_rounds",
          "max_new_tokens", "micro_batch_size", "top_k")  # fmt: skip
LIMITS = {  # the least, and the most
    **dict.fromkeys(WEIGHTS, (0, 1e6)),
    **dict.fromkeys(COUNTS, (1, 2**31 - 1)),
    "ref_sync_every": (0, 2**31 - 1),
    "lr": (0, 1),  # AdamW moves every weight by about so much in a step
    "critic_lr": (0, 1),
    "max_grad_norm": (0, math.inf),
    "temperature": (1e-3, 1e6),  # logits are divided by it
    "top_p": (1e-6, 1),
    "beta": (1e-6, 1e6),
    "target_margin": (0, 1e6),
    "kl_target": (1e-12, 1e6),
    "label_smoothing": (0, 1),
    "value_clip": (0, 1e6),
    "clip_low": (0, 1e6),
    "clip_high": (0, 1e6),
    "dual_clip": (0, 1e6),
}
ABOVE = ("max_grad_norm", "value_clip")  # 0 is not among them


def require_limits(recipe: Recipe) -> None:
    """Raise ``InputError`` for the first number of the recipe that is outside its limits, infinite or NaN."""
    for column in options_of(recipe.kind):
        value = getattr(recipe, column.name)
        if column.name in LIMITS and value is not None:
            require_limit(column.name, value)


def require_limit(name: str, value: float) -> None:
    """Raise ``InputError`` for a number that is outside its limits, infinite or NaN."""
    least, most = LIMITS[name]
    positive = least > 0 or name in ABOVE
    if not math.isfinite(value) or value < least or (positive and value <= 0):
        told = "above 0" if positive and value <= 0 else f"that is at least {least:g}"
        raise InputError(f"{name} is {value}, expected a finite number {told}")
    if value > most:
        raise InputError(f"{name} is {value}, expected a finite number that is at most {most:g}")


def require_two(recipe: Recipe) -> None:
    """Refuse groups of one where pairs are made of them."""
    if recipe.group_size < 2:
        raise InputError(f"group_size is {recipe.group_size}, expected at least 2: a pair is a right and a wrong one")
