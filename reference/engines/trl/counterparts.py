"""What each of our choices is in TRL 1.16: one entry for each that TRL has, with all that differs there."""

from collections.abc import Callable
from dataclasses import dataclass

from reference.algorithms.recipes import Recipe

SCALE_REWARDS = {"group": "group", "group_mean": "none", "group_mean_batch_std": "batch"}  # GRPO's advantages
RLOO = ("leave_one_out",)  # RLOOTrainer's
LOSS_TYPE = {"sequence_mean": "grpo", "token_mean": "dapo", "fixed_length": "dr_grpo"}
KL = {"GRPO": (("k3", "loss"), ("k3_unbiased", "loss")), "RLOO": (("k1", "reward"),)}  # estimators with their places


@dataclass(frozen=True)
class GRPOLoss:
    """A policy loss of GRPOTrainer."""

    loss_type: str | None = None  # none: that of the aggregation
    aggregation: str | None = None  # the only one that it has; none: any
    lower_bound: bool = True
    cap: float = 0.0  # what ``epsilon_high`` is above our clip_high


GRPO_LOSSES = {
    "ppo_clip": GRPOLoss(),
    "gspo": GRPOLoss(),
    "cispo": GRPOLoss(loss_type="cispo", aggregation="token_mean", lower_bound=False, cap=1.0),
}
RLOO_LOSSES = ("reinforce",)


def no_noise(r: Recipe) -> tuple[list[float], float]:
    return [1.0], 0.0


def label_noise(r: Recipe) -> tuple[list[float], float]:
    return [1.0], r.label_smoothing


def two_losses(r: Recipe) -> tuple[list[float], float]:
    """TRL has no conservative DPO, but the sum of two losses is it.

    With a and b the losses of a pair and of the same pair turned round, and 0.25 in ``label_smoothing``, "robust" is
    1.5 a - 0.5 b, so (1 + 2 e) "sigmoid" - 2 e "robust" is (1 - e) a + e b.
    """
    return [1 + 2 * r.label_smoothing, -2 * r.label_smoothing], 0.25


@dataclass(frozen=True)
class PairLoss:
    """A preference loss, in the trainer that has it."""

    trainer: str = "DPO"
    loss_type: tuple[str, ...] = ()  # DPOTrainer's
    weights: Callable[[Recipe], tuple[list[float], float]] = no_noise  # of those, and ``label_smoothing``
    examples: int = 1  # of a pair, as TRL counts
    whole_batch: bool = False  # a mean over the micro-batch is part of the loss
    nll: bool = True  # beside it, on request


PAIR_LOSSES = {
    "dpo": PairLoss(loss_type=("sigmoid",)),
    "cdpo": PairLoss(loss_type=("sigmoid", "robust"), weights=two_losses),
    "robust_dpo": PairLoss(loss_type=("robust",), weights=label_noise),
    "hinge": PairLoss(loss_type=("hinge",)),
    "simpo": PairLoss("CPO"),
    "kto": PairLoss("KTO", examples=2, whole_batch=True, nll=False),
}
DIFFERENT = {  # TRL has them, and something else than we have
    "ipo": "loss is 'ipo' of summed log-probs, as in the paper, TRL's averages them over tokens",
    "orpo": "loss is 'orpo', and the NLL in TRL's also imitates the prompts",
}


def trainer_name(recipe: Recipe) -> str:
    """Which of TRL's trainers, without the "Trainer"."""
    if recipe.kind == "rl":
        return "RLOO" if recipe.advantage in RLOO else "GRPO"
    if recipe.kind == "preference":
        return PAIR_LOSSES[recipe.loss].trainer
    return {"sft": "SFT", "reward": "Reward"}[recipe.kind]
