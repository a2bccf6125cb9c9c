"""Other losses in the place of PPO's."""

import torch
from torch import Tensor

from reference.teaching.bug import bug

from .ratio import ratio_of


@bug(
    "REINFORCE",
    mistake="the log-prob is multiplied by the advantage: there is no ratio, and so nothing that could be clipped",
    symptom="the first step is the same as with a ratio; from the second step on nothing corrects for the old policy",
)
def ppo_clip_loss__reinforce(
    new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    return -advantages * new


def sum_of_both(
    new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:  # fmt: skip
    r = ratio_of(new, old)
    return -advantages * (r + r.clamp(1 - clip_low, 1 + clip_high))


def mean_of_both(
    new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:  # fmt: skip
    return sum_of_both(new, old, advantages, clip_low=clip_low, clip_high=clip_high) / 2


@bug(
    "both candidates together",
    mistake="the two candidates are added or averaged where one of them is to be kept",
    symptom="no token outside the range ever loses its whole gradient, so the clip holds nothing back",
    likewise=(mean_of_both,),
)
def ppo_clip_loss__both(new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float) -> Tensor:
    return sum_of_both(new, old, advantages, clip_low=clip_low, clip_high=clip_high)


@bug(
    "minus in one candidate only",
    mistake="one of the two candidates has the sign of a loss and the other that of an objective",
    symptom="the loss is never below 0, and half of the tokens push the wrong way",
)
def ppo_clip_loss__one_minus(
    new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    r = ratio_of(new, old)
    return torch.maximum(-advantages * r, advantages * r.clamp(1 - clip_low, 1 + clip_high))


@bug(
    "log of the ratio",
    mistake="the logarithms of the ratio and of the clipped ratio are weighted, not the ratios themselves",
    symptom="right at the start of an update; later, tokens that have moved far pull too little",
)
def ppo_clip_loss__log(new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float) -> Tensor:
    r = ratio_of(new, old)
    return torch.maximum(-advantages * r.log(), -advantages * r.clamp(1 - clip_low, 1 + clip_high).log())
