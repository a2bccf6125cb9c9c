"""How the options of SkyRL are called, and the dataclasses that state their defaults."""

from typing import Any

from .cells import Cell, Value, cell, fixed, inert
from .source import Reader, code, field

CONFIG, SFT = "skyrl/train/config/config.py", "skyrl/train/config/sft_config.py"
LOSSES = "skyrl/backends/skyrl_train/utils/ppo_utils.py"
TRAINER, WORKER = "skyrl/train/trainer.py", "skyrl/backends/skyrl_train/workers/worker.py"
CORRECTIONS = "skyrl/backends/skyrl_train/utils/off_policy_correction_utils.py"
VALIDATE, GENERATOR = "skyrl/train/utils/utils.py", "skyrl/train/generators/skyrl_gym_generator.py"
COLLATORS = "skyrl/train/dataset/collators.py"
RL, SUPERVISED = "main_base", "main_sft"

A = "trainer.algorithm"
CLASSES = {  # the first part of an option's name -> the dataclass that states its default
    f"{A}.off_policy_correction": "OffPolicyCorrectionConfig",
    f"{A}.dynamic_sampling": "DynamicSamplingConfig",
    f"{A}.kl_ctrl": "KLCtrlConfig",
    f"{A}.cispo": "CISPOConfig",
    f"{A}.sapo": "SAPOConfig",
    f"{A}.dppo": "DPPOConfig",
    f"{A}.clip_cov": "ClipCovConfig",
    f"{A}.kl_cov": "KLCovConfig",
    A: "AlgorithmConfig",
    "trainer.policy.optimizer_config": "OptimizerConfig",
    "trainer.fully_async": "FullyAsyncConfig",
    "trainer.critic.model": "ModelConfig",
    "trainer.ref.model": "ModelConfig",
    "trainer": "TrainerConfig",
    "generator.sampling_params": "SamplingParams",
    "generator": "GeneratorConfig",
}


def stated(name: str) -> Reader:
    prefix, _, attribute = name.rpartition(".")
    return field(CONFIG, f"{CLASSES[prefix]}.{attribute}")


def option(slot: str, name: str, says: str | dict[Any, Value | str], *, column: str = "") -> Cell:
    return cell(slot, name, stated(name), says, column=column, entry=RL)


def unread(slot: str, name: str, says: str) -> Cell:
    return inert(slot, name, stated(name), says, entry=RL)


def line(slot: str, file: str, text: str, of: str, says: str, **columns: Any) -> Cell:
    return fixed(slot, code(file, text, of=of), says, columns=columns, entry=RL)
