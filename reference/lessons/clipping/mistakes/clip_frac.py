"""What goes wrong when clipped tokens are counted."""

from torch import Tensor

from reference.teaching.bug import bug

from .ratio import ratio_of


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


@bug(
    "equal losses counted",
    mistake="tokens whose two losses are equal are counted as well: those are the tokens inside the range, which train",
    symptom="clip_frac is 1 before the first step, when every ratio is 1, and falls as the policy moves",
)
def clip_frac__ties(
    new: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, *, clip_low: float, clip_high: float
) -> Tensor:
    r = ratio_of(new, old)
    return share(-advantages * r.clamp(1 - clip_low, 1 + clip_high) >= -advantages * r, mask)
