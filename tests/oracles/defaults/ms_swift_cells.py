"""How cells of ms-swift are read: its options stand in many dataclasses, and some are decided after they are parsed."""

from typing import Any

from .cells import Cell, Value, cell, fixed, inert
from .source import Reader, code, field, given

FILES = {
    "GRPOArgumentsMixin": "swift/rlhf_trainers/args_mixin.py",
    "RolloutTrainerArgumentsMixin": "swift/rlhf_trainers/args_mixin.py",
    "VllmArguments": "swift/rlhf_trainers/args_mixin.py",
    "RLHFArguments": "swift/arguments/rlhf_args.py",
    "GRPOArguments": "swift/arguments/rlhf_args.py",
    "PPOArguments": "swift/arguments/rlhf_args.py",
    "TeacherModelArguments": "swift/arguments/rlhf_args.py",
    "RewardModelArguments": "swift/arguments/rlhf_args.py",
    "TrainArgumentsMixin": "swift/trainers/arguments.py",
    "SftArguments": "swift/arguments/sft_args.py",
    "TunerArguments": "swift/arguments/tuner_args.py",
    "BaseArguments": "swift/arguments/base_args/base_args.py",
    "TemplateArguments": "swift/arguments/base_args/template_args.py",
    "DataArguments": "swift/arguments/base_args/data_args.py",
    "ModelArguments": "swift/arguments/base_args/model_args.py",
    "GenerationArguments": "swift/arguments/base_args/generation_args.py",
    "QuantizeArguments": "swift/arguments/base_args/quant_args.py",
    "RLHFMegatronArgumentsMixin": "swift/megatron/arguments/megatron_args.py",
    "MegatronArguments": "swift/megatron/arguments/megatron_args.py",
    "TrainingArguments": "transformers/training_args.py",
}
RLHF, ADVANTAGES = "swift/arguments/rlhf_args.py", "swift/rl_core/advantage.py"
GRPO, LOSS = "swift/rlhf_trainers/grpo_trainer.py", "GRPOTrainer._compute_loss_and_metrics"
DPO = "swift/rlhf_trainers/dpo_trainer.py"


def option(slot: str, name: str, says: str | dict[Any, Value | str], *, column: str = "", entry: str = "grpo") -> Cell:
    """``name``: as ``GRPOArgumentsMixin.epsilon``."""
    owner, _, attribute = name.partition(".")
    return cell(slot, attribute, field(FILES[owner], name), says, column=column, entry=entry)


def decided(
    slot: str, name: str, default: Any, text: str, of: str, says: str | dict[Any, Value | str], *,
    column: str = "", entry: str = "grpo",
) -> Cell:  # fmt: skip
    """An option that is None until ``RLHFArguments`` decides it for this algorithm, in its method ``of``."""
    reader = given(default, code(RLHF, text, of=f"RLHFArguments.{of}"))
    return cell(slot, name, reader, says, column=column, entry=entry)


def line(slot: str, read: Reader, says: str, entry: str = "grpo", **columns: Any) -> Cell:
    return fixed(slot, read, says, columns=columns, entry=entry)


def unread(slot: str, name: str, says: str, entry: str = "grpo") -> Cell:
    owner, _, attribute = name.partition(".")
    return inert(slot, attribute, field(FILES[owner], name), says, entry=entry)
