"""What goes wrong in the KL to the reference: its sign, its direction, its weights and its gradient."""

import torch
from torch import Tensor

from reference.teaching.bug import bug

# ---- kl_k1 -----------------------------------------------------------------------------------------------------------


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


# ---- kl_k2 -----------------------------------------------------------------------------------------------------------


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


# ---- kl_k3 -----------------------------------------------------------------------------------------------------------


@bug(
    "k3, arguments swapped",
    mistake="policy and reference have changed places, so on samples from the policy the mean is another divergence",
    symptom="a KL that spikes: the large ratios now sit on the tokens that the policy samples most",
    wild="rlhf-book, policy_gradients/loss.py (expm1(lr) - lr)",
)
def kl_k3__swapped(token_logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    d = ref_logprobs - token_logprobs
    return torch.expm1(-d) + d


@bug(
    "k3, one sign wrong",
    mistake="the ratio and the log-ratio are not those of one direction: near the reference the two should cancel",
    symptom="negative for many tokens, about -2 times k1 near the reference",
)
def kl_k3__one_sign(token_logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    d = token_logprobs - ref_logprobs
    return torch.expm1(-d) - d


@bug(
    "k3, ratio the wrong way up",
    mistake="the ratio is the wrong way up for this log-ratio: near the reference the two should cancel",
    symptom="about 2 times k1 near the reference, and negative for many tokens",
)
def kl_k3__wrong_ratio(token_logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    d = token_logprobs - ref_logprobs
    return torch.expm1(d) + d


@bug(
    "k3, one not taken off",
    mistake="where policy and reference agree it is 1, not 0",
    symptom="the logged KL starts at 1; the gradient is right, so nothing else shows",
)
def kl_k3__no_minus_one(token_logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    d = token_logprobs - ref_logprobs
    return torch.exp(-d) + d


@bug(
    "k3 without k1",
    mistake="only the part whose mean is 0 is there, the log-ratio itself is missing",
    symptom="the logged KL hovers around 0 however far the policy drifts",
)
def kl_k3__no_log(token_logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    return torch.expm1(ref_logprobs - token_logprobs)


@bug(
    "k2 in place of k3",
    mistake="this is k2: near the reference the two agree, further out they do not",
    symptom="values close to k3 early in a run; later they part, and the gradient is that of the other direction",
)
def kl_k3__is_k2(token_logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    return 0.5 * (token_logprobs - ref_logprobs) ** 2


@bug(
    "k3, clamped",
    mistake="large values are cut, and with them their gradient; the estimator itself has no ceiling",
    symptom="tokens that have drifted far are not called back, and the logged KL flattens near the ceiling",
    wild="verl (low_var_kl) and OpenRLHF cut at 10, on purpose",
)
def kl_k3__clamped(token_logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    d = token_logprobs - ref_logprobs
    return (torch.expm1(-d) + d).clamp(-10, 10)


@bug(
    "k3, ratio detached",
    mistake="the value is right, but the ratio carries no gradient, so only that of the log-ratio is left",
    symptom="the curve looks right and the penalty does nothing: on average its gradient is 0, as that of k1",
)
def kl_k3__ratio_detached(token_logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    d = token_logprobs - ref_logprobs
    return torch.expm1(-d).detach() + d


@bug(
    "k3 of the other direction",
    mistake="the mean of this is KL(ref || pi): a right estimator of the other direction",
    symptom="the logged KL differs from the mean of k1 even over very many tokens",
    wild='TRL #2914 ("looks like the forward KL": the value is not)',
)
def kl_k3__forward(token_logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    log_ratio = ref_logprobs - token_logprobs
    return log_ratio.exp() * log_ratio - torch.expm1(log_ratio)
