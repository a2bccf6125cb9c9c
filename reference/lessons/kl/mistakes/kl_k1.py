"""What goes wrong in k1: the sign, the weights, and what is no log-ratio."""

import torch
from torch import Tensor

from reference.teaching.bug import bug


@bug(
    "k1, reference first",
    mistake="the difference is taken the other way round: it is positive where the reference likes the token more",
    symptom="in the reward, drifting away is paid for instead of charged, and the logged KL goes down below 0",
    wild="rlhf-book, policy_gradients/loss.py (k1 = -(log-ratio)); TRL PR #168 for policykl",
)
def kl_k1__swapped(token_logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    return ref_logprobs - token_logprobs


@bug(
    "k1, absolute value",
    mistake="the sign is thrown away, so the mean is no longer a KL but something larger",
    symptom="the logged KL is never negative, looks tidy, and is several times too large near the reference",
    wild="verl's kl_penalty=abs does this on purpose",
)
def kl_k1__absolute(token_logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    return (token_logprobs - ref_logprobs).abs()


@bug(
    "k1, negative values cut off",
    mistake="negative values are set to 0: they belong to the mean, and without them it is too large",
    symptom="the logged KL is above 0 even for two equal policies that differ by rounding, and the penalty never pays back",
)
def kl_k1__cut_at_zero(token_logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    return (token_logprobs - ref_logprobs).clamp_min(0)


@bug(
    "k1, weighted by the probability",
    mistake="each sampled token is weighted by its probability once more: the sampling has weighted it already",
    symptom="unlikely tokens hardly count, so a policy can drift in its tails unseen",
)
def kl_k1__weighted_twice(token_logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    return token_logprobs.exp() * (token_logprobs - ref_logprobs)


@bug(
    "k1, ratio instead of its logarithm",
    mistake="this is the ratio of the probabilities: where the two agree it is 1, not 0",
    symptom="the logged KL starts at 1",
)
def kl_k1__ratio(token_logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    return (token_logprobs - ref_logprobs).exp()


@bug(
    "k1, ratio minus one",
    mistake="this is the ratio minus 1, which is near the log-ratio only where the two policies agree",
    symptom="right at the start of a run; later a single token with a large ratio outweighs all others",
)
def kl_k1__ratio_minus_one(token_logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    return (token_logprobs - ref_logprobs).exp() - 1


@bug(
    "k1, difference of probabilities",
    mistake="the probabilities are subtracted, not their logarithms",
    symptom="bounded by 1, and nearly 0 for every unlikely token, whatever happens to it",
)
def kl_k1__probabilities(token_logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    return token_logprobs.exp() - ref_logprobs.exp()


@bug(
    "k1, through F.kl_div",
    mistake="F.kl_div on sampled log-probs weights by the second argument and turns the ratio round",
    symptom="the number has the wrong sign and hardly sees unlikely tokens",
)
def kl_k1__kl_div(token_logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    return torch.nn.functional.kl_div(token_logprobs, ref_logprobs, reduction="none", log_target=True)
