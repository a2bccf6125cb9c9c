"""What goes wrong in ipo_loss."""

from torch import Tensor

from reference.teaching.bug import bug

from .margin import margin_of


@bug(
    "1 / 2 * beta",
    mistake="Python reads 1 / 2 * beta from the left, as beta / 2: the target grows with beta",
    symptom="at beta 0.1 the target is 0.05 nats instead of 5: the policy hardly moves",
)
def ipo_loss__precedence(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return (margin_of(chosen, rejected, ref_chosen, ref_rejected) - beta / 2) ** 2


@bug(
    "target 1 / beta",
    mistake="the target is twice as far as it should be",
    symptom="as with half of the beta",
)
def ipo_loss__target(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return (margin_of(chosen, rejected, ref_chosen, ref_rejected) - 1 / beta) ** 2


@bug(
    "beta on the margin too",
    mistake="beta multiplies the margin as well; it stands in the target only",
    symptom="the margin settles at 1 / (2 beta^2): fifty nats at beta 0.1",
)
def ipo_loss__beta_twice(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return (beta * margin_of(chosen, rejected, ref_chosen, ref_rejected) - 1 / (2 * beta)) ** 2


@bug(
    "beta inside the square",
    mistake="the distance to the target is right, but it is multiplied by beta before it is squared",
    symptom="the target is the same; the pull is beta^2 of what it should be, a hundredth at beta 0.1",
)
def ipo_loss__scaled(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return (beta * margin_of(chosen, rejected, ref_chosen, ref_rejected) - 0.5) ** 2


@bug(
    "the wrong way round",
    mistake="margin and target have opposite signs: rejected over chosen, or a plus before the target",
    symptom="the margin settles at minus the target",
)
def ipo_loss__swapped(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return (margin_of(chosen, rejected, ref_chosen, ref_rejected) + 1 / (2 * beta)) ** 2


@bug(
    "no reference",
    mistake="the reference is missing: the policy's own preference is regressed to the target",
    symptom="pairs that the reference already prefers by more are pushed back",
)
def ipo_loss__no_reference(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return (chosen - rejected - 1 / (2 * beta)) ** 2


@bug(
    "one-sided",
    mistake="a margin beyond the target costs nothing: a squared hinge, which calls nothing back",
    symptom="margins that shot past the target stay there",
)
def ipo_loss__one_sided(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return (1 / (2 * beta) - margin_of(chosen, rejected, ref_chosen, ref_rejected)).relu() ** 2


@bug(
    "absolute value",
    mistake="the distance to the target is not squared: the pull is as strong close by as far away",
    symptom="the margin jitters around its target for ever",
)
def ipo_loss__absolute(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return (margin_of(chosen, rejected, ref_chosen, ref_rejected) - 1 / (2 * beta)).abs()


@bug(
    "the slope in place of the loss",
    mistake="this is the slope; the loss is the function that has this slope and is 0 at the target",
    symptom="the loss is negative below the target, and its gradient is the same at every margin: nothing ever rests",
)
def ipo_loss__slope(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return 2 * (margin_of(chosen, rejected, ref_chosen, ref_rejected) - 1 / (2 * beta))


@bug(
    "averaged over the pairs",
    mistake="the mean over the pairs was taken; one number per pair was asked for",
    symptom="right on one batch; split into micro-batches of different sizes, pairs count differently",
)
def ipo_loss__averaged(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return ((margin_of(chosen, rejected, ref_chosen, ref_rejected) - 1 / (2 * beta)) ** 2).mean()
