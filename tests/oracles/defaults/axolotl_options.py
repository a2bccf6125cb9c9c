"""axolotl: where its options stand, how they are read, and what its losses and divisors are called. The table is in axolotl.py."""

from typing import Any

from .cells import Cell, Value, cell, fixed, inert, value
from .source import code, field

SCHEMAS = "axolotl/utils/schemas/"
TRL_SCHEMA, CONFIG, TRAINING = SCHEMAS + "trl.py", SCHEMAS + "config.py", SCHEMAS + "training.py"
GRPO_ARGS, GRPO_TRAINER = "trl/trainer/grpo_config.py", "trl/trainer/grpo_trainer.py"
ASYNC_FILE, BUILDER = "axolotl/core/trainers/grpo/async_trainer.py", "axolotl/core/builders/rl.py"
GRPO, ASYNC, DPO, KTO, SIMPO, SFT = "rl: grpo", "rl: grpo, async", "rl: dpo", "rl: kto", "rl: simpo", "supervised"
OWN_LOSS, TRL_LOSS, SCORES = (
    "AsyncGRPOTrainer._compute_loss",
    "GRPOTrainer._compute_loss",
    "AsyncGRPOTrainer._compute_deferred_scores",
)


def own(slot: str, name: str, says: str | dict[Any, Value | str], *, column: str = "", entry: str = GRPO) -> Cell:
    """As its own schema states it: ``trl.scale_rewards``, or a name at the top of the YAML."""
    file, owner = (TRL_SCHEMA, "TRLConfig") if name.startswith("trl.") else (CONFIG, "AxolotlInputConfig")
    return cell(slot, name, field(file, f"{owner}.{name.removeprefix('trl.')}"), says, column=column, entry=entry)


def left(slot: str, name: str, says: str | dict[Any, Value | str], *, column: str = "") -> Cell:
    """Left to TRL unless it is set."""
    return cell(
        slot, name, field(GRPO_ARGS, f"GRPOConfig.{name.removeprefix('trl.')}"), says, column=column, entry=GRPO
    )


def async_own(slot: str, name: str, says: str | dict[Any, Value | str], *, column: str = "") -> Cell:
    """As the arguments of its async trainer state it."""
    read = field(ASYNC_FILE, f"AsyncGRPOConfig.{name.removeprefix('trl.')}")
    return cell(slot, name, read, says, column=column, entry=ASYNC)


def training(name: str, says: str | dict[Any, Value | str], *, column: str = "") -> Cell:
    return cell("optimizer", name, field(TRAINING, f"HyperparametersConfig.{name}"), says, column=column, entry=GRPO)


def filtered(slot: str, name: str, says: str) -> Cell:
    """Taken out before TRL's own trainer is made."""
    return inert(slot, f"trl.{name}", field(TRL_SCHEMA, f"TRLConfig.{name}"), says, entry=GRPO)


def line(
    slot: str, file: str, text: str, says: str, *, of: str | None = None, entry: str = GRPO, **columns: Any
) -> Cell:
    return fixed(slot, code(file, text, of=of), says, columns=columns, entry=entry)


GROUP = value("reward minus the group's mean, divided by the group's std", columns={"advantage": "group"})
SCALES = {
    True: GROUP, "group": GROUP,
    "batch": value("reward minus the group's mean, divided by the std of all rewards of the batch", columns={"advantage": "group_mean_batch_std"}),
    False: value("reward minus the group's mean, not divided", columns={"advantage": "group_mean"}),
    "none": value("reward minus the group's mean, not divided", columns={"advantage": "group_mean"}),
}  # fmt: skip
ROWS = "each row's tokens, then the rows of the micro-batch, empty ones too; a mean over micro-batches and processes"
WHOLE = "the kept tokens of the whole generation batch, over all micro-batches and processes"
DIVISORS = {
    "dapo": value(WHOLE, columns={"aggregation": "token_mean", "processes": True}),
    "cispo": value(WHOLE, columns={"aggregation": "token_mean", "processes": True}),
    "grpo": value(ROWS, columns={"aggregation": "sequence_mean"}),
    "sapo": value(ROWS, columns={"aggregation": "sequence_mean"}),
    "bnpo": value("the kept tokens of each micro-batch, then a mean over micro-batches and processes", columns={"aggregation": "token_mean", "processes": False}),
    "dr_grpo": value("the rows of the micro-batch times trl.max_completion_length, which must then be given", columns={"aggregation": "fixed_length"}),
    "luspo": "sums over each row's tokens, then a mean over rows; with a ratio per token it is over padding too",
}  # fmt: skip
LOSSES = {
    name: value("the clipped loss of PPO", loss="ppo_clip") for name in ("dapo", "grpo", "bnpo", "dr_grpo", "luspo")
} | {
    "cispo": value("-w A log p with a detached weight w, the ratio capped at trl.epsilon_high itself", loss="cispo"),
    "sapo": value("a sigmoid of the ratio in the place of the clip", loss="sapo"),
}
MODES = {
    "token_truncate": value("each token has a weight of its own, cut at both bounds", columns={"correction": "token truncate"}),
    "sequence_truncate": value("the weight of a completion is the product of its tokens' ratios, cut at both bounds",
                               columns={"correction": "sequence truncate"}),
    "token_mask": value("each token has a weight of its own: above the cap it becomes the lower bound, so nothing is masked",
                        columns={"correction": "token"}),
    "sequence_mask": value("the weight of a completion is its product of ratios: above the cap it becomes the lower bound, so nothing is masked",
                           columns={"correction": "sequence"}),
}  # fmt: skip
TRL_MODES = {
    "sequence_mask": value("the weight of a completion is the product of its tokens' ratios, and 0 beyond the bounds",
                           columns={"correction": "sequence mask"}),
    "sequence_truncate": value("the weight of a completion is the product of its tokens' ratios, cut at the bounds",
                               columns={"correction": "sequence truncate"}),
    "token_mask": value("each token has a weight of its own, and 0 beyond the bounds", columns={"correction": "token mask"}),
    "token_truncate": value("each token has a weight of its own, cut at the bounds", columns={"correction": "token truncate"}),
}  # fmt: skip
UNBIASED = "k3 is multiplied by the ratio, which has a gradient: on policy the gradient is that of k2"
