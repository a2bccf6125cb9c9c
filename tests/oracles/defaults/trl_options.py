"""How the options of TRL are called, and the dataclasses that state their defaults."""

from typing import Any

from .cells import OTHER, Cell, Value, cell, fixed
from .source import Reader, field

FILES = {
    "GRPOConfig": "trl/trainer/grpo_config.py",
    "RLOOConfig": "trl/trainer/rloo_config.py",
    "DPOConfig": "trl/trainer/dpo_config.py",
    "SFTConfig": "trl/trainer/sft_config.py",
    "KTOConfig": "trl/trainer/kto_config.py",
    "RewardConfig": "trl/trainer/reward_config.py",
    "CPOConfig": "trl/experimental/cpo/cpo_config.py",
    "_BaseConfig": "trl/trainer/base_config.py",
    "TrainingArguments": "transformers/training_args.py",
}
GRPO, RLOO, DPO = ("trl/trainer/grpo_trainer.py", "trl/trainer/rloo_trainer.py", "trl/trainer/dpo_trainer.py")


def option(slot: str, name: str, says: str | dict[Any, Value | str], *, column: str = "", base: str = "") -> Cell:
    """``name``: as ``GRPOConfig.beta``. ``base``: the class above it that states the default."""
    config, _, attribute = name.partition(".")
    owner = base or config
    return cell(slot, attribute, field(FILES[owner], f"{owner}.{attribute}"), says, column=column, entry=config)


def line(slot: str, read: Reader, says: str, entry: str = "GRPOConfig", **columns: Any) -> Cell:
    return fixed(slot, read, says, columns=columns, entry=entry)


def inherited(config: str) -> list[Cell]:
    """What every trainer takes from transformers, and TRL's own base class."""
    return [
        option("steps", f"{config}.per_device_train_batch_size", ROWS[config], column="micro_batch_size", base="TrainingArguments"),
        option("steps", f"{config}.gradient_accumulation_steps", "micro-batches per optimizer step and process: {value}",
               base="TrainingArguments"),
        option("steps", f"{config}.num_train_epochs", "passes over the data set: {value}", base="TrainingArguments"),
        option("optimizer", f"{config}.max_grad_norm", "the gradient's norm is cut at {value}", column="max_grad_norm",
               base="TrainingArguments"),
        option("optimizer", f"{config}.lr_scheduler_type", {
            "linear": "after the warm-up the learning rate falls in a straight line to 0 at the last step",
            "constant": "the learning rate stays", "constant_with_warmup": "the learning rate stays, after the warm-up",
            "cosine": "after the warm-up the learning rate falls to 0 as a half cosine", OTHER: "the learning rate follows the schedule {value}",
        }, base="TrainingArguments"),
        option("optimizer", f"{config}.warmup_steps", "steps of warm-up: {value}; below 1 a share of all steps", base="TrainingArguments"),
        option("optimizer", f"{config}.weight_decay", "weight decay {value} (AdamW)", base="TrainingArguments"),
        option("optimizer", f"{config}.bf16", {
            None: "the model computes in bfloat16 (autocast), unless fp16 is set; weights loaded by name are float32",
            True: "the model computes in bfloat16 (autocast)", False: "no bfloat16 (autocast)",
        }, base="_BaseConfig"),
    ]  # fmt: skip


COMPLETIONS = "completions per process and micro-batch: {value}"
ROWS = {
    "GRPOConfig": COMPLETIONS,
    "RLOOConfig": COMPLETIONS,
    "KTOConfig": COMPLETIONS,
    **dict.fromkeys(("DPOConfig", "CPOConfig", "RewardConfig"), "pairs per process and micro-batch: {value}"),
    "SFTConfig": "rows per process and micro-batch: {value}",
}
