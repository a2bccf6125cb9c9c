"""What torchtune trains on: PPO, with its critic, and pairs."""

import torch
from torch import Tensor

from ..cases import BETA, CLIP_LOW, FAR, HOLES, KL_COEF, ORDINARY, SMOOTHING, VALUE_CLIP, Case
from ..records import Row
from .stand_ins import loss


def ppo(logprobs: Tensor, values: Tensor, case: Case, *, advantages: Tensor, value_coeff: float) -> tuple[Tensor, ...]:
    """The loss, then metrics without gradient. One bound, above and below."""
    return loss.PPOLoss(CLIP_LOW, VALUE_CLIP, value_coeff)(
        case.old, logprobs, advantages, case.old_values, values, case.returns, case.mask, case.mask
    )


def policy_row(output: int = 0, *, value_coeff: float = 0.0, cases: tuple = ORDINARY) -> Row:
    """``output``: 0 the loss, 3 the mean ratio, 4 the clip fraction."""
    return Row(
        "logprobs", lambda x, c: ppo(x, c.values, c, advantages=c.advantages, value_coeff=value_coeff)[output], cases
    )


def value_loss(values: Tensor, case: Case) -> Tensor:
    """Without a policy loss: all advantages are 0."""
    return ppo(case.logprobs, values, case, advantages=torch.zeros_like(case.advantages), value_coeff=1.0)[0]


def pair_row(kind: type, output: int = 0, **options: float) -> Row:
    """``output``: 0 the losses, 1 and 2 the implicit rewards of chosen and rejected."""
    return Row("pairs", lambda x, c: kind(BETA, **options)(*x)[output])


LOSSES = {
    "PPOLoss": policy_row(cases=FAR),
    "PPOLoss, value_coeff": policy_row(value_coeff=KL_COEF),
    "PPOLoss ratios": policy_row(output=3),
    "PPOLoss clipfrac": policy_row(output=4),
    "PPOLoss of values": Row("values", value_loss, HOLES),
    "DPOLoss": pair_row(loss.DPOLoss),
    "DPOLoss, label_smoothing": pair_row(loss.DPOLoss, label_smoothing=SMOOTHING),
    "DPOLoss chosen_rewards": pair_row(loss.DPOLoss, 1),
    "DPOLoss rejected_rewards": pair_row(loss.DPOLoss, 2),
    "RSOLoss": pair_row(loss.RSOLoss),
}
