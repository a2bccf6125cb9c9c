"""The memory of a step, ours and TRL's, counted and compared: python -m reference bench --memory"""

import copy
import gc
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.algorithms.data import OnStep
from reference.algorithms.recipes import Recipe
from reference.algorithms.rl import train_rl
from reference.algorithms.step import new_optimizer
from reference.engines.trl.trainer import run_trl
from reference.runs.tensor_memory import memory_spans


def step_memory(
    recipe: Recipe, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, sizes: tuple[int, int], seed: int = 0
) -> list[dict[str, Any]]:
    """The second step of each side with its rows per forward pass in ``sizes``, and of ours once more with TRL's.

    The first step makes the optimizer's state and all else that stays. What is there when the second begins is ``held``:
    weights, optimizer, what the first left behind. Sides are measured one after the other, each from a copy of the model.
    """
    size, trl_size = sizes
    cases = [("ours", size), ("TRL", trl_size)] + ([("ours", trl_size)] if size != trl_size else [])
    return [
        memory_of(name, replace(recipe, steps=2, micro_batch_size=rows), model, tokenizer, seed=seed)
        for name, rows in tqdm(cases, desc="memory", leave=False)
    ]


def memory_of(
    name: str, recipe: Recipe, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, seed: int
) -> dict[str, Any]:
    """Bytes of the last of the recipe's two steps, and its completion tokens."""
    tokens: list[float] = []
    gc.collect()  # or what another side has left in circles would be freed, and not counted, while this one is measured
    with memory_spans(model.device) as (mark, spans):

        def on_step(step: int, metrics: dict[str, float]) -> bool:
            tokens.append(metrics["length"] * recipe.prompts_per_step * recipe.group_size)
            mark()
            return False

        LOOPS[name](recipe, model, tokenizer, on_step, seed)
        gc.collect()  # while torch still notes what is freed: the next count begins without leftovers
    return {"side": name, "micro_batch_size": recipe.micro_batch_size, "tokens": tokens[-1], **spans[-1]._asdict()}


def our_steps(
    recipe: Recipe, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, on_step: OnStep, seed: int
) -> None:
    mine, ref_model = copy.deepcopy(model), copy.deepcopy(model) if recipe.kl_coef else None
    train_rl(mine, tokenizer, new_optimizer(recipe, mine), recipe, on_step=on_step, ref_model=ref_model, seed=seed)


def trl_steps(
    recipe: Recipe, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, on_step: OnStep, seed: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run_trl(
            recipe, model=copy.deepcopy(model), tokenizer=tokenizer, out=Path(folder), seed=seed,
            device=model.device.type, on_step=on_step,
        )  # fmt: skip


LOOPS = {"ours": our_steps, "TRL": trl_steps}
