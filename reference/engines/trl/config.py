"""A recipe in TRL's words: which trainer, and every option that TRL would otherwise decide by a default of its own.

    trainer, config = trl_config(RECIPES["grpo"], output_dir=out, seed=0)

Nothing runs here. What TRL 1.16 cannot express exactly is refused with the nearest that it can do; two things are close
and not refused. With ``aggregation="token_mean"`` TRL divides each optimizer step by the mean token count of the steps of
the rollout, not by its own (with ``minibatches=1`` they are the same); and with ``bf16`` nothing makes up for the
difference between sampler and trainer. Over several ``inner_epochs`` TRL keeps its minibatches, ours are drawn again.
"""

import importlib.metadata
import importlib.util
import math
import warnings
from pathlib import Path
from typing import Any

from reference.algorithms.kl import kl_of
from reference.algorithms.losses import loss_of
from reference.algorithms.recipes import Recipe
from reference.engines.trl.counterparts import (
    GRPO_LOSSES,
    LOSS_TYPE,
    PAIR_LOSSES,
    SCALE_REWARDS,
    trainer_name,
)
from reference.engines.trl.unsupported import require_same
from reference.objectives.shapes import InputError

PIN = "trl>=1.16,<1.17"  # its options move, so one minor version
NO_LIMIT = 1_000_000  # tokens; CPO reads "no limit" as 512
# Our data sets are in the order of our steps, and nothing in them is cut off: TRL would shuffle, and keep 1024 tokens.
IN_ORDER = {"train_sampling_strategy": "sequential", "max_length": None, "remove_unused_columns": True}


def trl_config(
    recipe: Recipe, *, output_dir: str | Path, seed: int = 0, device: str = "cpu", num_processes: int = 1
) -> tuple[type, Any]:
    """TRL's trainer class and its config for this recipe. Raises ``InputError`` for what TRL cannot do as we do."""
    require_trl()
    import trl

    name, options = trl_options(recipe, num_processes=num_processes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "APIs here are unstable", and deprecations of what TRL itself sets
        if name == "CPO":
            from trl.experimental import cpo as module
        else:
            module = trl
        config = getattr(module, f"{name}Config")(
            output_dir=str(output_dir), seed=seed, data_seed=seed, use_cpu=device.startswith("cpu"), **options
        )
    return getattr(module, f"{name}Trainer"), config


def require_trl() -> None:
    """Refuse at once where TRL, or the version that all this was written for, is not installed. Does not import it."""
    if importlib.util.find_spec("trl") is None:
        raise InputError(f'trl is not installed, and --engine trl runs it: pip install "{PIN}"')
    if not (version := importlib.metadata.version("trl")).startswith("1.16."):
        raise InputError(f'trl {version} is installed, and --engine trl was written for 1.16: pip install "{PIN}"')


def trl_options(recipe: Recipe, *, num_processes: int = 1) -> tuple[str, dict[str, Any]]:
    """The trainer's name without its "Trainer", and its options except folder, seed and device."""
    require_same(recipe, num_processes)
    name = trainer_name(recipe)
    special = {
        "GRPO": grpo_options, "RLOO": rloo_options, "DPO": dpo_options, "CPO": cpo_options, "KTO": kto_options,
        "SFT": sft_options, "Reward": reward_options,
    }[name]  # fmt: skip
    options = schedule(recipe, num_processes)
    if recipe.kind == "rl":  # counted in micro-batches
        options["steps_per_generation"] = recipe.minibatches * options["gradient_accumulation_steps"]
    return name, options | special(recipe)


def schedule(recipe: Recipe, num_processes: int) -> dict[str, Any]:
    """The optimizer, how many rows each of its steps sees, and silence: logging is left to our callback.

    The model's rows per forward pass, ``per_device_train_batch_size``, are the most that divide a step's share of one
    process and stay within ``micro_batch_size``: TRL averages means of micro-batches, which must be of one size.
    """
    updates = updates_per_step(recipe)
    rows, most = examples_per_update(recipe) // num_processes, recipe.micro_batch_size
    if needs_whole_batch(recipe):
        most = rows
    elif recipe.kind in ("preference", "reward"):
        most = max(1, most // 2)  # an example is a pair, two rows
    size = max(n for n in range(1, min(rows, most) + 1) if rows % n == 0)
    scale = gradient_scale(recipe)
    options = {
        "max_steps": recipe.steps * updates, "per_device_train_batch_size": size,
        "gradient_accumulation_steps": rows // size,
        "learning_rate": recipe.lr, "lr_scheduler_type": "constant", "warmup_steps": 0,
        "optim": "adamw_torch", "adam_beta1": 0.9, "adam_beta2": 0.95, "adam_epsilon": 1e-8 * scale,
        "weight_decay": 0.0, "max_grad_norm": (math.inf if recipe.max_grad_norm is None else recipe.max_grad_norm) * scale,
        "bf16": recipe.bf16, "fp16": False, "gradient_checkpointing": False, "pad_to_multiple_of": None,
        "logging_steps": 1, "logging_nan_inf_filter": False, "report_to": "none", "disable_tqdm": True,
        "save_strategy": "no", "eval_strategy": "no", "dataloader_num_workers": 0,
    }  # fmt: skip
    if trainer_name(recipe) == "CPO":
        del options["pad_to_multiple_of"]
    return options


def updates_per_step(recipe: Recipe) -> int:
    """Optimizer steps per step of the recipe."""
    return recipe.inner_epochs * recipe.minibatches if recipe.kind == "rl" else 1


def examples_per_update(recipe: Recipe) -> int:
    """What TRL counts in a batch: completions (RL, and KTO, which knows no pairs), pairs, demonstrations."""
    if recipe.kind == "rl":
        return recipe.prompts_per_step * recipe.group_size // recipe.minibatches
    return recipe.prompts_per_step * (PAIR_LOSSES[recipe.loss].examples if recipe.kind == "preference" else 1)


def needs_whole_batch(recipe: Recipe) -> bool:
    """KTO's reference point and the NLL beside a preference loss are means over a micro-batch: it must be the batch."""
    return recipe.kind == "preference" and (PAIR_LOSSES[recipe.loss].whole_batch or recipe.sft_coef > 0)


def gradient_scale(recipe: Recipe) -> float:
    """TRL's gradient over ours. RLOOTrainer sums a completion's tokens, ``fixed_length`` also divides by the budget.

    Clipping norm and Adam's epsilon take the same factor, so that the step is the same.
    """
    return float(recipe.max_new_tokens) if trainer_name(recipe) == "RLOO" else 1.0


def rollout_options(recipe: Recipe) -> dict[str, Any]:
    """What GRPOTrainer and RLOOTrainer share: sampling, reference, what becomes of truncated completions."""
    return {
        "num_generations": recipe.group_size, "num_iterations": recipe.inner_epochs, "shuffle_dataset": False,
        "max_completion_length": recipe.max_new_tokens, "temperature": recipe.temperature,
        "top_p": 1.0, "top_k": 0, "min_p": None, "repetition_penalty": 1.0, "use_vllm": False,
        "beta": recipe.kl_coef, "disable_dropout": True, "remove_unused_columns": False, "log_completions": False,
        "mask_truncated_completions": recipe.overlong == "mask", "reward_weights": None,
        "sync_ref_model": bool(recipe.kl_coef and recipe.ref_sync_every), "ref_model_mixup_alpha": 1.0,
        "ref_model_sync_steps": max(1, recipe.ref_sync_every * updates_per_step(recipe)),
    }  # fmt: skip


def grpo_options(recipe: Recipe) -> dict[str, Any]:
    """``advantage`` is ``scale_rewards``, ``aggregation`` is ``loss_type``, GSPO a level, ``dual_clip`` is ``delta``.

    CISPO's ``epsilon_high`` is the cap itself, 1 + clip_high. A bound that is none is ``epsilon`` 1 or infinity.
    """
    loss, theirs = loss_of(recipe), GRPO_LOSSES[recipe.loss]
    return rollout_options(recipe) | {
        "scale_rewards": SCALE_REWARDS[recipe.advantage],
        "loss_type": theirs.loss_type or LOSS_TYPE[recipe.aggregation],
        "importance_sampling_level": "sequence" if loss.per_completion else "token",
        "epsilon": 1.0 if recipe.clip_low is None else recipe.clip_low,
        "epsilon_high": math.inf if recipe.clip_high is None else recipe.clip_high + theirs.cap,
        "delta": recipe.dual_clip if "dual_clip" in loss.reads else None,
        "use_bias_correction_kl": recipe.kl is not None and kl_of(recipe).weighted,
        "entropy_coef": 0.0, "use_adaptive_entropy": False, "top_entropy_quantile": 1.0,
        "off_policy_mask_threshold": None, "multi_objective_aggregation": "sum_then_normalize",
        "cast_lm_head_to_fp32": False,
    }  # fmt: skip


def rloo_options(recipe: Recipe) -> dict[str, Any]:
    """The clip is of no consequence: with one optimizer step per rollout the ratio is 1."""
    return rollout_options(recipe) | {
        "epsilon": 0.2, "epsilon_high": 0.2, "normalize_advantages": False, "reward_clip_range": None,
    }  # fmt: skip


def dpo_options(recipe: Recipe) -> dict[str, Any]:
    """``sft_coef`` is the weight of "sft", one more loss."""
    loss, sft = PAIR_LOSSES[recipe.loss], recipe.sft_coef > 0
    weights, noise = loss.weights(recipe)
    return IN_ORDER | {
        "loss_type": [*loss.loss_type, *["sft"] * sft], "loss_weights": [*weights, *[recipe.sft_coef] * sft],
        "beta": recipe.beta, "label_smoothing": noise, "f_divergence_type": "reverse_kl", "ld_alpha": None,
        "use_weighting": False, "precompute_ref_log_probs": False, "sync_ref_model": False, "disable_dropout": True,
        "padding_free": False,
    }  # fmt: skip


def cpo_options(recipe: Recipe) -> dict[str, Any]:
    """SimPO lives in CPOTrainer, which by default adds the NLL of the chosen completions: ``cpo_alpha``."""
    return IN_ORDER | {
        "loss_type": "simpo", "beta": recipe.beta, "simpo_gamma": recipe.target_margin, "cpo_alpha": recipe.sft_coef,
        "label_smoothing": 0.0, "alpha": 0.0, "max_length": NO_LIMIT, "max_completion_length": NO_LIMIT,
        "disable_dropout": True, "remove_unused_columns": False,
    }  # fmt: skip


def kto_options(recipe: Recipe) -> dict[str, Any]:
    return IN_ORDER | {
        "loss_type": "kto", "beta": recipe.beta, "desirable_weight": 1.0, "undesirable_weight": 1.0,
        "precompute_ref_log_probs": False, "sync_ref_model": False, "disable_dropout": True,
    }  # fmt: skip


def sft_options(recipe: Recipe) -> dict[str, Any]:
    """One mean over all tokens of the batch, whatever the micro-batches and the processes."""
    return IN_ORDER | {
        "loss_type": "nll", "packing": False, "padding_free": False, "completion_only_loss": None,
        "assistant_only_loss": False, "average_tokens_across_devices": True, "shuffle_dataset": False,
    }  # fmt: skip


def reward_options(recipe: Recipe) -> dict[str, Any]:
    return IN_ORDER | {"center_rewards_coefficient": None, "disable_dropout": True}
