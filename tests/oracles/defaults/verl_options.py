"""How the options of verl are called, and the YAML files that state their defaults."""

from typing import Any

from .cells import Cell, Value, cell, fixed, inert
from .source import code, yaml_value

CONFIG = "verl/trainer/config/"
ALGOS, LOSSES = "verl/trainer/ppo/core_algos.py", "verl/workers/utils/losses.py"
V1 = "verl/trainer/ppo/v1/"
FILES = {  # the first part of an option's name -> the file that states its default
    "algorithm.rollout_correction": CONFIG + "algorithm/rollout_correction.yaml",
    "algorithm": CONFIG + "ppo_trainer.yaml",
    "trainer": CONFIG + "ppo_trainer.yaml",
    "actor_rollout_ref.actor.optim": CONFIG + "optim/fsdp.yaml",
    "actor_rollout_ref.actor.fsdp_config": CONFIG + "engine/fsdp.yaml",
    "actor_rollout_ref.actor": CONFIG + "actor/actor.yaml",
    "actor_rollout_ref.rollout": CONFIG + "rollout/rollout.yaml",
    "critic": CONFIG + "critic/critic.yaml",
    "reward": CONFIG + "reward/reward.yaml",
    "data": CONFIG + "data/legacy_data.yaml",
}
INSIDE = ("algorithm", "trainer")  # prefixes that stand in the file too
ACTOR, ROLLOUT, CORRECTION = "actor_rollout_ref.actor", "actor_rollout_ref.rollout", "algorithm.rollout_correction"


def option(
    slot: str, name: str, says: str | dict[Any, Value | str], *, column: str = "", file: str = "", key: str = ""
) -> Cell:
    """``file``, ``key``: where the default stands, if not in the file of the prefix under the rest of the name."""
    prefix = next(prefix for prefix in FILES if name.startswith(prefix + "."))
    rest = name if prefix in INSIDE else name.removeprefix(prefix + ".")
    return cell(slot, name, yaml_value(file or FILES[prefix], key or rest), says, column=column, entry="main_ppo")


def unread(slot: str, name: str, file: str, key: str, says: str) -> Cell:
    return inert(slot, name, yaml_value(CONFIG + file, key), says, entry="main_ppo")


def line(slot: str, file: str, text: str, of: str | None, says: str, **columns: Any) -> Cell:
    return fixed(slot, code(file, text, of=of), says, columns=columns, entry="main_ppo")
