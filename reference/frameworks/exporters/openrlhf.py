"""A recipe in OpenRLHF's words: the flags of ``train_ppo_ray`` or ``train_dpo``."""

import math
import shlex
from typing import Any

from reference.algorithms.columns import Recipe
from reference.frameworks.exporters.parts import LEFT_OUT, Exported, Exporter, Extras, Placeholder, or_bound, whole
from reference.frameworks.exporters.shell_text import shell


def entry(recipe: Recipe) -> str | None:
    return {"rl": "train_ppo_ray", "preference": "train_dpo", "sft": "train_sft"}.get(recipe.kind)


def own(recipe: Recipe) -> dict[str, Any]:
    """An option that is none by default cannot be set to none, and is left out there."""
    if recipe.kind == "sft":
        return {}
    if recipe.kind == "preference":
        return {"--model.label_smoothing": recipe.label_smoothing if recipe.loss == "cdpo" else 0.0,
                "--model.ipo_enable": recipe.loss == "ipo"}  # fmt: skip
    low, high = or_bound(recipe.clip_low, 1.0), or_bound(recipe.clip_high)
    rows = recipe.prompts_per_step * recipe.group_size
    penalty = recipe.overlong == "penalty"
    return {
        "--actor.eps_clip": low, "--actor.eps_clip_low_high": [low, high],
        "--train.batch_size": whole(rows, recipe.minibatches),
        "--algo.dynamic_filtering_enable": recipe.max_rounds > 1,
        "--reward.overlong_buffer_len": max(1, recipe.max_new_tokens // 4) if penalty else LEFT_OUT,
        "--reward.overlong_penalty_factor": 1.0 if penalty else LEFT_OUT,
    }  # fmt: skip


def extras(recipe: Recipe) -> Extras:
    found: Extras = {
        "--train.micro_batch_size": ("rows per forward pass: memory and speed only", recipe.micro_batch_size)
    }
    if recipe.kind == "rl":
        found["--rollout.micro_batch_size"] = ("the same where rollouts are scored", recipe.micro_batch_size)
    else:
        rows = "pairs" if recipe.kind == "preference" else "demonstrations"
        found["--train.batch_size"] = (f"{rows} per optimizer step", recipe.prompts_per_step)
    prefix = "actor." if recipe.kind == "rl" else ""
    found[f"--{prefix}lr_scheduler"] = ("the learning rate stays, after the warm-up", "constant_with_warmup")
    found[f"--{prefix}lr_warmup_ratio"] = ("no warm-up", 0.0)
    return found


def placeholders(recipe: Recipe) -> tuple[Placeholder, ...]:
    if recipe.kind != "rl":
        data = "pairs of a chosen and a rejected answer" if recipe.kind == "preference" else "demonstrations"
        return (Placeholder("MODEL", "the model to start from, a folder or a name", ("--model.model_name_or_path",)),
                Placeholder("DATASET", f"{data}, a folder or a name", ("--data.dataset",)))  # fmt: skip
    return (
        Placeholder("MODEL", "the model to start from, a folder or a name", ("--actor.model_name_or_path",)),
        Placeholder("DATASET", "the prompts to learn from, a folder or a name", ("--data.prompt_dataset",)),
        Placeholder("REWARD", "the address of a server that says what a completion earns", ("--reward.remote_url",)),
    )


def spell(name: str, value: Any) -> list[str]:
    """A switch stands there or not; what is off, or none, is said in a comment."""
    if value is True:
        return [name]
    if value is False or value is None:
        return [f"# {name} is left out: {'off' if value is False else 'none'}"]
    if isinstance(value, list | tuple):
        return [" ".join([name, *map(spelled_number, value)])]
    return [f"{name} {shlex.quote(spelled_number(value))}"]


def spelled_number(value: Any) -> str:
    return "inf" if isinstance(value, float) and math.isinf(value) else str(value)


def text(exported: Exported, ending: str, model: str | None) -> str:
    return shell(exported, model, program=f"python3 -m openrlhf.cli.{exported.entry}", spell=spell,
                 fill=lambda option, variable: f'{option} "${variable}"')  # fmt: skip


OPENRLHF = Exporter(entry, own, extras, placeholders, text, (".sh",))
