"""AReaL: where its options stand and how they are read. The table is in areal.py."""

from typing import Any

from .areal_other import ARGS
from .cells import Cell, Value, cell, fixed, inert, value
from .source import code, field, given

ACTOR, CRITIC = "areal/trainer/ppo/actor.py", "areal/trainer/ppo/critic.py"
FORMULAS, DATA, TRAINER = "areal/utils/functional/functional.py", "areal/utils/data.py", "areal/trainer/rl_trainer.py"
ENGINE, WORKFLOW = "areal/engine/fsdp_engine.py", "areal/workflow/multi_turn.py"
LOSS, ADVANTAGES = "ppo_actor_loss_fn", "PPOActor._compute_advantages"
OWNERS = {  # the first part of an option's name -> the dataclasses that state its default
    "actor.reward_norm": "NormConfig",
    "actor.adv_norm": "NormConfig",
    "actor.rejection_sampling": "RejectionSamplingConfig",
    "actor.optimizer": "OptimizerConfig",
    "actor": "PPOActorConfig",
    "critic.optimizer": "OptimizerConfig",
    "critic": "PPOCriticConfig",
    "gconfig": "GenerationHyperparameters",
    "rollout": "InferenceEngineConfig",
    "teacher": "TeacherConfig",
    "train_dataset": "_DatasetConfig",
}


def option(
    slot: str, name: str, says: str | dict[Any, Value | str], *, column: str = "", owner: str = "", stated: Any = None
) -> Cell:
    """``owner``: the dataclass, if it is not that of the prefix. ``stated``: a default that is an expression there."""
    prefix = next(prefix for prefix in OWNERS if name.startswith(prefix + "."))
    read = field(ARGS, f"{owner or OWNERS[prefix]}.{name.removeprefix(prefix + '.')}")
    return cell(slot, name, read if stated is None else given(stated, read), says, column=column, entry="PPOTrainer")


def without(slot: str, name: str, words: str, *, owner: str = "PPOConfig", **columns: Any) -> Cell:
    """A block that is null by default."""
    return cell(
        slot,
        name,
        field(ARGS, f"{owner}.{name.rpartition('.')[2]}"),
        {None: value(words, columns=columns)},
        entry="PPOTrainer",
    )


def line(slot: str, file: str, text: str, of: str, says: str, **columns: Any) -> Cell:
    return fixed(slot, code(file, text, of=of), says, columns=columns, entry="PPOTrainer")


def no_effect(slot: str, name: str, says: str) -> Cell:
    return inert(slot, f"actor.{name}", field(ARGS, f"PPOActorConfig.{name}"), says, entry="PPOTrainer")


def generation(name: str, says: str) -> Cell:
    return inert(
        "sampling", f"gconfig.{name}", field(ARGS, f"GenerationHyperparameters.{name}"), says, entry="PPOTrainer"
    )


LEVELS = {
    "batch": "over all rewards of the batch, on all processes",
    "group": "over group_size rewards that stand next to each other",
    None: "left out",
}
