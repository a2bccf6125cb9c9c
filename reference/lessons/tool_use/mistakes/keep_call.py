"""What goes wrong when self-labelled calls are filtered."""

import torch
from torch import Tensor

from reference.teaching.bug import bug


def gain(with_result: Tensor, without_result: Tensor, without_call: Tensor) -> Tensor:
    return torch.minimum(without_result, without_call) - with_result


@bug(
    "compared with no call alone",
    mistake="the loss is compared with that of no call alone, so a call whose arguments give the answer away is kept too",
    symptom="calls are kept whose result is not used: the model learns to write what it knows already into a call",
    likewise=(lambda a, b, c, *, threshold: c - a > threshold,),
)
def keep_call__no_call_alone(
    with_result: Tensor, without_result: Tensor, without_call: Tensor, *, threshold: float
) -> Tensor:
    return without_call - with_result >= threshold


@bug(
    "compared with the call alone",
    mistake="the loss is compared with that of the call without its result alone, and no call at all is not considered",
    symptom="a call that disturbs the text is kept, if only its result mends what the call has spoiled",
    likewise=(lambda a, b, c, *, threshold: b - a > threshold,),
)
def keep_call__call_alone(
    with_result: Tensor, without_result: Tensor, without_call: Tensor, *, threshold: float
) -> Tensor:
    return without_result - with_result >= threshold


@bug(
    "the larger of the two",
    mistake="the result has to be better than one of the two texts without it, where it should be better than both",
    symptom="far more calls are kept than the threshold promises, and most of them help nobody",
    likewise=(lambda a, b, c, *, threshold: torch.maximum(b, c) - a > threshold,),
)
def keep_call__maximum(
    with_result: Tensor, without_result: Tensor, without_call: Tensor, *, threshold: float
) -> Tensor:
    return torch.maximum(without_result, without_call) - with_result >= threshold


@bug(
    "the mean of the two",
    mistake="the loss is compared with the mean of the two others, so a large one makes up for a small one",
    symptom="calls are kept that are no better than no call, because their arguments alone make the text unlikely",
    likewise=(lambda a, b, c, *, threshold: (b + c) / 2 - a > threshold,),
)
def keep_call__mean(with_result: Tensor, without_result: Tensor, without_call: Tensor, *, threshold: float) -> Tensor:
    return (without_result + without_call) / 2 - with_result >= threshold


@bug(
    "threshold for one of the two",
    mistake="the threshold is asked for against one of the two texts without a result, and against the other any gain will do",
    symptom="more calls are kept than the threshold promises, and of some the result adds next to nothing",
    likewise=(
        lambda a, b, c, *, threshold: (b - a >= threshold) & (c >= a),
        lambda a, b, c, *, threshold: (c - a >= threshold) & (b > a),
        lambda a, b, c, *, threshold: (c - a >= threshold) & (b >= a),
    ),
)
def keep_call__threshold_for_one(
    with_result: Tensor, without_result: Tensor, without_call: Tensor, *, threshold: float
) -> Tensor:
    return (without_result - with_result >= threshold) & (without_call > with_result)


@bug(
    "the sum of the two",
    mistake="the losses of both texts without a result are added up, and the loss with the result is taken off once",
    symptom="nearly every call is kept: two losses are larger than one",
)
def keep_call__sum(with_result: Tensor, without_result: Tensor, without_call: Tensor, *, threshold: float) -> Tensor:
    return without_result + without_call - with_result >= threshold


@bug(
    "the sign of log-probs",
    mistake="the difference is taken the wrong way round: the losses are used as if they were log-probs, where more is better",
    symptom="exactly the calls whose result makes the text harder to predict are kept, or none",
)
def keep_call__sign(with_result: Tensor, without_result: Tensor, without_call: Tensor, *, threshold: float) -> Tensor:
    return -gain(with_result, without_result, without_call) >= threshold


@bug(
    "more than the threshold",
    mistake="a gain of exactly the threshold is refused",
    symptom="with a threshold of 0 a result that changes nothing is dropped; elsewhere a difference by rounding",
)
def keep_call__more_than(
    with_result: Tensor, without_result: Tensor, without_call: Tensor, *, threshold: float
) -> Tensor:
    return gain(with_result, without_result, without_call) > threshold


@bug(
    "threshold forgotten",
    mistake="any gain is enough, however small: the threshold has no effect",
    symptom="about half of all useless calls are kept, since a loss changes a little with every prefix",
)
def keep_call__any_gain(
    with_result: Tensor, without_result: Tensor, without_call: Tensor, *, threshold: float
) -> Tensor:
    return gain(with_result, without_result, without_call) > 0


@bug(
    "a share of the loss",
    mistake="the gain is divided by the loss without a result: it is compared as a share, not in nats",
    symptom="texts that are easy anyway pass with a tiny gain, hard ones with a large gain do not",
    likewise=(lambda a, b, c, *, threshold: 1 - a / torch.minimum(b, c) > threshold,),
)
def keep_call__share(with_result: Tensor, without_result: Tensor, without_call: Tensor, *, threshold: float) -> Tensor:
    least = torch.minimum(without_result, without_call)
    return (least - with_result) / least >= threshold


@bug(
    "a small loss is enough",
    mistake="the loss with the result is compared with the threshold by itself, and not with a loss without the result",
    symptom="calls are kept where the text is easy, whether they help or not",
)
def keep_call__loss(with_result: Tensor, without_result: Tensor, without_call: Tensor, *, threshold: float) -> Tensor:
    return with_result <= threshold
