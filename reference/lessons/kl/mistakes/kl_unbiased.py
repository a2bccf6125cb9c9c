"""What goes wrong in a KL term for the loss whose mean gradient is to be that of KL(policy || reference)."""

import torch
from torch import Tensor

from reference.teaching.bug import bug


def k3(d: Tensor) -> Tensor:
    return torch.expm1(-d) + d


@bug(
    "KL term without a pull",
    mistake="on average the gradient is exactly 0: on no token does its size depend on the reference",
    symptom="the logged KL is right, and a larger coefficient only makes the gradient noisier",
    wild="slime's default with --use-kl-loss and OpenRLHF's with algo.kl.use_loss (k1); open-instruct #534",
)
def kl_unbiased__no_pull(token_logprobs: Tensor, ref_logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
    return token_logprobs - ref_logprobs


@bug(
    "KL term, forward KL",
    mistake="on average this has the gradient of KL(ref || policy), the other direction",
    symptom="the policy keeps everything that the reference says, wrong answers too, and gives up more reward",
    wild="k3 alone, or with a ratio that carries no gradient: GRPO's formula, TRL before 1.10",
)
def kl_unbiased__forward(token_logprobs: Tensor, ref_logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
    ratio = (token_logprobs - old_logprobs).exp().detach()
    return ratio * k3(token_logprobs - ref_logprobs)


@bug(
    "KL term, sign flipped",
    mistake="the gradient is the right one with the wrong sign: descending on it climbs the KL",
    symptom="the policy runs away from the reference, and faster with a larger coefficient",
)
def kl_unbiased__sign(token_logprobs: Tensor, ref_logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
    return -0.5 * (token_logprobs - ref_logprobs) ** 2


@bug(
    "KL term, k3 of the arguments swapped",
    mistake="policy and reference have changed places in k3",
    symptom="the pull is far too strong on tokens that the policy likes more than the reference does",
)
def kl_unbiased__swapped(token_logprobs: Tensor, ref_logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
    return (token_logprobs - old_logprobs).exp() * k3(ref_logprobs - token_logprobs)


@bug(
    "KL term, ratio upside down",
    mistake="the ratio is that of the sampler to the policy, so its gradient has the wrong sign",
    symptom="right close to the reference, but tokens that the policy likes far more than it does are pushed up further",
)
def kl_unbiased__ratio_upside_down(token_logprobs: Tensor, ref_logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
    return (old_logprobs - token_logprobs).exp() * k3(token_logprobs - ref_logprobs)


@bug(
    "KL term, k2 times a ratio with a gradient",
    mistake="k2 is multiplied by a ratio that is differentiated: its own gradient was the right one already",
    symptom="the pull is too strong where the policy has become likelier, and can turn round where d is below -2",
    wild="NeMo-RL's k2; slime's k2 with --use-unbiased-kl",
)
def kl_unbiased__k2_times_ratio(token_logprobs: Tensor, ref_logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
    return (token_logprobs - old_logprobs).exp() * (token_logprobs - ref_logprobs) ** 2 / 2


@bug(
    "KL term, twice",
    mistake="the direction is right and the gradient is twice that of the KL",
    symptom="the same coefficient pulls twice as hard as in the other codebase",
)
def kl_unbiased__twice(token_logprobs: Tensor, ref_logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
    return (token_logprobs - ref_logprobs) ** 2


@bug(
    "KL term, half",
    mistake="the direction is right and the gradient is half of that of the KL",
    symptom="the coefficient has to be doubled to get the known effect",
)
def kl_unbiased__half(token_logprobs: Tensor, ref_logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
    d = token_logprobs - ref_logprobs
    return d.detach() * d / 2


@bug(
    "KL term, absolute value",
    mistake="on average this has the gradient of the total distance of the probabilities, not of a KL",
    symptom="every token pulls equally hard, however far it has drifted",
    wild="verl's kl_loss_type=abs",
)
def kl_unbiased__absolute(token_logprobs: Tensor, ref_logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
    return (token_logprobs - ref_logprobs).abs()


@bug(
    "KL term, weighted by the probability",
    mistake="each token is weighted by its probability, but the sampling has weighted it already",
    symptom="tokens that the policy hardly writes any more are not called back",
)
def kl_unbiased__weighted_twice(token_logprobs: Tensor, ref_logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
    return token_logprobs.exp() * (token_logprobs - ref_logprobs)


@bug(
    "KL term, clamped at 10",
    mistake="the value is cut at 10, and where it is cut it has no gradient",
    symptom="tokens that the policy has almost forgotten are not called back",
    wild="NeMo-RL cuts the ratio times k3 at 10, on purpose",
)
def kl_unbiased__clamped(token_logprobs: Tensor, ref_logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
    return ((token_logprobs - old_logprobs).exp() * k3(token_logprobs - ref_logprobs)).clamp(-10, 10)


@bug(
    "KL term, ratio to the reference",
    mistake="the ratio is that of the policy to the reference, not to the policy that sampled: it is not 1 here",
    symptom="tokens that the policy likes more than the reference does outweigh all others",
)
def kl_unbiased__ratio_to_reference(token_logprobs: Tensor, ref_logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
    d = token_logprobs - ref_logprobs
    return d.exp() * k3(d)


@bug(
    "KL term, estimator of the other direction",
    mistake="the value of this term estimates KL(ref || policy), and its gradient is that of neither direction",
    symptom="the pull is far too strong on tokens that the reference likes much more than the policy does",
)
def kl_unbiased__forward_estimator(token_logprobs: Tensor, ref_logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
    log_ratio = ref_logprobs - token_logprobs
    return log_ratio.exp() * log_ratio - torch.expm1(log_ratio)
