"""What goes wrong in what the critic is fitted with: the value loss."""

import torch
from torch import Tensor

from reference.teaching.bug import bug

Old = Tensor | None


def clipped_value(values: Tensor, old: Tensor, clip: float) -> Tensor:
    return old + (values - old).clamp(-clip, clip)


@bug(
    "no half",
    mistake="your loss is twice as large, and so is its gradient: 2 * (values - returns)",
    symptom="vf_coef means something else than elsewhere; on a shared trunk the critic pulls twice as hard",
    wild="slime's value loss has no 0.5 either, on purpose",
)
def value_loss__no_half(
    values: Tensor, returns: Tensor, *, old_values: Old = None, clip: float | None = None
) -> Tensor:
    error = (values - returns.detach()) ** 2
    if clip is not None:
        error = torch.maximum(error, (clipped_value(values, old_values, clip) - returns) ** 2)
    return error


def half_of_absolute(values: Tensor, returns: Tensor, *, old_values: Old = None, clip: float | None = None) -> Tensor:
    return 0.5 * value_loss__absolute.wrong(values, returns, old_values=old_values, clip=clip)


@bug(
    "absolute error",
    mistake="the error is not squared: such a loss is smallest at the median of the returns, V is their mean",
    symptom="with rewards of 0 and 1 the values go to 0 or to 1 and hardly stay between",
    likewise=(half_of_absolute,),
)
def value_loss__absolute(
    values: Tensor, returns: Tensor, *, old_values: Old = None, clip: float | None = None
) -> Tensor:
    error = (values - returns.detach()).abs()
    if clip is not None:
        error = torch.maximum(error, (clipped_value(values, old_values, clip) - returns).abs())
    return error


@bug(
    "averaged already",
    mistake="it should be a loss per token, and yours is a single number: the mask has not been applied yet",
    symptom="padding is trained on, and its share moves with the batch",
)
def value_loss__averaged(
    values: Tensor, returns: Tensor, *, old_values: Old = None, clip: float | None = None
) -> Tensor:
    error = (values - returns.detach()) ** 2
    if clip is not None:
        error = torch.maximum(error, (clipped_value(values, old_values, clip) - returns) ** 2)
    return 0.5 * error.mean()


@bug(
    "clip ignored",
    mistake="the clip has no effect: it is left out, or its band lies around the returns, where it never binds",
    symptom="none that you would see: the critic simply is not clipped",
)
def value_loss__clip_ignored(
    values: Tensor, returns: Tensor, *, old_values: Old = None, clip: float | None = None
) -> Tensor:
    return 0.5 * (values - returns.detach()) ** 2


@bug(
    "clipped value alone",
    mistake="only the clipped value is scored: a critic that has moved the wrong way gets no gradient back",
    symptom="values that left the band stay where they are, however wrong",
)
def value_loss__clipped_alone(
    values: Tensor, returns: Tensor, *, old_values: Old = None, clip: float | None = None
) -> Tensor:
    clipped = values if clip is None else clipped_value(values, old_values, clip)
    return 0.5 * (clipped - returns.detach()) ** 2


@bug(
    "the smaller of the two",
    mistake="of the two errors the smaller one is kept: the pessimistic choice is the larger",
    symptom="a value that has left its band on the wrong side is not pulled back",
    wild="ray #2233: minimum where baselines has maximum",
)
def value_loss__minimum(
    values: Tensor, returns: Tensor, *, old_values: Old = None, clip: float | None = None
) -> Tensor:
    error = (values - returns.detach()) ** 2
    if clip is not None:
        error = torch.minimum(error, (clipped_value(values, old_values, clip) - returns) ** 2)
    return 0.5 * error


@bug(
    "clipped error",
    mistake="the error itself is clipped, so every value farther than that from its return gets no gradient",
    symptom="the worse the critic, the less it learns",
    wild="RLlib clips the squared error since ray PR #22171, as ray #19291 had asked",
)
def value_loss__error_clipped(
    values: Tensor, returns: Tensor, *, old_values: Old = None, clip: float | None = None
) -> Tensor:
    error = values - returns.detach()
    return 0.5 * (error if clip is None else error.clamp(-clip, clip)) ** 2


@bug(
    "clipped as a ratio",
    mistake="the value is clipped by a factor of the old one, as the policy's ratio is; values may be 0 or negative",
    symptom="values near 0 cannot move at all, and negative ones are clipped the wrong way round",
)
def value_loss__as_ratio(
    values: Tensor, returns: Tensor, *, old_values: Old = None, clip: float | None = None
) -> Tensor:
    error = (values - returns.detach()) ** 2
    if clip is not None:
        clipped = old_values * (values / old_values).clamp(1 - clip, 1 + clip)
        error = torch.maximum(error, (clipped - returns) ** 2)
    return 0.5 * error


@bug(
    "the old values move",
    mistake="a gradient flows into old_values; they are what the critic said when the rollout was made, constants",
    symptom="none while they were made without a graph; else the critic moves the band instead of the value",
)
def value_loss__live_old(
    values: Tensor, returns: Tensor, *, old_values: Old = None, clip: float | None = None
) -> Tensor:
    error = (values - returns.detach()) ** 2
    if clip is not None:
        error = torch.maximum(error, (clipped_value(values, old_values, clip) - returns.detach()) ** 2)
    return 0.5 * error


@bug(
    "the target moves",
    mistake="a gradient flows into the returns; they are a target, a constant, even when they were made with the critic",
    symptom="the critic lowers its loss by moving the target: values and returns drift together",
)
def value_loss__live_target(
    values: Tensor, returns: Tensor, *, old_values: Old = None, clip: float | None = None
) -> Tensor:
    error = (values - returns) ** 2
    if clip is not None:
        error = torch.maximum(error, (clipped_value(values, old_values, clip) - returns) ** 2)
    return 0.5 * error
