"""Steps of one checkout of this repository, one for every number on standard input. ``bench_before`` runs this file with
PYTHONPATH at the checkout.

It calls only what every checkout of this repository is expected to have, so the file of one can time the steps of
another. Each step starts from the model as it was loaded, with an optimizer of its own, and with the problems and seeds
of its number: two checkouts that agree sample the same completions.
"""

from __future__ import annotations

import copy
import json
import os
import sys
import time
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import torch

import reference
from reference.algorithms.recipes import Recipe
from reference.algorithms.rl import train_rl
from reference.algorithms.step import new_optimizer
from reference.world.model import load

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def main(options: dict[str, Any]) -> None:
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints is no reply

    def reply(**entries: object) -> None:
        print(json.dumps(entries), file=replies, flush=True)

    known = {field.name for field in fields(Recipe)}  # a column that came later is unknown here
    recipe = Recipe(**{name: value for name, value in options["recipe"].items() if name in known})
    start, tokenizer = load(options["model"], device=options["device"])
    model = copy.deepcopy(start)
    reply(package=os.path.dirname(os.path.realpath(reference.__file__)))
    for line in sys.stdin:  # ends when the process that asks does
        step = int(line)
        model.load_state_dict(start.state_dict())
        seconds, tokens = take_step(step, model, start, tokenizer, recipe, options["seed"])
        reply(seconds=seconds, tokens=tokens)


def take_step(
    step: int,
    model: PreTrainedModel,
    start: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    recipe: Recipe,
    seed: int,
) -> tuple[float, float]:
    """Seconds of the step, and completion tokens in it."""
    optimizer = new_optimizer(recipe, model)
    lengths: list[float] = []
    began = clock(model.device)
    train_rl(
        model, tokenizer, optimizer, replace(recipe, steps=step + 1), first_step=step, seed=seed,
        ref_model=start if recipe.kl_coef else None, on_step=lambda _, metrics: lengths.append(metrics["length"]),
    )  # fmt: skip
    return clock(model.device) - began, lengths[0] * recipe.prompts_per_step * recipe.group_size


def clock(device: torch.device) -> float:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
    return time.perf_counter()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
