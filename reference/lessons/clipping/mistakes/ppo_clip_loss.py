"""What goes wrong between a ratio and the loss that clips it: which candidate, and which bounds."""

import torch
from torch import Tensor

from reference.teaching.bug import bug

from .ratio import ratio_of, worse_of


@bug(
    "clipped alone",
    mistake="only the clipped candidate is used: a token outside the range has no gradient, also where it moved the "
    "wrong way and ought to come back",
    symptom="tokens that were pushed the wrong way stay there for the rest of the batch",
    wild="tensorforce #106",
)
def ppo_clip_loss__clipped_alone(
    new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    return -advantages * ratio_of(new, old).clamp(1 - clip_low, 1 + clip_high)


@bug(
    "no clip",
    mistake="nothing is clipped: this is the bare importance-weighted loss",
    symptom="fine with one pass over each batch; with many, ratios and approx_kl run away",
)
def ppo_clip_loss__no_clip(
    new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    return -advantages * ratio_of(new, old)


@bug(
    "the optimistic one",
    mistake="of the two losses the smaller one is taken; the paper's min is over objectives, which are maximised",
    symptom="tokens that went too far are pushed further, and those that went the wrong way are left there",
    wild="safe-grid-agents PR #28; proposed as a fix in openai/baselines #1156 and rsl_rl #46, where the code was right",
)
def ppo_clip_loss__min_of_losses(
    new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    r = ratio_of(new, old)
    return torch.minimum(-advantages * r, -advantages * r.clamp(1 - clip_low, 1 + clip_high))


@bug(
    "an objective, minimised",
    mistake="this is the objective of the paper, which is maximised; an optimizer that minimises it prefers what was bad",
    symptom="the reward falls from the first step on",
    wild="rlhf-book #125: the objective was called a loss",
)
def ppo_clip_loss__sign(new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float) -> Tensor:
    return -worse_of(advantages, ratio_of(new, old), ratio_of(new, old).clamp(1 - clip_low, 1 + clip_high))


@bug(
    "max without the minus",
    mistake="the maximum is taken of two objectives: the sign of a loss is missing in both candidates",
    symptom="the reward falls from the first step on",
    wild="Practical_RL #248",
)
def ppo_clip_loss__max_of_objectives(
    new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    return worse_of(-advantages, ratio_of(new, old), ratio_of(new, old).clamp(1 - clip_low, 1 + clip_high))


@bug(
    "compared before the advantage",
    mistake="the ratios are compared before the advantage is multiplied in, so a negative advantage is clipped at the "
    "wrong end",
    symptom="bad tokens are pushed down without limit, and bad tokens that rose are not pushed down at all",
    wild="takuseno/ppo #3; proposed as a fix in TensorLayer #1072",
)
def ppo_clip_loss__before_the_advantage(
    new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    r = ratio_of(new, old)
    return -advantages * torch.minimum(r, r.clamp(1 - clip_low, 1 + clip_high))


@bug(
    "outside means out",
    mistake="every token outside the range is dropped from the loss, whichever way it should go",
    symptom="as if clipped alone: what moved the wrong way stays there; and the loss jumps to 0 at the edge",
)
def ppo_clip_loss__dropped(
    new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    r = ratio_of(new, old)
    return -advantages * r * ((r >= 1 - clip_low) & (r <= 1 + clip_high))


@bug(
    "bounds around 0",
    mistake="the ratio is clipped to a range around 0; an unchanged policy has ratio 1",
    symptom="good tokens have no gradient from the first step on; the policy only learns what to avoid",
)
def ppo_clip_loss__around_zero(
    new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    r = ratio_of(new, old)
    return worse_of(advantages, r, r.clamp(-clip_low, clip_high))


@bug(
    "options taken as the bounds",
    mistake="the options are used as if they were the bounds of the ratio; they are distances from 1",
    symptom="good tokens have no gradient from the first step on; the policy only learns what to avoid",
    wild="RL2 PR #21, for the lower bound; SkyRL PR #1928 is the reverse: bounds taken as distances",
)
def ppo_clip_loss__bounds_themselves(
    new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    r = ratio_of(new, old)
    return worse_of(advantages, r, r.clamp(clip_low, clip_high))


@bug(
    "clip_high ignored",
    mistake="the range is symmetric: clip_high plays no part",
    symptom="clip-higher is configured and nothing changes",
)
def ppo_clip_loss__low_twice(
    new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    r = ratio_of(new, old)
    return worse_of(advantages, r, r.clamp(1 - clip_low, 1 + clip_low))


@bug(
    "clip_low ignored",
    mistake="the range is symmetric: clip_low plays no part",
    symptom="a wider upper clip also lets bad tokens fall further",
)
def ppo_clip_loss__high_twice(
    new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    r = ratio_of(new, old)
    return worse_of(advantages, r, r.clamp(1 - clip_high, 1 + clip_high))


@bug(
    "bounds swapped",
    mistake="clip_low and clip_high have changed places",
    symptom="clip-higher holds good tokens back and lets bad ones fall further",
)
def ppo_clip_loss__swapped(
    new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    r = ratio_of(new, old)
    return worse_of(advantages, r, r.clamp(1 - clip_high, 1 + clip_low))


@bug(
    "no lower bound",
    mistake="the ratio is clipped from above only; where the advantage is negative, the other end is the one that counts",
    symptom="bad tokens are pushed towards probability 0 in every pass",
)
def ppo_clip_loss__upper_only(
    new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    r = ratio_of(new, old)
    return worse_of(advantages, r, r.clamp(max=1 + clip_high))


@bug(
    "log-ratio clipped",
    mistake="the log-ratio is clipped to [-clip_low, clip_high]: the bounds are meant for the ratio itself",
    symptom="nearly right: the edges are 0.82 and 1.22 instead of 0.80 and 1.20, and frameworks disagree slightly",
)
def ppo_clip_loss__log_space(
    new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    return worse_of(advantages, ratio_of(new, old), (new - old).clamp(-clip_low, clip_high).exp())


@bug(
    "the product clipped",
    mistake="advantage times ratio is clipped as if it were a ratio: the size of the advantage moves the edge",
    symptom="bad tokens are never clipped, good ones at a ratio that depends on how good they were",
    wild="Pytorch-DPPO #3",
)
def ppo_clip_loss__product(
    new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    gain = advantages * ratio_of(new, old)
    return -torch.minimum(gain, gain.clamp(1 - clip_low, 1 + clip_high))


@bug(
    "a third bound",
    mistake="where the advantage is negative the loss stops growing at ratio 3: that is dual clip, which nobody asked for here",
    symptom="bad tokens that became much likelier get no gradient",
    wild="on by default in verl (clip_ratio_c = 3)",
)
def ppo_clip_loss__dual(new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float) -> Tensor:
    r = ratio_of(new, old)
    loss = worse_of(advantages, r, r.clamp(1 - clip_low, 1 + clip_high))
    return torch.where(advantages < 0, torch.minimum(loss, -3 * advantages), loss)


@bug(
    "the weight clipped, not the objective",
    mistake="a detached, clipped ratio weighs the log-prob: that is CISPO's loss, in which no token ever loses its gradient",
    symptom="clip_frac counts tokens that go on being pushed",
)
def ppo_clip_loss__cispo(new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float) -> Tensor:
    return -ratio_of(new, old).detach().clamp(1 - clip_low, 1 + clip_high) * advantages * new


@bug(
    "averaged at once",
    mistake="the tokens are averaged inside: mask and normaliser (notebook 00) come later, so one number per token is wanted",
    symptom="padding is trained on, and the choice of normaliser has no effect",
)
def ppo_clip_loss__averaged(
    new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    r = ratio_of(new, old)
    return worse_of(advantages, r, r.clamp(1 - clip_low, 1 + clip_high)).mean()


@bug(
    "averaged before the max",
    mistake="both candidates are averaged before they are compared: one choice for the whole batch instead of one per token",
    symptom="hardly anything is ever clipped: single tokens drown in the mean",
    wild="pytorch-cpp-rl #14",
)
def ppo_clip_loss__mean_then_max(
    new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    r = ratio_of(new, old)
    return torch.maximum((-advantages * r).mean(), (-advantages * r.clamp(1 - clip_low, 1 + clip_high)).mean())
