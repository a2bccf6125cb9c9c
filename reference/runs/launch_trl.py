"""From a recipe to a run on TRL: the same run folder, the same measurements, another engine."""

import copy
from functools import partial
from pathlib import Path
from typing import Any

from reference.algorithms.checks import require_preference, require_reward_recipe, require_rl
from reference.algorithms.limits import require_limits
from reference.algorithms.recipes import Recipe
from reference.algorithms.reward_model import load_reward_model
from reference.engines.trl.model import require_no_noise, require_pad, require_relative_positions
from reference.engines.trl.unsupported import require_same
from reference.interrupt import interruptible
from reference.objectives.shapes import InputError
from reference.runs.launch import kind_of, require_start, source_of
from reference.runs.measure import change, measure_once
from reference.runs.processes import is_first_process, leave_group, number_of_processes
from reference.runs.session import close_run, open_run, step_log
from reference.world.model import load, pick_device


def run_on_trl(recipe: Recipe, options: dict[str, Any], *, out: Path | None) -> bool:
    """A run on TRL, also as one of several processes: the first keeps the run folder, the others only compute."""
    require_limits(recipe)
    processes = number_of_processes()
    if processes > 1 and out is None:
        raise InputError(f"{processes} processes would not agree on a run folder: name one with --out")
    device, kind = pick_device(options["device"]), kind_of(recipe)
    require_trl_recipe(recipe, device.type, processes)
    from reference.engines.trl.trainer import run_trl  # TRL takes seconds to import

    source = source_of(options)
    start, tokenizer = load(source, device=device)
    model = load_reward_model(source, device=device) if recipe.kind == "reward" else copy.deepcopy(start)
    require_start(recipe, start, tokenizer, model)
    if recipe.kind == "rl":
        require_rl(recipe, start, None)
        require_relative_positions(start, tokenizer)
    elif recipe.kind == "preference":
        require_preference(recipe, start)
    elif recipe.kind == "reward":
        require_reward_recipe(recipe)
    require_pad(recipe, tokenizer)
    require_no_noise(model, tokenizer)
    policy = start if recipe.kind == "reward" else None
    train = partial(
        run_trl, recipe, model=model, tokenizer=tokenizer, seed=options["seed"], device=device.type, policy=policy
    )
    if not is_first_process():
        with interruptible(lambda _: None):  # the first process decides when all of them stop
            train(out=out)
        leave_group()
        return True
    with open_run(options, out, None, None, 0, {}) as run:
        measure = partial(kind.measure, recipe, options, start, tokenizer)
        before = measure_once(run, "before", kind.accuracy, partial(measure, model))
        with step_log(run, options, 0, model, tokenizer, {}, panels=kind.panels) as on_step:
            train(out=run, on_step=on_step)
        leave_group()
        if not close_run(run, options, kind.panels):
            return False
        print(change(before, measure_once(run, "after", kind.accuracy, partial(measure, model.to(device)))))
        return True


def require_trl_recipe(recipe: Recipe, device: str, processes: int) -> None:
    """Refuse what TRL cannot do, and TRL where it is not installed: making its configuration asks both."""
    from reference.engines.trl.config import trl_config

    require_same(recipe, processes)
    try:
        trl_config(recipe, output_dir="runs", device=device, num_processes=processes)
    except (ValueError, NotImplementedError) as error:
        raise InputError(f"TRL refuses these options: {' '.join(str(error).split())}") from None
