"""What goes wrong with the ratio that is clipped, and with counting how often it was."""

import torch
from torch import Tensor

from reference.teaching.bug import bug

from .clipping import ratio_of, worse_of

# ---- ppo_clip_loss ---------------------------------------------------------------------------------------------------


@bug(
    "ratio upside down",
    mistake="the ratio is that of the old policy over the new one",
    symptom="the gradient has the wrong sign: good tokens become less likely",
)
def ppo_clip_loss__upside_down(
    new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    r = ratio_of(old, new)
    return worse_of(advantages, r, r.clamp(1 - clip_low, 1 + clip_high))


@bug(
    "no exp",
    mistake="a difference of log-probs is used as if it were a ratio: it is 0, not 1, where nothing has changed",
    symptom="bad tokens have no gradient from the first step on, as 0 lies below the range",
)
def ppo_clip_loss__no_exp(new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float) -> Tensor:
    r = new - old
    return worse_of(advantages, r, r.clamp(1 - clip_low, 1 + clip_high))


@bug(
    "ratio of log-probs",
    mistake="log-probs are divided by one another: the ratio PPO means is one of probabilities",
    symptom="rare and common tokens are clipped at different distances; the direction is inverted",
)
def ppo_clip_loss__ratio_of_logs(
    new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    r = new / old
    return worse_of(advantages, r, r.clamp(1 - clip_low, 1 + clip_high))


@bug(
    "old is new",
    mistake="the old log-probs have no say: the ratio is 1 whatever has happened since the samples were drawn",
    symptom="clip_frac and approx_kl are 0 in every pass; harmless with one update per batch, REINFORCE on stale "
    "samples with more",
    wild="TRL does it on purpose where each batch gets one update (TRL #3120, #3757 ask why clip_ratio is 0)",
)
def ppo_clip_loss__old_is_new(
    new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    r = ratio_of(new, new.detach())
    return worse_of(advantages, r, r.clamp(1 - clip_low, 1 + clip_high))


@bug(
    "one ratio per row, multiplied up",
    mistake="the log-ratios of a row are added up, so the whole completion has one ratio, and it is clipped almost at once",
    symptom="clip_frac is near 1 after the first update, and grows with the length of the completions",
    wild="reasoning-from-scratch #243, hands-on-modern-rl #75",
)
def ppo_clip_loss__sequence_product(
    new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    r = (new - old).sum(dim=1, keepdim=True).exp().expand(new.shape)
    return worse_of(advantages, r, r.clamp(1 - clip_low, 1 + clip_high))


@bug(
    "one ratio per row, averaged",
    mistake="the log-ratios of a row are averaged into one ratio: that is GSPO's, and PPO has one per token",
    symptom="clip_frac is near 0 with PPO's bounds: moves in opposite directions cancel in the mean",
    wild='TRL importance_sampling_level="sequence" asks for it on purpose',
)
def ppo_clip_loss__sequence_mean(
    new: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    r = (new - old).mean(dim=1, keepdim=True).exp().expand(new.shape)
    return worse_of(advantages, r, r.clamp(1 - clip_low, 1 + clip_high))


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


# ---- clip_frac -------------------------------------------------------------------------------------------------------


def share(hit: Tensor, mask: Tensor) -> Tensor:
    return hit[mask].double().mean()


@bug(
    "outside, whatever the sign",
    mistake="every token outside the range is counted, also those that still have their gradient and are on their way back",
    symptom="reads higher than the metric of that name in TRL, verl and OpenRLHF",
    wild="on purpose in CleanRL, Stable-Baselines3 and Spinning Up; mended in TRL PR #3175",
)
def clip_frac__outside(
    new: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    r = ratio_of(new, old)
    return share((r > 1 + clip_high) | (r < 1 - clip_low), mask)


@bug(
    "the wrong two corners",
    mistake="the tokens counted are those that moved the wrong way: their gradient is alive",
    symptom="high where the policy works against its own samples, 0 on a run that clips as it should",
    wild="TRL #3032, #3144, mended in TRL PR #3145",
)
def clip_frac__wrong_corners(
    new: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    r = ratio_of(new, old)
    return share(((r > 1 + clip_high) & (advantages < 0)) | ((r < 1 - clip_low) & (advantages > 0)), mask)


@bug(
    "only from above",
    mistake="only tokens that rose too far are counted, not those that fell too far",
    symptom="reads about half of what is clipped",
    wild="TRL's cispo_clip_ratio counts only positive advantages although the cap holds for all",
)
def clip_frac__above_only(
    new: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    return share((ratio_of(new, old) > 1 + clip_high) & (advantages > 0), mask)


@bug(
    "only from below",
    mistake="only tokens that fell too far are counted, not those that rose too far",
    symptom="reads about half of what is clipped",
)
def clip_frac__below_only(
    new: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    return share((ratio_of(new, old) < 1 - clip_low) & (advantages < 0), mask)


@bug(
    "padding counted",
    mistake="the padding is counted as well: the mask plays no part",
    symptom="clip_frac moves with the padding; garbage log-probs of pads can fill it",
)
def clip_frac__padding(
    new: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    r = ratio_of(new, old)
    hit = ((r > 1 + clip_high) & (advantages > 0)) | ((r < 1 - clip_low) & (advantages < 0))
    return hit.double().mean()


@bug(
    "padding in the denominator",
    mistake="padding is left out above the line and counted below it",
    symptom="clip_frac shrinks as padding grows",
)
def clip_frac__padding_below(
    new: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    r = ratio_of(new, old)
    hit = ((r > 1 + clip_high) & (advantages > 0)) | ((r < 1 - clip_low) & (advantages < 0))
    return (hit & mask).double().mean()


@bug(
    "a distance from 1",
    mistake="the distance of the ratio from 1 is compared with one bound: the other bound and the sign of the advantage "
    "play no part",
    symptom="counts tokens on their way back, and is off as soon as clip_high differs from clip_low",
    wild="on purpose in CleanRL and Stable-Baselines3, which have one bound",
)
def clip_frac__distance(
    new: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    return share((ratio_of(new, old) - 1).abs() > clip_low, mask)
