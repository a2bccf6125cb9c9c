"""What goes wrong in k3: the direction of its ratio, its terms, and its gradient."""

from collections.abc import Callable

import torch
from torch import Tensor

from reference.teaching.bug import bug


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
    "k3, ratio of log-probs",
    mistake="log-probs are divided where probabilities belong: log a / log b is not a / b",
    symptom="a KL that spikes at the tokens of which the policy is sure, because their log-probs are near 0",
)
def kl_k3__ratio_of_logs(token_logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    d = token_logprobs - ref_logprobs
    return ref_logprobs / token_logprobs - 1 + d


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


def log_ratio_cut(at: float) -> Callable[[Tensor, Tensor], Tensor]:
    def cut(token_logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
        d = (token_logprobs - ref_logprobs).clamp(-at, at)
        return torch.expm1(-d) + d

    return cut


@bug(
    "k3, clamped",
    mistake="large values are cut, and with them their gradient; the estimator itself has no ceiling",
    symptom="tokens that have drifted far are not called back, and the logged KL flattens near the ceiling",
    wild="verl (low_var_kl) and OpenRLHF cut at 10, on purpose",
    likewise=tuple(log_ratio_cut(at) for at in (1.0, 5.0, 10.0, 20.0)),
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


@bug(
    "k1 in place of k3",
    mistake="this is k1: it is below 0 for every token that the reference likes better",
    symptom="the metric jumps around 0, and as a loss its mean gradient is 0",
)
def kl_k3__k1(token_logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    return token_logprobs - ref_logprobs


@bug(
    "k3, log-ratio detached",
    mistake="the value is right, but the log-ratio carries no gradient, so only that of the ratio is left",
    symptom="where the policy equals the reference the gradient is not 0: it pushes every sampled token",
)
def kl_k3__log_ratio_detached(token_logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    d = token_logprobs - ref_logprobs
    return torch.expm1(-d) + d.detach()


@bug(
    "k3, with a live ratio of 1",
    mistake="k3 is multiplied by a ratio whose value is 1 and whose gradient is not 0: the value is that of k3 alone",
    symptom="the logged KL is that of k3, and the policy is pulled by another gradient",
    wild="TRL and NeMo-RL do so on purpose, for the gradient",
)
def kl_k3__times_ratio(token_logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    d = token_logprobs - ref_logprobs
    return (token_logprobs - token_logprobs.detach()).exp() * (torch.expm1(-d) + d)
