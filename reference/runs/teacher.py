"""--teacher RUN: the model that a policy learns from token by token. A run stands for its newest checkpoint."""

import os
from dataclasses import replace
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.algorithms.distill import TRAIN_ONE, asks_teacher
from reference.algorithms.recipes import Recipe, is_model
from reference.algorithms.teacher import load_teacher, require_teacher
from reference.objectives.shapes import InputError
from reference.runs.folder import is_run, read_options
from reference.runs.measure import newest_model
from reference.world.model import SHIPPED


def teacher_source(teacher: str | None) -> str | None:
    """The folder of the teacher, whole: of a run its newest checkpoint, so that a resumed run has the same. Names stay.

    Raises ``InputError`` for the run of a reward model, and for one without a checkpoint.
    """
    if teacher is None or teacher in SHIPPED or not os.path.isdir(teacher):
        return teacher
    if not is_run(Path(teacher)):
        return os.path.realpath(teacher)
    recipe = read_options(Path(teacher))["recipe"]
    if not is_model(recipe):
        raise InputError(
            f"{teacher} is a run of {recipe}, which writes nothing: name the run of a policy ({TRAIN_ONE})"
        )
    return os.path.realpath(newest_model(teacher))


def require_named(recipe: Recipe) -> None:
    """Refuse a recipe that learns from a teacher and has none, before anything is loaded."""
    if asks_teacher(recipe) and recipe.teacher is None:
        raise InputError(
            f"{recipe.name} learns from a teacher, and none is named: name the run of a better model with --teacher ({TRAIN_ONE})"
        )


def with_teacher(recipe: Recipe, start: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Recipe:
    """The recipe with the teacher itself in its slot, where one is named there. ``start``: what the policy is at first."""
    if not isinstance(recipe.teacher, str):
        return recipe
    teacher = load_teacher(SHIPPED.get(recipe.teacher, recipe.teacher), tokenizer, device=start.device)
    require_teacher(teacher, start, tokenizer, recipe.teacher)
    return replace(recipe, teacher=teacher)
