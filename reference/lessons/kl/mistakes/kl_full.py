"""What goes wrong in the KL of the whole next-token distribution."""

import torch
from torch import Tensor

from reference.teaching.bug import bug


def log_softmaxes(logits: Tensor, ref_logits: Tensor) -> tuple[Tensor, Tensor]:
    return logits[:, :-1].log_softmax(-1), ref_logits[:, :-1].log_softmax(-1)


@bug(
    "full KL, direction reversed",
    mistake="this is KL(ref || pi): the weights, and what is on top in the ratio, are the reference's",
    symptom="the model is pushed to cover all that the reference might say, instead of staying within it",
    wild="F.kl_div(logp, ref_logp) computes this one; Kaixhin/ACER #6, rlax #14",
)
def kl_full__reversed(logits: Tensor, ref_logits: Tensor) -> Tensor:
    logp, ref_logp = log_softmaxes(logits, ref_logits)
    return (ref_logp.exp() * (ref_logp - logp)).sum(-1)


@bug(
    "full KL, weighted by the reference",
    mistake="the log-ratio is the right way up, but the weights are the reference's: the result is never above 0",
    symptom="a KL that is negative on every batch",
)
def kl_full__ref_weights(logits: Tensor, ref_logits: Tensor) -> Tensor:
    logp, ref_logp = log_softmaxes(logits, ref_logits)
    return (ref_logp.exp() * (logp - ref_logp)).sum(-1)


@bug(
    "full KL, sign flipped",
    mistake="the weights are right, but the ratio stands on its head: a KL is not negative",
    symptom="as a penalty it rewards drifting away",
)
def kl_full__negative(logits: Tensor, ref_logits: Tensor) -> Tensor:
    logp, ref_logp = log_softmaxes(logits, ref_logits)
    return (logp.exp() * (ref_logp - logp)).sum(-1)


@bug(
    "full KL without weights",
    mistake="the log-ratios of all words are added up as if each were equally likely",
    symptom="huge numbers of either sign, dominated by words that nobody would say",
)
def kl_full__no_weights(logits: Tensor, ref_logits: Tensor) -> Tensor:
    logp, ref_logp = log_softmaxes(logits, ref_logits)
    return (logp - ref_logp).sum(-1)


@bug(
    "full KL, mean of the log-ratios",
    mistake="the log-ratios are averaged over the vocabulary as if each word were equally likely",
    symptom="numbers of either sign, dominated by words that nobody would say",
)
def kl_full__plain_mean(logits: Tensor, ref_logits: Tensor) -> Tensor:
    logp, ref_logp = log_softmaxes(logits, ref_logits)
    return (logp - ref_logp).mean(-1)


@bug(
    "full KL, mean over the vocabulary",
    mistake="the weights add up to 1 already, and then the result is divided by the size of the vocabulary",
    symptom="with a vocabulary of 150,000 the penalty is 150,000 times too small: it does nothing",
    wild="F.kl_div with its default reduction='mean' does this",
)
def kl_full__vocab_mean(logits: Tensor, ref_logits: Tensor) -> Tensor:
    logp, ref_logp = log_softmaxes(logits, ref_logits)
    return (logp.exp() * (logp - ref_logp)).mean(-1)


@bug(
    "full KL, weights detached",
    mistake="the value is right, but the weights carry no gradient: what is left of it is exactly 0",
    symptom="the curve of the KL is right and the penalty does nothing at all",
)
def kl_full__weights_detached(logits: Tensor, ref_logits: Tensor) -> Tensor:
    logp, ref_logp = log_softmaxes(logits, ref_logits)
    return (logp.exp().detach() * (logp - ref_logp)).sum(-1)


@bug(
    "full KL of raw logits",
    mistake="the logits are subtracted before they are normalised: a constant added to them would change the result",
    symptom="a KL that jumps with the scale of the logits, and can be negative",
)
def kl_full__raw_logits(logits: Tensor, ref_logits: Tensor) -> Tensor:
    p = logits[:, :-1].softmax(-1)
    return (p * (logits - ref_logits)[:, :-1]).sum(-1)


@bug(
    "full KL, cross-entropy",
    mistake="this is the cross-entropy: the policy's own entropy has not been taken off, so equal policies are not at 0",
    symptom="the term also pushes the policy to be sure of itself, and its entropy collapses",
)
def kl_full__cross_entropy(logits: Tensor, ref_logits: Tensor) -> Tensor:
    logp, ref_logp = log_softmaxes(logits, ref_logits)
    return -(logp.exp() * ref_logp).sum(-1)


@bug(
    "full KL, T entries",
    mistake="all T positions are there: the last one predicts a token that you do not have",
    symptom="shapes clash with the mask, or one more slice brings an off-by-one",
)
def kl_full__not_cut(logits: Tensor, ref_logits: Tensor) -> Tensor:
    logp, ref_logp = logits.log_softmax(-1), ref_logits.log_softmax(-1)
    return (logp.exp() * (logp - ref_logp)).sum(-1)


@bug(
    "full KL, first position dropped",
    mistake="the wrong end is cut off: every entry stands one place too far left",
    symptom="the mask keeps the KL after the last token and loses that of the first",
)
def kl_full__first_dropped(logits: Tensor, ref_logits: Tensor) -> Tensor:
    return kl_full__not_cut.wrong(logits, ref_logits)[:, 1:]


def over_all_positions(logits: Tensor, ref_logits: Tensor) -> Tensor:
    logp, ref_logp = logits.log_softmax(1), ref_logits.log_softmax(1)
    return (logp.exp() * (logp - ref_logp)).sum(-1)[:, :-1]


@bug(
    "full KL, softmax over time",
    mistake="the softmax runs over the positions, not over the vocabulary",
    symptom="the KL of one token changes when another position is added to the row",
    likewise=(over_all_positions,),
)
def kl_full__wrong_axis(logits: Tensor, ref_logits: Tensor) -> Tensor:
    logp, ref_logp = logits[:, :-1].log_softmax(1), ref_logits[:, :-1].log_softmax(1)
    return (logp.exp() * (logp - ref_logp)).sum(-1)


@bug(
    "full KL, Jensen-Shannon",
    mistake="both policies are compared with their average: that is the Jensen-Shannon divergence, which is below ln 2",
    symptom="a distance that stops growing, and a pull that fades, as the policy drifts away",
)
def kl_full__jensen_shannon(logits: Tensor, ref_logits: Tensor) -> Tensor:
    logp, ref_logp = log_softmaxes(logits, ref_logits)
    middle = torch.log((logp.exp() + ref_logp.exp()) / 2)
    return ((logp.exp() * (logp - middle)) + ref_logp.exp() * (ref_logp - middle)).sum(-1) / 2
