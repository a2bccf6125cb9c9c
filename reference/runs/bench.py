"""The speed of our RL step beside another's, on the same model, prompts and settings, taking turns: python -m reference bench

A step is a rollout with its optimizer steps. The other is TRL's trainer, which runs as it always does; between two of its
steps, ours takes one of its own. Or it is the loop of another checkout (``bench_before``). What is compared are the two
times of each turn, so that whatever else the machine does meets both.

``bench`` measures, ``bench_report`` makes text of it; ``bench_memory`` counts the memory of a step.
"""

import copy
import random
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.algorithms.recipes import Recipe
from reference.algorithms.rl import train_rl
from reference.algorithms.step import new_optimizer
from reference.engines.trl.data import draw_problems
from reference.engines.trl.trainer import run_trl
from reference.objectives.shapes import InputError
from reference.runs.bench_before import HERE, commit_of, turns_with_checkout
from reference.runs.bench_memory import step_memory
from reference.runs.bench_turns import WARM_UP, Turn, flops, ratio, side
from reference.runs.busy import busy_processes
from reference.runs.machine import machine, matmul_peak, matmul_size, synchronize, versions
from reference.runs.tensor_memory import require_counter
from reference.world.model import BASE
from reference.world.reader import context_length
from reference.world.rollout import encode_prompts
from reference.world.tasks import MAX_STEPS, draw_problem

FASTEST = (16, 32)  # rows per forward pass on a CPU, ours and TRL's


def require_room(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, recipe: Recipe) -> None:
    """Refuse a model whose context is too short: the gate would advise a lower budget, and bench has no such option."""
    longest = encode_prompts(tokenizer, [draw_problem(random.Random(0), num_steps=MAX_STEPS)])[0]
    positions, context = len(longest) + 1 + recipe.max_new_tokens, context_length(model)  # + 1 as in the gate
    if context is not None and positions > context:
        raise InputError(
            f"prompt and completion need {positions} positions, the model has {context}: bench runs {recipe.name} as it "
            "stands in the table, so take a model with more"
        )


def require_one_gpu(device: torch.device) -> None:
    """Refuse what would not be the same for both: TRL's trainer takes all GPUs that it sees, ours takes one."""
    if device.type == "cuda" and (count := torch.cuda.device_count()) > 1:
        raise InputError(
            f"there are {count} GPUs, and TRL's trainer would take all of them, ours one: write CUDA_VISIBLE_DEVICES="
            f"{device.index or 0} before the command, and --device cuda"
        )


def bench(
    recipe: Recipe,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    turns: int = 10,
    seed: int = 0,
    micro_batch_size: int | None = None,
    trl_micro_batch_size: int | None = None,
    busy: int = 0,
    memory: bool = False,
    before: Path | None = None,
    source: str | Path = BASE,
) -> dict[str, Any]:
    """Take so many turns, after two to warm up. All that was measured, in plain numbers. ``model`` is not changed.

    ``busy``: processes that spin beside the turns. ``memory``: also count the memory of a step. ``before``: a checkout
    whose loop is compared in the place of TRL, with our rows per forward pass; it loads the model from ``source``.
    """
    if memory:
        require_counter(model.device)  # now, and not when the turns have been taken
    usual, trl_usual = usual_sizes(recipe, model.device)
    size, trl_size = micro_batch_size or usual, trl_micro_batch_size or trl_usual
    recipe = replace(recipe, steps=turns + WARM_UP, micro_batch_size=size)
    with busy_processes(busy):
        if before is not None:
            taken = turns_with_checkout(recipe, before, source=source, device=model.device, seed=seed)
        else:
            require_one_gpu(model.device)
            taken = turns_with_trl(recipe, model, tokenizer, trl_micro_batch_size=trl_size, seed=seed)
    prompts = [len(ids) for ids in encode_prompts(tokenizer, draw_problems(recipe, seed=seed))]
    prompt_tokens = sum(prompts) / recipe.steps * recipe.group_size  # per step, over all rows
    peak = matmul_peak(model.device, size=matmul_size(model.device))
    work = {
        name: flops(model, recipe, turns=of_side[WARM_UP:], prompt_tokens=prompt_tokens)
        for name, of_side in taken.items()
    }
    sides = {
        name: {"micro_batch_size": trl_size if name == "TRL" else size}
        | side(of_side, rows=recipe.prompts_per_step * recipe.group_size, flops=work[name], peak=peak)
        for name, of_side in taken.items()
    }
    return {
        "recipe": asdict(recipe),
        "options": {
            "model": str(source), "turns": turns, "seed": seed, "busy": busy, "memory": memory,
            "before": before and str(before), "micro_batch_size": micro_batch_size,
            "trl_micro_batch_size": trl_micro_batch_size,
        },
        "commit": commit_of(HERE), "before_commit": before and commit_of(before),
        "machine": machine(model.device), "versions": versions(),
        "matmul": {"size": matmul_size(model.device), "flops_per_second": peak},
        "prompt_tokens": prompt_tokens,
        "sides": sides,
        "ratio": ratio(*(of_side[WARM_UP:] for of_side in taken.values())),
        "memory": step_memory(recipe, model, tokenizer, sizes=(size, trl_size), seed=seed) if memory else None,
    }  # fmt: skip


def usual_sizes(recipe: Recipe, device: torch.device) -> tuple[int, int]:
    """Rows per forward pass of training, ours and TRL's. They change nothing but speed and memory.

    Each side has its own best: on two CPU cores, of 16, 32, 64 and 128, it was 16 for ours, which pads less the fewer it
    takes, and 32 for TRL, which pads to the longest completion of the step. On a GPU both take a whole minibatch.
    """
    whole = recipe.prompts_per_step * recipe.group_size // recipe.minibatches
    return FASTEST if device.type == "cpu" else (whole, whole)


def turns_with_trl(
    recipe: Recipe,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    trl_micro_batch_size: int,
    seed: int = 0,
) -> dict[str, list[Turn]]:
    """``recipe.steps`` steps of each, one of TRL's and one of ours by turns."""
    ours: list[Turn] = []
    theirs: list[Turn] = []
    rows = recipe.prompts_per_step * recipe.group_size
    mine = copy.deepcopy(model)
    optimizer = new_optimizer(recipe, mine)
    ref_model = copy.deepcopy(model) if recipe.kl_coef else None

    def seconds() -> float:
        synchronize(model.device)
        return time.perf_counter()

    mark = seconds()

    def our_turn(step: int, metrics: dict[str, float]) -> bool:
        nonlocal mark
        theirs.append(Turn(seconds() - mark, metrics["length"] * rows))
        tokens: list[float] = []
        began = seconds()
        train_rl(
            mine, tokenizer, optimizer, replace(recipe, steps=step), first_step=step - 1, ref_model=ref_model, seed=seed,
            on_step=lambda _, metrics: tokens.append(metrics["length"] * rows) or False,
        )  # fmt: skip
        ours.append(Turn(seconds() - began, tokens[0]))
        bar.update()
        mark = seconds()
        return False

    with (
        tempfile.TemporaryDirectory() as folder,
        tqdm(total=recipe.steps, desc="bench", unit="turn", leave=False) as bar,
    ):
        run_trl(
            replace(recipe, micro_batch_size=trl_micro_batch_size), model=copy.deepcopy(model), tokenizer=tokenizer,
            out=Path(folder), seed=seed, device=model.device.type, on_step=our_turn,
        )  # fmt: skip
    return {"ours": ours, "TRL": theirs}
