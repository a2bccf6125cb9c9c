"""Where TRL states its options and its losses, and the cells that are read there."""

from typing import Any

from .cells import Cell, Value, cell, fixed
from .source import Reader, field

FILES = {
    "GRPOConfig": "trl/trainer/grpo_config.py",
    "RLOOConfig": "trl/trainer/rloo_config.py",
    "DPOConfig": "trl/trainer/dpo_config.py",
    "SFTConfig": "trl/trainer/sft_config.py",
    "KTOConfig": "trl/trainer/kto_config.py",
    "RewardConfig": "trl/trainer/reward_config.py",
    "CPOConfig": "trl/experimental/cpo/cpo_config.py",
    "TrainingArguments": "transformers/training_args.py",
}


def option(slot: str, name: str, says: str | dict[Any, Value | str], *, column: str = "", base: str = "") -> Cell:
    """``name``: as ``GRPOConfig.beta``. ``base``: the class above it that states the default."""
    config, _, attribute = name.partition(".")
    owner = base or config
    return cell(slot, attribute, field(FILES[owner], f"{owner}.{attribute}"), says, column=column, entry=config)


def line(slot: str, read: Reader, says: str, entry: str = "GRPOConfig", **columns: Any) -> Cell:
    return fixed(slot, read, says, columns=columns, entry=entry)
