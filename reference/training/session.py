"""A training session from the command line: folders, progress, interruption and resumption around the bare loops."""

import itertools
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.training.curves import LOSS, figure_curves
from reference.training.pretrain import pretrain
from reference.training.runs import (
    State,
    append_metrics,
    create_run,
    newest_checkpoint,
    read_metrics,
    restore,
    rewind_metrics,
    save_checkpoint,
)
from reference.world.model import load, new_model, pick_device
from reference.world.tokenizer import train_tokenizer

SHORT = {"reward_std": "std", "approx_kl": "kl", "clip_frac": "clip", "entropy": "ent", "grad_norm": "grad"}


def run_pretrain(options: dict[str, Any], *, out: Path | None = None, resume: Path | None = None) -> bool:
    """Make the base model from nothing, or go on making it. True if the last step was reached."""
    device = pick_device(options["device"])
    checkpoint, first_step = newest_checkpoint(resume) if resume else (None, 0)
    if checkpoint:
        model, tokenizer = load(checkpoint, device=device)
    else:
        tokenizer = train_tokenizer(seed=options["seed"])
        model = new_model(tokenizer, seed=options["seed"]).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98), weight_decay=0.01)
    state: State = {"optimizer": optimizer}
    run = open_run(options, out, resume, checkpoint, first_step, state)
    with recorded(run, options, first_step, model, tokenizer, state, shown=LOSS) as on_step:
        pretrain(
            model, tokenizer, optimizer, first_step=first_step, steps=options["steps"], on_step=on_step,
            seed=options["seed"], batch_size=options["batch_size"], lr=options["lr"],
        )  # fmt: skip
    return close_run(run, options, LOSS)


def open_run(
    options: dict[str, Any],
    out: Path | None,
    resume: Path | None,
    checkpoint: Path | None,
    first_step: int,
    state: State,
) -> Path:
    """The run folder, new or as it was after ``first_step`` steps, and the optimizer and the rest with it."""
    if checkpoint:
        restore(checkpoint, state)
    run = resume or create_run(out or first_free_folder(options["recipe"]), options)
    rewind_metrics(run, first_step)
    print(f"run      {run}" + (f", going on after step {first_step}" if resume else ""), flush=True)
    return run


@contextmanager
def recorded(
    run: Path,
    options: dict[str, Any],
    first_step: int,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    state: State,
    *,
    shown: dict[str, str],
) -> Iterator[Callable[[int, dict[str, float]], bool]]:
    """A progress bar, and the ``on_step`` that logs, saves, and asks whether Ctrl-C was pressed."""
    steps = options["steps"]
    with (
        interruptible() as interrupted,
        SummaryWriter(str(run / "tensorboard"), purge_step=first_step + 1) as board,
        tqdm(total=steps, initial=first_step, desc=options["recipe"], unit="step") as bar,
    ):

        def on_step(step: int, metrics: dict[str, float]) -> bool:
            append_metrics(run, {"step": step, **metrics})
            for name, value in metrics.items():
                board.add_scalar(name, value, step)
            bar.set_postfix_str(
                "  ".join(f"{SHORT.get(name, name)} {metrics[name]:.2g}" for name in shown if name in metrics)
            )
            bar.update()
            stop = interrupted()
            if stop or step == steps or step % options["save_every"] == 0:
                save_checkpoint(run, step, model, tokenizer, state)
            return stop

        yield on_step


def close_run(run: Path, options: dict[str, Any], shown: dict[str, str]) -> bool:
    """Draw the curves and say what comes next. True if the run took all its steps."""
    metrics = read_metrics(run)
    last = int(metrics[-1]["step"]) if metrics else 0
    title = f"{options['recipe']}, {last} steps"
    figure_curves(metrics, shown, title=title).savefig(run / "training.png", dpi=120)
    if last < options["steps"]:
        command = "pretrain" if options["recipe"] == "pretrain" else f"train {options['recipe']}"
        print(f"stopped  after step {last}; go on with: python -m reference {command} --resume {run}")
        return False
    print(f"saved    {run}/checkpoints/step-{last:06d} (use it with --model), metrics.jsonl, training.png")
    return True


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a question the loop can ask between two steps; the second one stops at once."""
    asked = False

    def note(signum: int, frame: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        tqdm.write("finishing this step, then saving (Ctrl-C again: stop at once, back to the last checkpoint)")

    previous = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, previous)


def first_free_folder(recipe: str) -> Path:
    """runs/grpo-1, or the first number that is not taken."""
    return next(path for n in itertools.count(1) if not (path := Path(f"runs/{recipe}-{n}")).exists())
