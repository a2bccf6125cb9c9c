"""From a recipe to a run: what each kind of recipe starts from, which loop it runs, how its model is measured."""

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.algorithms.critic import Critic
from reference.algorithms.data import OnStep, Pairs
from reference.algorithms.limits import require_limits
from reference.algorithms.pairs import draw_pool
from reference.algorithms.preference import WITHOUT_REFERENCE, train_preference
from reference.algorithms.preference import require_parts as require_preference
from reference.algorithms.recipes import Recipe
from reference.algorithms.reward_model import PairAccuracy, load_reward_model, pair_accuracy, train_reward_model
from reference.algorithms.reward_model import require_parts as require_reward
from reference.algorithms.rl import train_rl
from reference.algorithms.rl_refused import require_parts as require_rl
from reference.algorithms.supervised import require_demonstrations, train_sft
from reference.engines.trl.model import require_no_noise, require_pad, require_relative_positions
from reference.engines.trl.refused import require_same
from reference.evaluation.accuracy import Accuracy, evaluate
from reference.interrupt import interruptible
from reference.objectives.shapes import InputError
from reference.runs.checkpoints import State
from reference.runs.curves import PANELS
from reference.runs.folder import read_metrics
from reference.runs.measure import forget, measured, read_accuracy
from reference.runs.session import close_run, open_run, recorded, resumable
from reference.world.gate import require_gradient, require_sampler
from reference.world.model import BASE, load, pick_device


def run_recipe(recipe: Recipe, options: dict[str, Any], *, out: Path | None, resume: Path | None) -> bool:
    """Train as recipe and options say, in a new run folder or going on in an old one. True if the last step was reached."""
    require_limits(recipe)
    if (processes := number_of_processes()) > 1:
        raise InputError(f"{processes} processes would each make this run: start one, or share it with --engine trl")
    device = pick_device(options["device"])
    source = BASE if options["model"] == "base" else options["model"]
    with resumable(resume, recipe.steps) as (checkpoint, first_step):
        if resume:
            read_accuracy(resume, kind_of_measure(recipe))  # damage is told before anything is loaded or written
        start, tokenizer = load(source, device=device)  # stays as it is: "before", the reference, the writer of pairs
        if recipe.kind == "reward":
            model = load_reward_model(checkpoint or source, device=device)
        else:
            model = load(checkpoint or source, device=device)[0]
        require_sampler(start, tokenizer, max_new_tokens=recipe.max_new_tokens)
        require_gradient(start, tokenizer, model)
        require_demonstrations(start, tokenizer, recipe)
        critic = Critic(start, shared=recipe.critic == "shared") if recipe.critic else None
        ref_model = copy.deepcopy(start) if recipe.ref_sync_every else start
        state: State = {"optimizer": new_optimizer(recipe, model, critic)}
        if critic is not None:
            state["critic"] = critic
        if recipe.ref_sync_every:
            state["ref_model"] = ref_model
        require_runnable(recipe, ref_model, critic)
        with open_run(options, out, resume, checkpoint, first_step, state) as run:
            kind, measure = ruler(recipe, options, start, tokenizer)
            untrained = load_reward_model(source, device=device) if recipe.kind == "reward" else start
            before = measured(run, "before", kind, lambda: measure(untrained))
            if first_step < recipe.steps:
                forget(run, "after", kind)
            pool = pool_of(recipe, start, tokenizer, seed=options["seed"]) if first_step < recipe.steps else None
            with recorded(run, options, first_step, model, tokenizer, state, shown=PANELS[recipe.kind]) as on_step:
                learn(
                    recipe, model, tokenizer, state["optimizer"], on_step=on_step, first_step=first_step,
                    ref_model=ref_model, start=start, pool=pool, critic=critic, seed=options["seed"],
                    kl_coef=last_kl_coef(run, recipe, first_step),
                )  # fmt: skip
            if not close_run(run, options, PANELS[recipe.kind]):
                return False
            print(told(before, measured(run, "after", kind, lambda: measure(model))))
            return True


def run_on_trl(recipe: Recipe, options: dict[str, Any], *, out: Path | None) -> bool:
    """The same run on TRL, also as one of several processes: the first keeps the run folder, the others only compute."""
    require_limits(recipe)
    processes, first = number_of_processes(), os.environ.get("RANK", "0") == "0"
    if processes > 1 and out is None:
        raise InputError(f"{processes} processes would not agree on a run folder: name one with --out")
    device = pick_device(options["device"])
    require_trl(recipe, device.type, processes)
    from reference.engines.trl.trainer import run_trl  # TRL takes seconds to import

    source = BASE if options["model"] == "base" else options["model"]
    start, tokenizer = load(source, device=device)
    model = load_reward_model(source, device=device) if recipe.kind == "reward" else copy.deepcopy(start)
    require_sampler(start, tokenizer, max_new_tokens=recipe.max_new_tokens)
    require_gradient(start, tokenizer, model)
    require_demonstrations(start, tokenizer, recipe)
    require_runnable(recipe, start, None)
    require_pad(recipe, tokenizer)
    require_no_noise(model, tokenizer)
    if recipe.kind == "rl":
        require_relative_positions(start, tokenizer)
    trl = {"model": model, "tokenizer": tokenizer, "seed": options["seed"], "device": device.type}
    if recipe.kind == "reward":
        trl["policy"] = start
    if not first:
        with interruptible(lambda _: None):  # the first process decides when all of them stop
            run_trl(recipe, out=out, **trl)
        leave_group()
        return True
    with open_run(options, out, None, None, 0, {}) as run:
        kind, measure = ruler(recipe, options, start, tokenizer)
        before = measured(run, "before", kind, lambda: measure(model))
        with recorded(run, options, 0, model, tokenizer, {}, shown=PANELS[recipe.kind]) as on_step:
            run_trl(recipe, out=run, on_step=on_step, **trl)
        leave_group()
        if not close_run(run, options, PANELS[recipe.kind]):
            return False
        print(told(before, measured(run, "after", kind, lambda: measure(model.to(device)))))
        return True


def leave_group() -> None:
    """End what connects the processes of a run. Its threads abort a process that leaves Python while they live."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def learn(
    recipe: Recipe,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    optimizer: torch.optim.Optimizer,
    *,
    on_step: OnStep,
    first_step: int,
    ref_model: PreTrainedModel,
    start: PreTrainedModel,
    pool: Pairs | None,
    critic: Critic | None,
    kl_coef: float | None,
    seed: int,
) -> None:
    """The loop for this kind of recipe. ``start``: the model as it was at first, which wrote the pairs of ``pool``."""
    if first_step == recipe.steps:  # all done: not even pairs are to be drawn
        return
    if recipe.kind == "rl":
        train_rl(
            model, tokenizer, optimizer, recipe, on_step=on_step, first_step=first_step,
            ref_model=ref_model if recipe.kl_coef else None, critic=critic, kl_coef=kl_coef, seed=seed,
        )  # fmt: skip
    elif recipe.kind == "sft":
        train_sft(model, tokenizer, optimizer, recipe, on_step=on_step, first_step=first_step, seed=seed)
    elif recipe.kind == "reward":
        train_reward_model(
            model,
            tokenizer,
            optimizer,
            recipe,
            on_step=on_step,
            first_step=first_step,
            policy=start,
            pool=pool,
            seed=seed,
        )
    else:
        train_preference(
            model, tokenizer, optimizer, recipe, on_step=on_step, first_step=first_step,
            ref_model=None if recipe.loss in WITHOUT_REFERENCE else ref_model,
            pool=pool, seed=seed,
        )  # fmt: skip


def pool_of(recipe: Recipe, start: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, seed: int) -> Pairs | None:
    """The pairs of an offline run. Drawing them takes a minute in which nothing is trained: a signal may cut it."""
    if recipe.kind not in ("preference", "reward") or recipe.online:
        return None
    return draw_pool(start, tokenizer, recipe, seed=seed)


def kind_of_measure(recipe: Recipe) -> type:
    """What comes out of measuring a model of this kind."""
    return PairAccuracy if recipe.kind == "reward" else Accuracy


def ruler(
    recipe: Recipe, options: dict[str, Any], start: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> tuple[type, Callable[[PreTrainedModel], Any]]:
    """How a model of this kind is measured on held-out problems: what comes out, and the function."""
    if recipe.kind == "reward":
        return PairAccuracy, lambda model: pair_accuracy(
            model, tokenizer, start, recipe, prompts=options["eval_problems"]
        )
    return Accuracy, lambda model: evaluate(
        model, tokenizer, problems=options["eval_problems"], samples=options["eval_samples"],
        max_new_tokens=recipe.max_new_tokens,
    )  # fmt: skip


def told(before: Accuracy | PairAccuracy, after: Accuracy | PairAccuracy) -> str:
    """What the run has changed, in one line."""
    if isinstance(after, PairAccuracy):
        return f"pairs    {before.share:.1%} -> {after.share:.1%}"
    return f"sampled  {before.sampled:.1%} -> {after.sampled:.1%}   greedy {before.greedy:.1%} -> {after.greedy:.1%}"


def require_runnable(recipe: Recipe, ref_model: PreTrainedModel, critic: Critic | None) -> None:
    """Refuse a recipe that cannot work before there is a run folder."""
    if recipe.kind == "rl":
        require_rl(recipe, ref_model if recipe.kl_coef else None, critic)
    elif recipe.kind == "preference":
        require_preference(recipe, None if recipe.loss in WITHOUT_REFERENCE else ref_model)
    elif recipe.kind == "reward":
        require_reward(recipe)


def number_of_processes() -> int:
    """How many of them torchrun or accelerate launch has started."""
    told = os.environ.get("WORLD_SIZE") or "1"
    if not told.isdecimal() or int(told) < 1:
        raise InputError(f"WORLD_SIZE is {told!r} in the environment, expected the number of processes: unset it")
    return int(told)


def require_trl(recipe: Recipe, device: str, processes: int) -> None:
    """Refuse what TRL cannot do, and TRL where it is not installed: making its configuration asks both."""
    from reference.engines.trl.config import trl_config

    require_same(recipe, processes)
    try:
        trl_config(recipe, output_dir="runs", device=device, num_processes=processes)
    except (ValueError, NotImplementedError) as error:
        raise InputError(f"TRL refuses these options: {' '.join(str(error).split())}") from None


def new_optimizer(recipe: Recipe, model: PreTrainedModel, critic: Critic | None = None) -> torch.optim.AdamW:
    """AdamW on the policy and, at its own learning rate, on the critic."""
    groups = [{"params": list(model.parameters()), "lr": recipe.lr}]
    if critic is not None:
        groups.append({"params": list(critic.parameters()), "lr": recipe.critic_lr})
    return torch.optim.AdamW(groups, betas=(0.9, 0.95), weight_decay=0.0)


def last_kl_coef(run: Path, recipe: Recipe, first_step: int) -> float | None:
    """Where an adaptive coefficient had got to when the run stopped: the log has it."""
    if recipe.kl_target is None or first_step == 0:
        return None
    rows = read_metrics(run)
    if not rows or rows[-1]["step"] != first_step:
        raise InputError(
            f"{run}/metrics.jsonl does not reach step {first_step}, and with it is gone where kl_coef had got to: put the "
            "log back, or start a new run with --model"
        )
    return rows[-1]["kl_coef"]
