"""Other targets and other losses in the place of IPO's."""

import torch
from torch import Tensor
from torch.nn.functional import huber_loss, logsigmoid

from reference.teaching.bug import bug

from .margin import margin_of


@bug(
    "halved",
    mistake="the square is halved, as in a value loss; the loss of IPO is not",
    symptom="as with half of the learning rate",
)
def ipo_loss__half(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return (margin_of(chosen, rejected, ref_chosen, ref_rejected) - 1 / (2 * beta)) ** 2 / 2


@bug(
    "square forgotten",
    mistake="the distance to the target is returned without its square: its minimum is at minus infinity",
    symptom="the loss falls without end while the margin is driven below 0",
    likewise=(lambda c, r, rc, rr, *, beta: 1 / (2 * beta) - margin_of(c, r, rc, rr),),
)
def ipo_loss__no_square(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return margin_of(chosen, rejected, ref_chosen, ref_rejected) - 1 / (2 * beta)


@bug(
    "target upside down",
    mistake="the target is a multiple of beta: a larger beta should ask for a smaller margin",
    symptom="at beta 0.1 the target is a fraction of a nat, and the policy hardly moves",
    likewise=(lambda c, r, rc, rr, *, beta: (margin_of(c, r, rc, rr) - beta) ** 2,),
)
def ipo_loss__two_beta(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return (margin_of(chosen, rejected, ref_chosen, ref_rejected) - 2 * beta) ** 2


@bug(
    "DPO",
    mistake="this is the loss of DPO, which pushes for ever; IPO aims at a margin",
    symptom="margins grow on and on where they should settle at 1 / (2 beta)",
)
def ipo_loss__dpo(chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float) -> Tensor:
    return -logsigmoid(beta * margin_of(chosen, rejected, ref_chosen, ref_rejected))


@bug(
    "no target",
    mistake="the margin itself is squared: its target is 0, where the policy prefers neither completion",
    symptom="whatever the policy has learnt about the pairs is taken back",
)
def ipo_loss__no_target(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return margin_of(chosen, rejected, ref_chosen, ref_rejected) ** 2


@bug(
    "a difference of squares",
    mistake="margin and target are squared one by one: the square of a difference is another number",
    symptom="the loss is smallest at a margin of 0, whatever the target is",
)
def ipo_loss__squares(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return margin_of(chosen, rejected, ref_chosen, ref_rejected) ** 2 - (1 / (2 * beta)) ** 2


def huber(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:  # fmt: skip
    margin = margin_of(chosen, rejected, ref_chosen, ref_rejected)
    return huber_loss(margin, torch.full_like(margin, 1 / (2 * beta)), reduction="none")


def twice_huber(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:  # fmt: skip
    return 2 * huber(chosen, rejected, ref_chosen, ref_rejected, beta=beta)


@bug(
    "Huber's loss",
    mistake="far from the target the loss grows like the distance, not like its square",
    symptom="pairs far from the target are called back no harder than pairs at a distance of 1 nat",
    likewise=(twice_huber,),
)
def ipo_loss__huber(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return huber(chosen, rejected, ref_chosen, ref_rejected, beta=beta)
