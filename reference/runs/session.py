"""A training session from the command line: folders, progress, interruption and resumption around the bare loops."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.algorithms.limits import require_limit
from reference.algorithms.pretrain import pretrain
from reference.algorithms.recipes import from_checkpoint, is_model
from reference.interrupt import interruptible, received_signals
from reference.objectives.shapes import InputError
from reference.runs.checkpoints import State, clear_drafts, newest_checkpoint, restore, save_checkpoint
from reference.runs.curves import LOSS, figure_curves
from reference.runs.files import shell_path
from reference.runs.folder import (
    append_metrics,
    new_run,
    read_metrics,
    require_log,
    require_places,
    require_weights,
    rewind_metrics,
    write_options,
)
from reference.runs.lock import folder_lock
from reference.world.model import load, new_model, pick_device
from reference.world.tokenizer import train_tokenizer

SHORT = {"reward_std": "std", "approx_kl": "kl", "clip_frac": "clip", "entropy": "ent", "grad_norm": "grad"}


def run_pretrain(options: dict[str, Any], *, out: Path | None = None, resume: Path | None = None) -> bool:
    """Make the base model from nothing, or go on making it. True if the last step was reached."""
    require_limit("lr", options["lr"])
    device = pick_device(options["device"])
    with resumable(resume, options["steps"], options["save_every"]) as (checkpoint, first_step):
        if checkpoint:
            model, tokenizer = load(checkpoint, device=device)
        else:
            tokenizer = train_tokenizer(seed=options["seed"])
            model = new_model(tokenizer, seed=options["seed"]).to(device)
        optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98), weight_decay=0.01)
        state: State = {"optimizer": optimizer}
        with open_run(options, out, resume, checkpoint, first_step, state) as run:
            with step_log(run, options, first_step, model, tokenizer, state, panels=LOSS) as on_step:
                pretrain(
                    model, tokenizer, optimizer, first_step=first_step, steps=options["steps"], on_step=on_step,
                    seed=options["seed"], batch_size=options["batch_size"], lr=options["lr"],
                )  # fmt: skip
            return close_run(run, options, LOSS)


@contextmanager
def resumable(resume: Path | None, steps: int, save_every: int) -> Iterator[tuple[Path | None, int]]:
    """The newest checkpoint of the run to go on with, and its steps; none and 0 for a new run. Locked inside the block.

    ``steps``: how many the run is to have; refused where more are done. ``save_every``: steps from one checkpoint to
    the next; refused where one was saved and none is left.
    """
    if resume is None:
        yield None, 0
        return
    require_places(resume)
    with folder_lock(resume, remedy="make it writable, then --resume it again"):
        clear_drafts(resume)
        checkpoint, done = newest_checkpoint(resume)
        if steps < done:
            raise InputError(
                f"{resume} has taken {done} steps already, and steps is {steps}: give it more with --steps"
            )
        require_log(resume, done)
        require_weights(resume, save_every)
        yield checkpoint, done


@contextmanager
def open_run(
    options: dict[str, Any],
    out: Path | None,
    resume: Path | None,
    checkpoint: Path | None,
    first_step: int,
    state: State,
) -> Iterator[Path]:
    """The run folder, new or as it was after ``first_step`` steps, and the optimizer and the rest with it."""
    if resume is None:
        with new_run(out, options) as run:
            print(f"run      {run}", flush=True)
            yield run
        return
    if checkpoint:
        restore(checkpoint, state)
    rewind_metrics(resume, first_step)
    write_options(resume, options)  # --steps may have made it longer
    print(f"run      {resume}, going on after step {first_step}", flush=True)
    yield resume


@contextmanager
def step_log(
    run: Path,
    options: dict[str, Any],
    first_step: int,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    state: State,
    *,
    panels: dict[str, str],
) -> Iterator[Callable[[int, dict[str, float]], bool]]:
    """A progress bar, and the ``on_step`` that logs, saves, and asks whether Ctrl-C was pressed."""
    steps = options["steps"]
    with (
        interruptible(tqdm.write) as interrupted,
        SummaryWriter(str(run / "tensorboard"), purge_step=first_step + 1) as board,
        tqdm(total=steps, initial=first_step, desc=options["recipe"], unit="step") as bar,
    ):

        def on_step(step: int, metrics: dict[str, float]) -> bool:
            append_metrics(run, {"step": step, **metrics})
            for name, value in metrics.items():
                board.add_scalar(name, value, step)
            bar.set_postfix_str(
                "  ".join(f"{SHORT.get(name, name)} {metrics[name]:.2g}" for name in panels if name in metrics)
            )
            bar.update()
            stop = interrupted()
            if stop or step == steps or step % options["save_every"] == 0:
                save_checkpoint(run, step, model, tokenizer, state)
            return stop

        yield on_step


def close_run(run: Path, options: dict[str, Any], panels: dict[str, str]) -> bool:
    """Draw the curves and say what comes next. True if the run took all its steps."""
    metrics = read_metrics(run)
    last = int(metrics[-1]["step"]) if metrics else 0
    title = f"{options['recipe']}, {last} steps"
    figure_curves(metrics, panels, title=title).savefig(run / "training.png", dpi=120)
    if last < options["steps"] or received_signals:  # interrupted in its last step, it is still to be measured
        print(f"stopped  after step {last}; {what_next(run, options)}")
        return False
    use = " (use it with --model)" if is_model(options["recipe"]) else ""
    print(f"saved    {run}/checkpoints/step-{last:06d}{use}, metrics.jsonl, training.png")
    return True


def what_next(run: Path, options: dict[str, Any]) -> str:
    """How to go on with a run that was stopped."""
    if options.get("engine") == "trl":
        return f"a run of TRL cannot be resumed: start a new one{from_checkpoint(options['recipe'])}"
    command = "pretrain" if options["recipe"] == "pretrain" else f"train {options['recipe']}"
    return f"go on with: python -m reference {command} --resume {shell_path(run)}"
