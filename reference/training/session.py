"""One training session from the command line: folders, progress, interruption and resumption around the bare loop."""

import itertools
import json
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.evaluation.accuracy import Accuracy, evaluate
from reference.training.curves import figure_training
from reference.training.grpo import SIX_SCALARS, require_options, train_grpo
from reference.training.runs import (
    append_metrics,
    create_run,
    newest_checkpoint,
    read_metrics,
    read_options,
    rewind_metrics,
    save_checkpoint,
    write_atomically,
)
from reference.world.model import BASE, load, pick_device
from reference.world.rollout import encode_prompts, require_context
from reference.world.tasks import MAX_STEPS, draw_problem

SHORT = {"reward_std": "std", "approx_kl": "kl", "clip_frac": "clip", "entropy": "ent", "grad_norm": "grad"}
LOOP_OPTIONS = (
    "seed", "prompts_per_step", "group_size", "minibatches", "micro_batch_size", "max_new_tokens", "temperature",
    "scale", "aggregation", "clip_low", "clip_high", "kl_coef",
)  # fmt: skip
CHECKED_OPTIONS = ("prompts_per_step", "group_size", "minibatches", "scale", "clip_low", "clip_high", "kl_coef")


def run_grpo(options: dict[str, Any], *, out: Path | None = None, resume: Path | None = None) -> bool:
    """Train as the options say, in a new run folder or going on in an old one. True if the last step was reached."""
    options = read_options(resume) if resume else options
    device = pick_device(options["device"])
    require_options(**{name: options[name] for name in CHECKED_OPTIONS})
    source = BASE if options["model"] == "base" else options["model"]
    found = newest_checkpoint(resume) if resume else None
    first_step = found[1] if found else 0

    model, tokenizer = load(found[0] if found else source, device=device)
    longest = encode_prompts(tokenizer, [draw_problem(random.Random(0), num_steps=MAX_STEPS)])[0]
    require_context(model, len(longest) + 1 + options["max_new_tokens"])  # + 1: the first number may have two digits
    ref_model = load(source, device=device)[0] if options["kl_coef"] else None
    optimizer = torch.optim.AdamW(model.parameters(), lr=options["lr"], betas=(0.9, 0.95), weight_decay=0.0)
    if found:
        optimizer.load_state_dict(torch.load(found[0] / "optimizer.pt", map_location=device, weights_only=True))
    run = resume or create_run(out or first_free_folder(), options)
    rewind_metrics(run, first_step)
    print(f"run      {run} on {device}" + (f", going on after step {first_step}" if resume else ""), flush=True)

    before = measure(run, "before", model, tokenizer, options)
    last_step = train(run, model, tokenizer, optimizer, ref_model, options, first_step)
    draw_curves(run)
    if last_step < options["steps"]:
        print(f"stopped  after step {last_step}; go on with: python -m reference train grpo --resume {run}")
        return False
    after = measure(run, "after", model, tokenizer, options)
    print(f"sampled  {before.sampled:.1%} -> {after.sampled:.1%}   greedy {before.greedy:.1%} -> {after.greedy:.1%}")
    print(f"saved    {run}: metrics.jsonl, training.png, checkpoints/step-{last_step:06d}")
    return True


def train(
    run: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    optimizer: torch.optim.Optimizer,
    ref_model: PreTrainedModel | None,
    options: dict[str, Any],
    first_step: int,
) -> int:
    """The loop with progress bar, log, checkpoints and Ctrl-C. Returns the number of steps taken in all."""
    steps, last = options["steps"], first_step
    with interruptible() as interrupted, tqdm(total=steps, initial=first_step, desc="grpo", unit="step") as bar:

        def on_step(step: int, metrics: dict[str, float]) -> bool:
            nonlocal last
            last = step
            append_metrics(run, {"step": step, **metrics})
            bar.set_postfix_str("  ".join(f"{SHORT.get(name, name)} {metrics[name]:.2g}" for name in SIX_SCALARS))
            bar.update()
            if step == steps or step % options["save_every"] == 0 or interrupted():
                save_checkpoint(run, step, model, tokenizer, optimizer)
            return interrupted()

        loop = {name: options[name] for name in LOOP_OPTIONS}
        train_grpo(
            model,
            tokenizer,
            optimizer,
            first_step=first_step,
            steps=steps,
            on_step=on_step,
            ref_model=ref_model,
            **loop,
        )
    return last


def measure(
    run: Path, when: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, options: dict[str, Any]
) -> Accuracy:
    """Held-out accuracy, measured once per run and kept in accuracy.json."""
    path = run / "accuracy.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    if when not in known:
        began = time.perf_counter()
        accuracy = evaluate(
            model, tokenizer, problems=options["eval_problems"], samples=options["eval_samples"],
            max_new_tokens=options["max_new_tokens"],
        )  # fmt: skip
        known[when] = asdict(accuracy)
        known.setdefault("seconds", {})[when] = time.perf_counter() - began
        write_atomically(path, json.dumps(known, indent=2) + "\n")
    print(f"{when:8} {Accuracy(**known[when])}", flush=True)
    return Accuracy(**known[when])


@contextmanager
def interruptible() -> Iterator:
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


def draw_curves(run: Path) -> None:
    """Draw training.png from the run's metrics."""
    metrics = read_metrics(run)
    if metrics:
        figure_training(metrics, title=f"GRPO, {metrics[-1]['step']} steps").savefig(run / "training.png", dpi=120)


def first_free_folder() -> Path:
    """runs/grpo-1, or the first number that is not taken."""
    return next(path for n in itertools.count(1) if not (path := Path(f"runs/grpo-{n}")).exists())
