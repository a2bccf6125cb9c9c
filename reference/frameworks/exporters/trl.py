"""A recipe in TRL's words: a script that fills the config of a trainer, or a YAML file for one of TRL's own scripts."""

from typing import Any

from reference.algorithms.columns import Recipe
from reference.frameworks.exporters.parts import (
    LEFT_OUT,
    Exported,
    Exporter,
    Extras,
    Placeholder,
    or_bound,
    per_device,
    whole,
)
from reference.frameworks.exporters.write_trl import script, yaml
from reference.frameworks.rules.trl import CONSERVATIVE, NOISE_OF_CONSERVATIVE, PAIR_LOSSES

LOSS_TYPES = {"sequence_mean": "grpo", "token_mean": "dapo", "fixed_length": "dr_grpo"}
OF_PAIRS = {"simpo": "CPOConfig", "kto": "KTOConfig"}  # other losses are DPOConfig's


def entry(recipe: Recipe) -> str | None:
    if recipe.kind == "rl":
        return "RLOOConfig" if recipe.advantage == "leave_one_out" else "GRPOConfig"
    if recipe.kind == "preference":
        return OF_PAIRS.get(str(recipe.loss), "DPOConfig")
    return {"sft": "SFTConfig", "reward": "RewardConfig"}.get(recipe.kind)


def own(recipe: Recipe) -> dict[str, Any]:
    name = entry(recipe)
    special = {"GRPOConfig": grpo, "RLOOConfig": rloo, "DPOConfig": dpo}.get(name or "")
    found: dict[str, Any] = {"num_train_epochs": LEFT_OUT} | ({} if name == "SFTConfig" else {"disable_dropout": True})
    if name != "RLOOConfig":
        found["max_grad_norm"] = or_bound(recipe.max_grad_norm)
    return found | (special(recipe) if special else {})


def rollout(recipe: Recipe) -> dict[str, Any]:
    """What GRPO and RLOO share: steps per generation are counted in micro-batches, and those of one process are written."""
    passes = recipe.minibatches * recipe.inner_epochs
    synced = bool(recipe.kl_coef and recipe.ref_sync_every)
    return {
        "gradient_accumulation_steps": accumulated(recipe), "steps_per_generation": recipe.minibatches * accumulated(recipe),
        "generation_batch_size": None, "top_k": recipe.top_k or 0, "sync_ref_model": synced, "ref_model_mixup_alpha": 1.0,
        "ref_model_sync_steps": max(1, recipe.ref_sync_every * passes),
    }  # fmt: skip


def grpo(recipe: Recipe) -> dict[str, Any]:
    """A bound that there is none of is 1 below and infinity above; the cap of CISPO is epsilon_high itself."""
    cispo = recipe.loss == "cispo"
    return rollout(recipe) | {
        "loss_type": "cispo" if cispo else LOSS_TYPES[str(recipe.aggregation)],
        "epsilon": or_bound(recipe.clip_low, 1.0), "epsilon_high": or_bound(recipe.clip_high) + cispo,
        "use_bias_correction_kl": recipe.kl == "k3_unbiased",
    }  # fmt: skip


def rloo(recipe: Recipe) -> dict[str, Any]:
    """The gradient is one of sums over tokens: the budget times that of a fixed length, and so is its norm."""
    return rollout(recipe) | {"max_grad_norm": or_bound(recipe.max_grad_norm) * recipe.max_new_tokens}


def dpo(recipe: Recipe) -> dict[str, Any]:
    names = {ours: theirs for theirs, ours in PAIR_LOSSES.items()}
    losses, weights = [names.get(str(recipe.loss), "sigmoid")], [1.0]
    smoothing = recipe.label_smoothing if recipe.loss == "robust_dpo" else 0.0
    if recipe.loss == "cdpo":
        twice = 2 * recipe.label_smoothing
        losses, weights, smoothing = list(CONSERVATIVE), [1 + twice, -twice], NOISE_OF_CONSERVATIVE
    if recipe.sft_coef:
        losses, weights = [*losses, "sft"], [*weights, recipe.sft_coef]
    return {"loss_type": losses, "loss_weights": weights, "label_smoothing": smoothing}


def rows(recipe: Recipe) -> int:
    """What TRL counts in an optimizer step: completions (of pairs too where KTO takes them apart), pairs, demonstrations."""
    if recipe.kind == "rl":
        return whole(recipe.prompts_per_step * recipe.group_size, recipe.minibatches)
    return recipe.prompts_per_step * (2 if recipe.loss == "kto" else 1)


def accumulated(recipe: Recipe) -> int:
    return rows(recipe) // per_device(rows(recipe), most_rows(recipe))


def most_rows(recipe: Recipe) -> int:
    """KTO's point of reference and the NLL beside a loss on pairs are means over a micro-batch: it must be the whole."""
    if recipe.kind == "preference" and (recipe.loss == "kto" or recipe.sft_coef):
        return rows(recipe)
    return recipe.micro_batch_size


def extras(recipe: Recipe) -> Extras:
    steps = recipe.steps * (recipe.inner_epochs * recipe.minibatches if recipe.kind == "rl" else 1)
    found: Extras = {
        "per_device_train_batch_size": (
            f"with gradient_accumulation_steps {rows(recipe)} rows per optimizer step, of one process: divide it by how many you have",
            per_device(rows(recipe), most_rows(recipe)),
        ),
        "max_steps": ("optimizer steps", steps),
        "lr_scheduler_type": ("the learning rate stays as it is", "constant"), "warmup_steps": ("no warm-up", 0),
        "weight_decay": ("no weight decay", 0.0), "bf16": ("bfloat16 (autocast) or not", recipe.bf16),
    }  # fmt: skip
    if recipe.kind != "rl":
        found["gradient_accumulation_steps"] = (
            "micro-batches that are added up for an optimizer step",
            accumulated(recipe),
        )
    return found


def placeholders(recipe: Recipe) -> tuple[Placeholder, ...]:
    columns = {"rl": 'prompts in "prompt"', "sft": '"prompt" and "completion"'}.get(
        recipe.kind, '"prompt", "chosen" and "rejected"'
    )
    columns = '"prompt", "completion" and "label"' if recipe.loss == "kto" else columns
    found = [
        Placeholder("MODEL", "the model to start from: a folder or a name", ("model_name_or_path",)),
        Placeholder("DATASET", f"a dataset with {columns}", ("dataset_name",)),
    ]
    if recipe.kind == "rl":
        found.append(
            Placeholder(
                "REWARD",
                "what a completion earns: a function of prompts and completions that returns a list of numbers",
                ("reward_funcs",),
            )
        )
    return tuple(found)


def text(exported: Exported, ending: str, model: str | None) -> str:
    return yaml(exported, model) if ending in (".yaml", ".yml") else script(exported, model)


TRL = Exporter(entry, own, extras, placeholders, text, (".py", ".yaml", ".yml"))
