"""What goes wrong in k2: the factor, the square, and its gradient."""

from torch import Tensor

from reference.teaching.bug import bug


@bug(
    "k2 without the half",
    mistake="the square is not halved: twice the KL near the reference",
    symptom="the same coefficient pulls twice as hard as in the other codebase",
    wild="prime-rl penalises the plain square, on purpose, against the sampler; grail PR #42",
)
def kl_k2__no_half(token_logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    return (token_logprobs - ref_logprobs) ** 2


@bug(
    "k2, halved before squaring",
    mistake="the difference is halved and then squared, which quarters it",
    symptom="the same coefficient pulls half as hard",
)
def kl_k2__quarter(token_logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    return ((token_logprobs - ref_logprobs) / 2) ** 2


@bug(
    "k2, not squared",
    mistake="half of the difference is taken, but not its square: the sign is still there",
    symptom="behaves like k1 with half its coefficient",
)
def kl_k2__not_squared(token_logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    return (token_logprobs - ref_logprobs) / 2


@bug(
    "k2 of probabilities",
    mistake="the probabilities are subtracted and squared, not their logarithms",
    symptom="nearly 0 everywhere: the penalty never bites, whatever the coefficient",
)
def kl_k2__probabilities(token_logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    return 0.5 * (token_logprobs.exp() - ref_logprobs.exp()) ** 2


@bug(
    "k2 of the ratio",
    mistake="the ratio minus 1 is squared, not the log-ratio: the same near the reference, far larger where ratios are",
    symptom="spikes by orders of magnitude from single tokens",
)
def kl_k2__ratio(token_logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    return 0.5 * ((token_logprobs - ref_logprobs).exp() - 1) ** 2


@bug(
    "k2, a factor detached",
    mistake="one of the two factors carries no gradient, so the pull is half of what the value says",
    symptom="the curve of the KL looks right, and the coefficient has to be doubled to get the known effect",
)
def kl_k2__half_gradient(token_logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    d = token_logprobs - ref_logprobs
    return 0.5 * d.detach() * d
