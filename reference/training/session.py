"""A training session from the command line: folders, progress, interruption and resumption around the bare loops."""

import itertools
import json
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from reference.evaluation.accuracy import Accuracy, evaluate
from reference.objectives import token_logprobs
from reference.objectives.shapes import InputError
from reference.training.curves import LOSS, SIX_SCALARS, figure_curves
from reference.training.grpo import require_options, score, train_grpo
from reference.training.pretrain import pretrain
from reference.training.runs import (
    append_metrics,
    create_run,
    newest_checkpoint,
    read_metrics,
    rewind_metrics,
    save_checkpoint,
    write_atomically,
)
from reference.world.model import BASE, load, new_model, pick_device
from reference.world.rollout import encode_prompts, require_context, sample
from reference.world.tasks import MAX_STEPS, draw_problem
from reference.world.tokenizer import train_tokenizer

SHORT = {"reward_std": "std", "approx_kl": "kl", "clip_frac": "clip", "entropy": "ent", "grad_norm": "grad"}
CHECKED = ("prompts_per_step", "group_size", "minibatches", "scale", "clip_low", "clip_high", "kl_coef")
LOOP = (*CHECKED, "seed", "micro_batch_size", "max_new_tokens", "temperature", "aggregation")


def run_grpo(options: dict[str, Any], *, out: Path | None = None, resume: Path | None = None) -> bool:
    """Train as the options say, in a new run folder or going on in an old one. True if the last step was reached."""
    require_options(**{name: options[name] for name in CHECKED})
    device = pick_device(options["device"])
    source = BASE if options["model"] == "base" else options["model"]
    checkpoint, first_step = newest_checkpoint(resume) if resume else (None, 0)

    model, tokenizer = load(checkpoint or source, device=device)
    longest = encode_prompts(tokenizer, [draw_problem(random.Random(0), num_steps=MAX_STEPS)])[0]
    require_context(model, len(longest) + 1 + options["max_new_tokens"])  # + 1: the first number may have two digits
    require_cache(model, tokenizer)
    ref_model = load(source, device=device)[0] if options["kl_coef"] else None
    optimizer = torch.optim.AdamW(model.parameters(), lr=options["lr"], betas=(0.9, 0.95), weight_decay=0.0)
    run = open_run(options, out, resume, checkpoint, first_step, optimizer)

    start = load(source, device=device)[0] if first_step else model  # "before" is before the first step
    before = measure(run, "before", start, tokenizer, options)
    if first_step < options["steps"]:
        forget(run, "after")
    with recorded(run, options, first_step, model, tokenizer, optimizer, shown=SIX_SCALARS) as on_step:
        loop = {name: options[name] for name in LOOP}
        train_grpo(
            model, tokenizer, optimizer, first_step=first_step, steps=options["steps"], on_step=on_step,
            ref_model=ref_model, **loop,
        )  # fmt: skip
    if not close_run(run, options, SIX_SCALARS):
        return False
    after = measure(run, "after", model, tokenizer, options)
    print(f"sampled  {before.sampled:.1%} -> {after.sampled:.1%}   greedy {before.greedy:.1%} -> {after.greedy:.1%}")
    return True


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
    run = open_run(options, out, resume, checkpoint, first_step, optimizer)
    with recorded(run, options, first_step, model, tokenizer, optimizer, shown=LOSS) as on_step:
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
    optimizer: torch.optim.Optimizer,
) -> Path:
    """The run folder, new or as it was after ``first_step`` steps, and the optimizer with it."""
    if checkpoint:
        try:
            optimizer.load_state_dict(torch.load(checkpoint / "optimizer.pt", map_location="cpu", weights_only=True))
        except Exception as error:  # unpickling and loading raise many types; each means that the file is not ours
            raise InputError(f"{checkpoint}/optimizer.pt does not fit this model ({error}): start a new run") from None
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
    optimizer: torch.optim.Optimizer,
    *,
    shown: dict[str, str],
) -> Iterator[Callable[[int, dict[str, float]], bool]]:
    """A progress bar, and the ``on_step`` that logs, saves, and asks whether Ctrl-C was pressed."""
    steps = options["steps"]
    with (
        interruptible() as interrupted,
        tqdm(total=steps, initial=first_step, desc=options["recipe"], unit="step") as bar,
    ):

        def on_step(step: int, metrics: dict[str, float]) -> bool:
            append_metrics(run, {"step": step, **metrics})
            bar.set_postfix_str("  ".join(f"{SHORT.get(name, name)} {metrics[name]:.2g}" for name in shown))
            bar.update()
            stop = interrupted()
            if stop or step == steps or step % options["save_every"] == 0:
                save_checkpoint(run, step, model, tokenizer, optimizer)
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


def measure(
    run: Path, when: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, options: dict[str, Any]
) -> Accuracy:
    """Held-out accuracy, measured once per run and kept in accuracy.json."""
    path, known = run / "accuracy.json", read_accuracy(run)
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


def read_accuracy(run: Path) -> dict[str, Any]:
    """What was measured so far: "before" and "after" as Accuracy, and the "seconds" it took."""
    path = run / "accuracy.json"
    try:
        known = json.loads(path.read_text()) if path.exists() else {}
        for when in {"before", "after"} & known.keys():
            str(Accuracy(**known[when]))
        return known
    except (ValueError, TypeError, AttributeError, ArithmeticError):
        raise InputError(f"{path} is damaged: delete it, and the accuracy is measured again") from None


def forget(run: Path, when: str) -> None:
    """Drop a measurement that no longer holds."""
    known = read_accuracy(run)
    if known.pop(when, None):
        write_atomically(run / "accuracy.json", json.dumps(known, indent=2) + "\n")


def require_cache(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse a model that cannot be sampled token by token: its first ratio would not be 1, and nothing would say so."""
    problems = [draw_problem(random.Random(0), num_steps=steps) for steps in (2, MAX_STEPS)]
    try:
        generator = torch.Generator(model.device).manual_seed(0)
        rollout = sample(model, tokenizer, encode_prompts(tokenizer, problems), max_new_tokens=4, generator=generator)
        with torch.no_grad():
            new = token_logprobs(score(model, rollout), rollout.tokens)
        error = (new - rollout.old_logprobs)[rollout.completion_mask].abs().max().item()
    except InputError:
        raise
    except Exception as failure:  # recurrent and hybrid models fail in their own ways
        raise InputError(
            f"this model cannot be sampled with a key-value cache ({failure}): use an attention model"
        ) from None
    if error > 1e-2:
        raise InputError(
            f"log-probs of this model differ by {error:.2g} nats between sampling and scoring: it does not use the "
            "key-value cache as attention models do, and training on it would be wrong"
        )


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
