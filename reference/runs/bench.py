"""The speed of our RL step beside TRL's, on the same model, prompts and settings, taking turns: python -m reference bench

A step is a rollout with its optimizer steps. TRL's trainer runs as it always does; between two of its steps, ours takes
one of its own. What is compared are the two times of each turn, so that whatever else the machine does meets both.
"""

import copy
import random
import statistics
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.algorithms.recipes import Recipe
from reference.algorithms.rl import train_rl
from reference.engines.trl.data import draw_problems
from reference.engines.trl.trainer import run_trl
from reference.objectives.shapes import InputError
from reference.runs.launch import new_optimizer
from reference.world.reader import context_length
from reference.world.rollout import encode_prompts
from reference.world.tasks import MAX_STEPS, draw_problem

WARM_UP = 2  # turns that are not counted
FASTEST = (16, 32)  # rows per forward pass on a CPU, ours and TRL's


@dataclass(frozen=True)
class Turn:
    """Seconds of one step and completion tokens that it sampled and trained on."""

    seconds: float
    tokens: float


def require_room(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, recipe: Recipe) -> None:
    """Refuse a model whose context is too short: the gate would advise a lower budget, and bench has no such option."""
    longest = encode_prompts(tokenizer, [draw_problem(random.Random(0), num_steps=MAX_STEPS)])[0]
    positions, context = len(longest) + 1 + recipe.max_new_tokens, context_length(model)  # + 1 as in the gate
    if context is not None and positions > context:
        raise InputError(
            f"prompt and completion need {positions} positions, the model has {context}: bench runs {recipe.name} as it "
            "stands in the table, so take a model with more"
        )


def bench(
    recipe: Recipe,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    turns: int = 10,
    seed: int = 0,
    device: str = "cpu",
    micro_batch_size: int | None = None,
    trl_micro_batch_size: int | None = None,
) -> str:
    """Take so many turns, after two to warm up, and report. ``model`` is not changed.

    Rows per forward pass of training change nothing but speed, and each side has its own best: on two CPU cores, of 16,
    32, 64 and 128, it was 16 for ours, which pads less the fewer it takes, and 32 for TRL, which pads to the longest
    completion of the step. On a GPU both take a whole minibatch, unless a number is given.
    """
    whole = recipe.prompts_per_step * recipe.group_size // recipe.minibatches
    usual = FASTEST if device == "cpu" else (whole, whole)
    size, trl_size = micro_batch_size or usual[0], trl_micro_batch_size or usual[1]
    recipe = replace(recipe, steps=turns + WARM_UP, micro_batch_size=size)
    ours, theirs = [], []
    rows = recipe.prompts_per_step * recipe.group_size
    mine = copy.deepcopy(model)
    optimizer = new_optimizer(recipe, mine)
    ref_model = copy.deepcopy(model) if recipe.kl_coef else None
    mark = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as folder,
        tqdm(total=recipe.steps, desc="bench", unit="turn", leave=False) as bar,
    ):

        def our_turn(step: int, metrics: dict[str, float]) -> bool:
            nonlocal mark
            theirs.append(Turn(seconds() - mark, metrics["length"] * rows))
            one = replace(recipe, steps=step)
            began = seconds()
            train_rl(
                mine, tokenizer, optimizer, one, first_step=step - 1, ref_model=ref_model, seed=seed,
                on_step=lambda _, metrics: ours.append(metrics["length"] * rows) or False,
            )  # fmt: skip
            ours[-1] = Turn(seconds() - began, ours[-1])
            bar.update()
            mark = seconds()
            return False

        def seconds() -> float:
            if model.device.type == "cuda":
                torch.cuda.synchronize()
            return time.perf_counter()

        run_trl(
            replace(recipe, micro_batch_size=trl_size), model=copy.deepcopy(model), tokenizer=tokenizer, out=Path(folder), seed=seed, device=device,
            on_step=our_turn,
        )  # fmt: skip
    prompts = [len(ids) for ids in encode_prompts(tokenizer, draw_problems(recipe, seed=seed))]
    prompt_tokens = sum(prompts) / recipe.steps * recipe.group_size  # per step, over all rows
    text = report(recipe, model, ours[WARM_UP:], theirs[WARM_UP:], prompt_tokens=prompt_tokens)
    return f"{text}\nRows per forward pass of training: {size} ours, {trl_size} TRL's."


def report(
    recipe: Recipe, model: PreTrainedModel, ours: list[Turn], theirs: list[Turn], *, prompt_tokens: float
) -> str:
    """The table: medians over the turns, and the ratio of each turn with its spread."""
    peak = matmul_peak(model.device)
    rows = recipe.prompts_per_step * recipe.group_size
    lines = [f"{recipe.name}, {recipe.prompts_per_step} prompts x {recipe.group_size} completions, "
             f"{recipe.minibatches * recipe.inner_epochs} optimizer steps; {len(ours)} turns; {machine_description(model.device)}", ""]  # fmt: skip
    head = ("", "step (s)", "fastest", "slowest", "rollouts/s", "tokens/s", "of peak")
    table = [head]
    for name, turns in (("ours", ours), ("TRL", theirs)):
        took = [turn.seconds for turn in turns]
        middle, tokens = statistics.median(took), statistics.mean(turn.tokens for turn in turns)
        work = flops(model, recipe, completion_tokens=tokens, prompt_tokens=prompt_tokens)
        table.append((name, f"{middle:.2f}", f"{min(took):.2f}", f"{max(took):.2f}", f"{rows / middle:.0f}",
                      f"{tokens / middle:.0f}", f"{work / middle / peak:.0%}"))  # fmt: skip
    lines += ["  ".join(cell.rjust(10) for cell in row) for row in table]
    ratios = sorted(t.seconds / o.seconds for o, t in zip(ours, theirs, strict=True))
    per_token = statistics.mean(t.tokens for t in theirs) / statistics.mean(o.tokens for o in ours)
    lines += [
        "",
        f"TRL's step takes {statistics.median(ratios):.2f} times as long as ours (median of the turns; "
        f"{ratios[0]:.2f} to {ratios[-1]:.2f}), per completion token {statistics.median(ratios) / per_token:.2f} times.",
        f"Peak: {peak / 1e9:.0f} GFLOP/s, measured with a float32 matrix product of 1024 x 1024.",
    ]
    return "\n".join(lines)


def flops(model: PreTrainedModel, recipe: Recipe, *, completion_tokens: float, prompt_tokens: float) -> float:
    """What a step needs at least, without padding: 2 per weight and token to sample, 6 to train, a prompt once per group."""
    weights = sum(p.numel() for p in model.parameters())
    sample_tokens = completion_tokens + prompt_tokens / recipe.group_size
    train_tokens = (completion_tokens + prompt_tokens) * recipe.inner_epochs
    return weights * (2 * sample_tokens + 6 * train_tokens)


def matmul_peak(device: torch.device, *, size: int = 1024, repeats: int = 20) -> float:
    """The most FLOP/s that a float32 matrix product reaches here."""
    a, b = torch.randn(size, size, device=device), torch.randn(size, size, device=device)
    best = float("inf")
    for _ in range(repeats):
        if device.type == "cuda":
            torch.cuda.synchronize()
        began = time.perf_counter()
        a @ b
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best


def machine_description(device: torch.device) -> str:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    return f"{device.type}, {name}, torch {torch.__version__}"
