"""What goes wrong in k1 and k2: the sign, the factor, the weights, and what is no log-ratio."""

import torch
from torch import Tensor

from reference.teaching.bug import bug


def by_name(estimator: str, k1: Tensor, k2: Tensor) -> Tensor:
    return k1 if estimator == "k1" else k2


@bug(
    "k1, reference first",
    mistake="the difference is taken the other way round: k1 is positive where the reference likes the token more",
    symptom="in the reward, drifting away is paid for instead of charged, and the logged KL goes down below 0",
    wild="rlhf-book, policy_gradients/loss.py (k1 = -(log-ratio)); TRL PR #168 for policykl",
)
def kl_penalty__swapped(token_logprobs: Tensor, ref_logprobs: Tensor, *, estimator: str) -> Tensor:
    d = ref_logprobs - token_logprobs
    return by_name(estimator, d, d**2 / 2)


@bug(
    "k1, absolute value",
    mistake="k1 has lost its sign, so its mean is no longer a KL but something larger",
    symptom="the logged KL is never negative, looks tidy, and is several times too large near the reference",
    wild="verl's kl_penalty=abs does this on purpose",
)
def kl_penalty__absolute(token_logprobs: Tensor, ref_logprobs: Tensor, *, estimator: str) -> Tensor:
    d = token_logprobs - ref_logprobs
    return by_name(estimator, d.abs(), d**2 / 2)


@bug(
    "k1, negative values cut off",
    mistake="negative values of k1 are set to 0: they belong to the mean, and without them it is too large",
    symptom="the logged KL is above 0 even for two equal policies that differ by rounding, and the penalty never pays back",
)
def kl_penalty__cut_at_zero(token_logprobs: Tensor, ref_logprobs: Tensor, *, estimator: str) -> Tensor:
    d = token_logprobs - ref_logprobs
    return by_name(estimator, d.clamp_min(0), d**2 / 2)


@bug(
    "k1 and k2, weighted by the probability",
    mistake="each sampled token is weighted by its probability once more: the sampling has weighted it already",
    symptom="unlikely tokens hardly count, so a policy can drift in its tails unseen",
)
def kl_penalty__weighted_twice(token_logprobs: Tensor, ref_logprobs: Tensor, *, estimator: str) -> Tensor:
    d = token_logprobs - ref_logprobs
    return token_logprobs.exp() * by_name(estimator, d, d**2 / 2)


@bug(
    "k1 and k2 of the ratio",
    mistake="the ratio of the probabilities stands where its logarithm belongs: where the two agree k1 is 1, not 0",
    symptom="the logged KL starts at 1",
)
def kl_penalty__ratio(token_logprobs: Tensor, ref_logprobs: Tensor, *, estimator: str) -> Tensor:
    d = (token_logprobs - ref_logprobs).exp()
    return by_name(estimator, d, d**2 / 2)


@bug(
    "k1 and k2 of the ratio minus one",
    mistake="the ratio minus 1 is near the log-ratio only where the two policies agree",
    symptom="right at the start of a run; later a single token with a large ratio outweighs all others",
)
def kl_penalty__ratio_minus_one(token_logprobs: Tensor, ref_logprobs: Tensor, *, estimator: str) -> Tensor:
    d = (token_logprobs - ref_logprobs).exp() - 1
    return by_name(estimator, d, d**2 / 2)


@bug(
    "k1 and k2 of probabilities",
    mistake="the probabilities are subtracted, not their logarithms",
    symptom="nearly 0 for every unlikely token, whatever happens to it: the penalty never bites",
)
def kl_penalty__probabilities(token_logprobs: Tensor, ref_logprobs: Tensor, *, estimator: str) -> Tensor:
    d = token_logprobs.exp() - ref_logprobs.exp()
    return by_name(estimator, d, d**2 / 2)


@bug(
    "k1, through F.kl_div",
    mistake="F.kl_div on sampled log-probs weights k1 by the second argument and turns the ratio round",
    symptom="the number has the wrong sign and hardly sees unlikely tokens",
)
def kl_penalty__kl_div(token_logprobs: Tensor, ref_logprobs: Tensor, *, estimator: str) -> Tensor:
    k1 = torch.nn.functional.kl_div(token_logprobs, ref_logprobs, reduction="none", log_target=True)
    return by_name(estimator, k1, (token_logprobs - ref_logprobs) ** 2 / 2)


@bug(
    "k2 without the half",
    mistake="the square of k2 is not halved: twice the KL near the reference",
    symptom="the same coefficient pulls twice as hard as in the other codebase",
    wild="prime-rl penalises the plain square, on purpose, against the sampler; grail PR #42",
)
def kl_penalty__no_half(token_logprobs: Tensor, ref_logprobs: Tensor, *, estimator: str) -> Tensor:
    d = token_logprobs - ref_logprobs
    return by_name(estimator, d, d**2)


@bug(
    "k2, halved before squaring",
    mistake="the difference is halved and then squared, which quarters k2",
    symptom="the same coefficient pulls half as hard",
)
def kl_penalty__quarter(token_logprobs: Tensor, ref_logprobs: Tensor, *, estimator: str) -> Tensor:
    d = token_logprobs - ref_logprobs
    return by_name(estimator, d, (d / 2) ** 2)


@bug(
    "k2, not squared",
    mistake="k2 is half of the difference, but not of its square: the sign is still there",
    symptom="behaves like k1 with half its coefficient",
)
def kl_penalty__not_squared(token_logprobs: Tensor, ref_logprobs: Tensor, *, estimator: str) -> Tensor:
    d = token_logprobs - ref_logprobs
    return by_name(estimator, d, d / 2)


@bug(
    "k2, a factor detached",
    mistake="one of the two factors of k2 carries no gradient, so the pull is half of what the value says",
    symptom="the curve of the KL looks right, and the coefficient has to be doubled to get the known effect",
)
def kl_penalty__half_gradient(token_logprobs: Tensor, ref_logprobs: Tensor, *, estimator: str) -> Tensor:
    d = token_logprobs - ref_logprobs
    return by_name(estimator, d, d.detach() * d / 2)


@bug(
    "k1 and k2 exchanged",
    mistake="k1 and k2 have changed places",
    symptom='a recipe that asks for "k1" in the reward gets another gradient, and the logged KL is never negative',
)
def kl_penalty__exchanged(token_logprobs: Tensor, ref_logprobs: Tensor, *, estimator: str) -> Tensor:
    d = token_logprobs - ref_logprobs
    return by_name(estimator, d**2 / 2, d)
