"""What goes wrong when the ratio is made for clip_frac, and when a share is made of the tokens that were found."""

from torch import Tensor

from reference.teaching.bug import bug

from .clip_frac import share
from .ratio import ratio_of


def switched_off(r: Tensor, advantages: Tensor, low: float, high: float) -> Tensor:
    return ((r > 1 + high) & (advantages > 0)) | ((r < 1 - low) & (advantages < 0))


@bug(
    "bounds swapped",
    mistake="clip_low and clip_high have changed places",
    symptom="none while the two are equal; with a higher upper bound the share is too large above and too small below",
)
def clip_frac__bounds_swapped(
    new: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    return share(switched_off(ratio_of(new, old), advantages, clip_high, clip_low), mask)


@bug(
    "no exp",
    mistake="a difference of log-probs is compared with the bounds of a ratio: it is 0, not 1, where nothing has changed",
    symptom="nearly every token with a negative advantage counts, from the first step on",
)
def clip_frac__no_exp(
    new: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    return share(switched_off(new - old, advantages, clip_low, clip_high), mask)


@bug(
    "bounds of the log-ratio",
    mistake="the log-ratio is compared with -clip_low and clip_high, but the clip acts on the ratio",
    symptom="nearly right while the policy moves little, too high above the range and too low below it later",
)
def clip_frac__log_ratio(
    new: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    return share(switched_off(1 + new - old, advantages, clip_low, clip_high), mask)


@bug(
    "ratio upside down",
    mistake="the ratio is that of the old policy over the new one",
    symptom="it counts the tokens on their way back, and is 0 on a run that clips as it should",
)
def clip_frac__inverse(
    new: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    return share(switched_off(ratio_of(old, new), advantages, clip_low, clip_high), mask)


@bug(
    "mean of row shares",
    mistake="each row gets its own share and these are averaged: a token of a short completion counts for more",
    symptom="one short completion with a clipped token moves the metric as much as a long one with many",
)
def clip_frac__row_shares(
    new: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    hit = switched_off(ratio_of(new, old), advantages, clip_low, clip_high) & mask
    return (hit.sum(dim=1) / mask.sum(dim=1)).double().mean()


@bug(
    "a share for each row",
    mistake="there is a share for each row where one number for all kept tokens was asked for",
    symptom="logging fails, or shows the first completion only",
)
def clip_frac__per_row(
    new: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    hit = switched_off(ratio_of(new, old), advantages, clip_low, clip_high) & mask
    return (hit.sum(dim=1) / mask.sum(dim=1)).double()


@bug(
    "a count",
    mistake="this is how many tokens were clipped, not which share of them",
    symptom="the metric grows with the batch and with the length of the completions",
)
def clip_frac__count(
    new: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    return (switched_off(ratio_of(new, old), advantages, clip_low, clip_high) & mask).sum().double()


@bug(
    "over the rows",
    mistake="the number of clipped tokens is divided by the number of rows, not by the number of kept tokens",
    symptom="the metric is above 1 as soon as a completion has more than one clipped token",
)
def clip_frac__over_rows(
    new: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    hit = switched_off(ratio_of(new, old), advantages, clip_low, clip_high) & mask
    return hit.sum().double() / len(mask)


@bug(
    "dead groups counted",
    mistake="tokens with an advantage of 0 are counted outside the range: they had no gradient that a clip could take",
    symptom="the share rises with the number of groups in which all answers are equal",
)
def clip_frac__dead_groups(
    new: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    r = ratio_of(new, old)
    return share(((r > 1 + clip_high) & (advantages >= 0)) | ((r < 1 - clip_low) & (advantages <= 0)), mask)


@bug(
    "distance of the log-ratio",
    mistake="the absolute log-ratio is compared with one bound: the clip acts on the ratio, and on one side of it",
    symptom="it counts tokens on their way back, and is off as soon as clip_high differs from clip_low",
)
def clip_frac__log_distance(
    new: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    return share((new - old).abs() > clip_low, mask)


@bug(
    "clip_high ignored",
    mistake="the range is symmetric: clip_high plays no part",
    symptom="none while the two bounds are equal; with a higher upper bound the share is too large",
)
def clip_frac__one_low(
    new: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    return share(switched_off(ratio_of(new, old), advantages, clip_low, clip_low), mask)


@bug(
    "clip_low ignored",
    mistake="the range is symmetric: clip_low plays no part",
    symptom="none while the two bounds are equal; with a higher upper bound the share is too small",
)
def clip_frac__one_high(
    new: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    return share(switched_off(ratio_of(new, old), advantages, clip_high, clip_high), mask)
