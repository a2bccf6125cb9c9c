"""Other sums over the vocabulary in the place of the KL."""

from torch import Tensor

from reference.teaching.bug import bug

from .kl_full import log_softmaxes


@bug(
    "full KL, no logarithm",
    mistake="probabilities are subtracted where their logarithms should be",
    symptom="the result is far too small, and hardly grows where the reference all but forbids a word",
)
def kl_full__no_log(logits: Tensor, ref_logits: Tensor) -> Tensor:
    logp, ref_logp = log_softmaxes(logits, ref_logits)
    return (logp.exp() * (logp.exp() - ref_logp.exp())).sum(-1)


def negative_entropy(logits: Tensor, ref_logits: Tensor) -> Tensor:
    logp, _ = log_softmaxes(logits, ref_logits)
    return (logp.exp() * logp).sum(-1)


@bug(
    "full KL, entropy alone",
    mistake="this is the entropy of the policy, or minus the entropy: the reference does not enter",
    symptom="as a loss it makes the policy sharper or flatter, and nothing holds it near the reference",
    likewise=(negative_entropy,),
)
def kl_full__entropy(logits: Tensor, ref_logits: Tensor) -> Tensor:
    return -negative_entropy(logits, ref_logits)


@bug(
    "full KL, absolute values",
    mistake="the log-ratios lose their signs before they are weighted, so the sum is larger than the KL",
    symptom="the metric falls far more slowly than the KL as the policies get close",
)
def kl_full__absolute(logits: Tensor, ref_logits: Tensor) -> Tensor:
    logp, ref_logp = log_softmaxes(logits, ref_logits)
    return (logp.exp() * (logp - ref_logp).abs()).sum(-1)


def sum_of_both(logits: Tensor, ref_logits: Tensor) -> Tensor:
    logp, ref_logp = log_softmaxes(logits, ref_logits)
    return ((logp.exp() - ref_logp.exp()) * (logp - ref_logp)).sum(-1)


@bug(
    "full KL, both directions",
    mistake="both directions are added or averaged: that is Jeffreys' divergence, and one direction was asked for",
    symptom="the policy is also made to cover what only the reference likes",
    likewise=(lambda logits, ref_logits: sum_of_both(logits, ref_logits) / 2,),
)
def kl_full__symmetric(logits: Tensor, ref_logits: Tensor) -> Tensor:
    return sum_of_both(logits, ref_logits)


@bug(
    "full KL, likeliest word only",
    mistake="the log-ratio of the likeliest word is taken: a KL is a mean over all words",
    symptom="it is below 0 wherever the policy has become less sure than the reference",
)
def kl_full__likeliest(logits: Tensor, ref_logits: Tensor) -> Tensor:
    logp, ref_logp = log_softmaxes(logits, ref_logits)
    best = logp.argmax(-1, keepdim=True)
    return (logp - ref_logp).gather(-1, best).squeeze(-1)


@bug(
    "full KL, sign between the two",
    mistake="the two means of log-probs are added up; the KL is their difference",
    symptom="the value is far below 0, and as a loss it makes the policy flat",
)
def kl_full__plus(logits: Tensor, ref_logits: Tensor) -> Tensor:
    logp, ref_logp = log_softmaxes(logits, ref_logits)
    return (logp.exp() * (logp + ref_logp)).sum(-1)


@bug(
    "full KL, summed over time",
    mistake="the sum runs over the positions, not over the vocabulary: there is a number for each word",
    symptom="the result has the shape of a vocabulary, and no position has a KL of its own",
)
def kl_full__summed_over_time(logits: Tensor, ref_logits: Tensor) -> Tensor:
    logp, ref_logp = log_softmaxes(logits, ref_logits)
    return (logp.exp() * (logp - ref_logp)).sum(1)
