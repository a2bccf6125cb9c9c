"""What goes wrong when a completion is charged for coming near its budget."""

import torch
from torch import Tensor

from reference.teaching.bug import bug


def ramp(lengths: Tensor, *, free: int, over: int) -> Tensor:
    """0 up to ``free`` tokens, then a straight line to -1 over the next ``over`` tokens, and -1 beyond."""
    return ((free - lengths) / over).clamp(-1, 0)


@bug(
    "a reward for running long",
    mistake="the numbers are positive: coming near the budget is paid for",
    symptom="completions grow to the budget, and the share that is cut off rises",
    wild="TRL #2771: an example of its documentation rewarded completions for being far from the length it wanted",
)
def soft_length_penalty__positive(lengths: Tensor, *, max_length: int, buffer: int) -> Tensor:
    return -ramp(lengths, free=max_length - buffer, over=buffer)


@bug(
    "buffer behind the budget",
    mistake="the buffer begins where the budget ends, and not before",
    symptom="sampling stops at the budget, so nobody ever pays: the config has a penalty, and the run has none",
    wild="verl #3855, open: its documentation describes it so, its code does not",
)
def soft_length_penalty__behind(lengths: Tensor, *, max_length: int, buffer: int) -> Tensor:
    return ramp(lengths, free=max_length, over=buffer)


@bug(
    "no floor",
    mistake="beyond the budget the line goes on downwards",
    symptom="where lengths can pass max_length, one long completion is charged more than a right answer earns",
    wild="verl, by choice; OpenRLHF PR #1091, until its review",
)
def soft_length_penalty__no_floor(lengths: Tensor, *, max_length: int, buffer: int) -> Tensor:
    return ((max_length - buffer - lengths) / buffer).clamp_max(0)


@bug(
    "a reward for being short",
    mistake="the line goes on upwards before the buffer, so a completion is paid for every token that it leaves out",
    symptom="answers shrink to a few tokens, right or wrong",
    likewise=(lambda lengths, *, max_length, buffer: (max_length - buffer - lengths) / buffer,),
)
def soft_length_penalty__no_ceiling(lengths: Tensor, *, max_length: int, buffer: int) -> Tensor:
    return ((max_length - buffer - lengths) / buffer).clamp_min(-1)


@bug(
    "a step at the buffer",
    mistake="the full charge is due from the first token of the buffer on: there is no straight line",
    symptom="inside the buffer shorter is no better, so nothing leads back from there",
    likewise=(lambda lengths, *, max_length, buffer: -(lengths >= max_length - buffer).double(),),
)
def soft_length_penalty__step(lengths: Tensor, *, max_length: int, buffer: int) -> Tensor:
    return -(lengths > max_length - buffer).double()


@bug(
    "a step at the end",
    mistake="only completions that used up the budget are charged, and those in full",
    symptom="the policy learns of the limit when it is cut off, and not before",
    likewise=(lambda lengths, *, max_length, buffer: -(lengths > max_length).double(),),
)
def soft_length_penalty__cut_off(lengths: Tensor, *, max_length: int, buffer: int) -> Tensor:
    return -(lengths >= max_length).double()


@bug(
    "every token pays",
    mistake="the line begins at the first token: the buffer has no effect",
    symptom="of two right answers the shorter one wins, and so it does of two wrong ones: guesses without work are paid best",
)
def soft_length_penalty__whole(lengths: Tensor, *, max_length: int, buffer: int) -> Tensor:
    return ramp(lengths, free=0, over=max_length)


@bug(
    "divided by another length",
    mistake="the excess is divided by another length than that of the buffer, so the line has the wrong slope",
    symptom="a completion that fills the budget is charged a fraction of what the config says",
    likewise=(
        lambda lengths, *, max_length, buffer: ramp(lengths, free=max_length - buffer, over=max_length - buffer),
    ),
)
def soft_length_penalty__max_length(lengths: Tensor, *, max_length: int, buffer: int) -> Tensor:
    return ramp(lengths, free=max_length - buffer, over=max_length)


@bug(
    "buffer taken for the free part",
    mistake="the buffer is taken for the tokens that are free: the line begins behind the first so many, and not before the last",
    symptom="with a small buffer nearly every completion is charged, and answers get shorter than they need to be",
)
def soft_length_penalty__free(lengths: Tensor, *, max_length: int, buffer: int) -> Tensor:
    return ramp(lengths, free=buffer, over=max_length - buffer)


@bug(
    "a charge per token",
    mistake="the tokens of the excess are counted and not divided: the charge is not between -1 and 0",
    symptom="the charge drowns every other reward, and the policy learns nothing but to be short",
    likewise=(lambda lengths, *, max_length, buffer: (max_length - buffer - lengths).clamp(-buffer, 0),),
)
def soft_length_penalty__per_token(lengths: Tensor, *, max_length: int, buffer: int) -> Tensor:
    return (max_length - buffer - lengths).clamp_max(0)


@bug(
    "the longest of the batch",
    mistake="the longest completion of the batch stands in the place of the budget",
    symptom="in every batch somebody is charged in full, also where all are short",
)
def soft_length_penalty__batch(lengths: Tensor, *, max_length: int, buffer: int) -> Tensor:
    return ramp(lengths, free=int(lengths.max()) - buffer, over=buffer)


@bug(
    "one number for the batch",
    mistake="the charges are averaged, so all completions have the same one, as a term of the loss would",
    symptom="a baseline takes it off, and in a loss it has no gradient: nothing is learned from it",
    likewise=(
        lambda lengths, *, max_length, buffer: ramp(lengths, free=max_length - buffer, over=buffer).sum(),
        lambda lengths, *, max_length, buffer: -ramp(lengths, free=max_length - buffer, over=buffer).mean(),
    ),
)
def soft_length_penalty__mean(lengths: Tensor, *, max_length: int, buffer: int) -> Tensor:
    return ramp(lengths, free=max_length - buffer, over=buffer).mean()


@bug(
    "a factor, not a charge",
    mistake="it runs from 1 down to 0, as a factor would that the reward is multiplied by; what is added should be 0 for most",
    symptom="added to rewards it pays 1 to every short completion; as a factor it charges nothing to a wrong one, whose reward is 0",
)
def soft_length_penalty__factor(lengths: Tensor, *, max_length: int, buffer: int) -> Tensor:
    return 1 + ramp(lengths, free=max_length - buffer, over=buffer)


@bug(
    "free beyond the budget",
    mistake="lengths beyond the budget are not charged: the last of the three parts is missing",
    symptom="where lengths can pass max_length, going far over it costs nothing",
)
def soft_length_penalty__free_beyond(lengths: Tensor, *, max_length: int, buffer: int) -> Tensor:
    return torch.where(lengths > max_length, 0.0, ramp(lengths, free=max_length - buffer, over=buffer))
