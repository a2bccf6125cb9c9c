"""What goes wrong with the clip of the value loss: the band, and the two errors that are compared."""

from collections.abc import Callable

import torch
from torch import Tensor

from reference.teaching.bug import bug

Old = Tensor | None
Clip = float | None
Band = Callable[[Tensor, Tensor, float], Tensor]
Choice = Callable[[Tensor, Tensor], Tensor]


def band(values: Tensor, old: Tensor, clip: float) -> Tensor:
    return old + (values - old).clamp(-clip, clip)


def loss(values: Tensor, returns: Tensor, old: Old, clip: Clip, clipped: Band = band, choice: Choice = torch.maximum):
    """The right loss, but for the clipped value and for the choice between the two errors."""
    returns = returns.detach()
    error = (values - returns) ** 2
    if clip is None:
        return 0.5 * error
    return 0.5 * choice(error, (clipped(values, old.detach(), clip) - returns) ** 2)


def only_up(values: Tensor, returns: Tensor, *, old_values: Old = None, clip: Clip = None) -> Tensor:
    return loss(values, returns, old_values, clip, lambda v, o, c: o + (v - o).clamp_max(c))


def only_down(values: Tensor, returns: Tensor, *, old_values: Old = None, clip: Clip = None) -> Tensor:
    return loss(values, returns, old_values, clip, lambda v, o, c: o + (v - o).clamp_min(-c))


@bug(
    "clipped on one side",
    mistake="the move is clipped on one side only: values may go as far as they like in the other direction",
    symptom="the critic follows good news at once and bad news slowly, or the other way round",
    likewise=(only_down,),
)
def value_loss__one_sided(values: Tensor, returns: Tensor, *, old_values: Old = None, clip: Clip = None) -> Tensor:
    return only_up(values, returns, old_values=old_values, clip=clip)


@bug(
    "sum of the two",
    mistake="the two errors are added up where one of them is to be kept",
    symptom="inside the band the loss is twice as large, and with it the critic's gradient",
)
def value_loss__sum(values: Tensor, returns: Tensor, *, old_values: Old = None, clip: Clip = None) -> Tensor:
    return loss(values, returns, old_values, clip, choice=torch.add)


@bug(
    "mean of the two",
    mistake="the two errors are averaged where one of them is to be kept",
    symptom="outside the band the gradient is half of the unclipped one, whichever way the value went",
)
def value_loss__mean(values: Tensor, returns: Tensor, *, old_values: Old = None, clip: Clip = None) -> Tensor:
    return loss(values, returns, old_values, clip, choice=lambda a, b: (a + b) / 2)


def half_of_clipped(values: Tensor, returns: Tensor, *, old_values: Old = None, clip: Clip = None) -> Tensor:
    error = (values - returns.detach()) ** 2
    return 0.5 * (error if clip is None else error.clamp_max(clip))


@bug(
    "clipped loss",
    mistake="the loss is clipped, not the move of the value: above the limit there is no gradient at all",
    symptom="the worst errors of the critic are the ones that it never learns from",
    likewise=(half_of_clipped,),
)
def value_loss__loss_clipped(values: Tensor, returns: Tensor, *, old_values: Old = None, clip: Clip = None) -> Tensor:
    error = 0.5 * (values - returns.detach()) ** 2
    return error if clip is None else error.clamp_max(clip)


@bug(
    "move reversed",
    mistake="the clipped value moves the opposite way: old minus new is clipped where it should be new minus old",
    symptom="the band lies on the wrong side, so a small and right move of the critic is punished",
)
def value_loss__reversed(values: Tensor, returns: Tensor, *, old_values: Old = None, clip: Clip = None) -> Tensor:
    return loss(values, returns, old_values, clip, lambda v, o, c: o + (o - v).clamp(-c, c))


@bug(
    "old value not added",
    mistake="the clipped move stands in the place of a value: the old value is not added back to it",
    symptom="the second error is that of a value near 0, and it wins wherever returns are large",
)
def value_loss__move_alone(values: Tensor, returns: Tensor, *, old_values: Old = None, clip: Clip = None) -> Tensor:
    return loss(values, returns, old_values, clip, lambda v, o, c: (v - o).clamp(-c, c))
