"""KL divergence to a reference: how it is estimated on sampled tokens, and where its gradient ends up.

d = logp - ref_logp at each sampled token; with samples from pi every estimator here is of KL(pi || ref), in nats. Three
things decide what a KL term does, and they are independent:

  value      k1, k3 and the full sum have the KL as their mean; k2 and abs do not.
  gradient   of the *mean over samples* is not the mean of the gradients, because the samples come from pi itself.
  place      in the loss autograd differentiates it; in the reward the policy gradient does.

Expected gradient, on samples from pi (exact, held to 1e-10 by tests/objectives/test_kl_gradients.py):

| estimator | in the loss, per token | in the reward (to-go or whole sequence) |
|---|---|---|
| k1 | exactly 0: no penalty at all | of the sequence KL(pi || ref): what is wanted |
| k2 | of the reverse KL at each visited state, "myopic" | wrong |
| k3 | of the *forward* KL(ref || pi) at each visited state | wrong, can point uphill |
| abs | of sum_v abs(pi - ref) at each visited state, twice the total variation | wrong |
| full | myopic reverse KL | (needs no samples of the token) |
| ``kl_unbiased`` | myopic reverse KL, also on samples of an older policy | |

"Myopic" leaves out that an early token changes which states are visited later. k2 and k3 of the *sequence* log-ratio
(``sequence_sum`` of k1) have the exact gradient of the reverse and the forward sequence KL. See 2506.09477, 2512.21852.
"""

from typing import Literal

import torch

from .policy import ratio
from .shapes import Float, Tensor, bounded, clamped, require_no_nan, require_positive, scaled, tamed, typed


@typed
def kl_k1(
    token_logprobs: Float[Tensor, "batch pred"], ref_logprobs: Float[Tensor, "batch pred"]
) -> Float[Tensor, "batch pred"]:
    """The log-ratio d itself, in nats per token: unbiased for KL(pi || ref), noisy, negative for many a token.

        k1 = logp - ref_logp

    Its mean over finitely many samples can be negative too; its expectation cannot, on samples from pi. On samples from
    ref its mean is -KL(ref || pi). Gradient in a loss: grad(logp), whose expectation is exactly 0, so k1 belongs in the
    reward. Schulman (2020). In the reward: TRL's RLOO, OpenRLHF (``k1``) by default, verl (``kl``) once
    ``use_kl_in_reward`` is on. In the loss: slime's default type once ``--use-kl-loss`` is given, OpenRLHF's with
    ``algo.kl.use_loss`` alone. On average it does nothing there.

    -ln 2 for a token half as likely as under the reference, ln 2 for one twice as likely:
    >>> kl_k1(torch.tensor([[0.25, 0.5]]).log(), torch.tensor([[0.5, 0.25]]).log()).round(decimals=2)
    tensor([[-0.6900,  0.6900]])
    """
    return token_logprobs - ref_logprobs


@typed
def kl_k2(
    token_logprobs: Float[Tensor, "batch pred"], ref_logprobs: Float[Tensor, "batch pred"]
) -> Float[Tensor, "batch pred"]:
    """Half the squared log-ratio, in nats per token: biased for KL(pi || ref), low variance, never negative.

        k2 = (logp - ref_logp)^2 / 2

    The bias is of third order in d. Gradient in a loss: d * grad(logp), in expectation exactly that of the reverse KL
    at the visited states. Schulman (2020); verl ``mse``, OpenRLHF ``k2`` and open-instruct's ``kl_estimator=1``.
    NeMo-RL's ``k2`` has the value and another gradient: see ``kl_unbiased``. prime-rl penalises the squared
    trainer-to-sampler log-ratio instead, without the half.

    A token half as likely as under the reference and one twice as likely cost the same, (ln 2)^2 / 2:
    >>> kl_k2(torch.tensor([[0.25, 0.5]]).log(), torch.tensor([[0.5, 0.25]]).log()).round(decimals=2)
    tensor([[0.2400, 0.2400]])
    """
    return 0.5 * tamed(token_logprobs - ref_logprobs) ** 2


@typed
def kl_k3(
    token_logprobs: Float[Tensor, "batch pred"], ref_logprobs: Float[Tensor, "batch pred"]
) -> Float[Tensor, "batch pred"]:
    """Schulman's k3 for KL(pi || ref) at each sampled token, in nats. Never negative.

        d = logp - ref_logp          k3 = exp(-d) - 1 + d

    On samples from pi its mean is the KL, without bias and with less variance than k1 where the two policies are close;
    where ref is much likelier than pi, exp(-d) has a heavy tail. Gradient in a loss: (1 - exp(-d)) * grad(logp), in
    expectation that of the forward KL(ref || pi), token by token, not of KL(pi || ref): for that one, ``kl_unbiased``.
    Swap the arguments and it estimates something else: on samples from pi, exp(d) - 1 - d has mean chi2(pi || ref) -
    KL.

    A token half as likely as under the reference costs more than one twice as likely, and neither is negative:
    >>> kl_k3(torch.tensor([[0.25, 0.5]]).log(), torch.tensor([[0.5, 0.25]]).log()).round(decimals=2)
    tensor([[0.3100, 0.1900]])

    Source: Schulman, "Approximating KL divergence" (2020); GRPO (2402.03300, eq. 4); TRL's GRPO ``beta`` term with
    ``use_bias_correction_kl=False`` (since 1.10 the default multiplies k3 by the ratio: ``kl_unbiased``). verl
    (``low_var_kl``) clamps d to +-20 and the result to +-10, OpenRLHF the result to +-10: see ``kl_penalty``.
    The exponent is capped before exp can overflow (at 66 nats in float32, 8.3 in float16); beyond, the gradient is 0.
    """
    d = -bounded(ref_logprobs - token_logprobs)
    return (-d).expm1() + d  # expm1 keeps the digits that exp(-d) - 1 loses near d = 0


@typed
def kl_abs(
    token_logprobs: Float[Tensor, "batch pred"], ref_logprobs: Float[Tensor, "batch pred"]
) -> Float[Tensor, "batch pred"]:
    """The absolute log-ratio |d|, in nats per token. Not a KL: its mean bounds it from above.

        abs = |logp - ref_logp|

    Gradient in a loss: sign(d) * grad(logp), in expectation that of sum_v |pi - ref|, twice the total variation
    distance, at each visited state; not that of a KL. verl ``abs``.

    KL((0.5, 0.5) || (0.25, 0.75)) is 0.14 nats. The mean of abs over the policy's two tokens is far above it:
    >>> round(kl_abs(torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[0.25, 0.75]]).log()).mean().item(), 2)
    0.55
    """
    return (token_logprobs - ref_logprobs).abs()


@typed
def kl_full(
    logits: Float[Tensor, "batch time vocab"],
    ref_logits: Float[Tensor, "batch time vocab"],
    *,
    temperature: float = 1.0,
) -> Float[Tensor, "batch time-1"]:
    """KL(pi || ref) of the whole next-token distribution at each visited prefix, in nats: exact there, never negative.

        KL[b, t] = sum_v p_v * (log p_v - log q_v),   p = softmax(logits / temperature), q = softmax(ref_logits / ...)

    No variance from the sampled token, so it is the Rao-Blackwellised k1; the prefixes are still samples. Gradient in a
    loss: the exact myopic reverse KL; it drops the effect of a token on later states. Swap the arguments for the
    forward KL(ref || pi). Memory: two (batch, time, vocab) tensors, which is why RL trainers sample instead (TRL's
    distillation computes it, ``beta=1``; verl names it ``full`` and raises NotImplementedError). A token that only the
    reference forbids makes it inf, unless pi gives it less than a dtype can hold; NaN logits raise ``InputError``.

    KL(pi || ref) and KL(ref || pi) are two numbers; two positions make one prediction:
    >>> pi, ref = torch.tensor([0.5, 0.5]).log().expand(1, 2, 2), torch.tensor([0.25, 0.75]).log().expand(1, 2, 2)
    >>> kl_full(pi, ref).round(decimals=2), kl_full(ref, pi).round(decimals=2)
    (tensor([[0.1400]]), tensor([[0.1300]]))
    """
    logp = scaled(logits[:, :-1], temperature).log_softmax(dim=-1)
    ref_logp = scaled(ref_logits[:, :-1], temperature).log_softmax(dim=-1)
    p = logp.exp()
    difference = torch.where(p == 0, 0.0, logp - ref_logp)  # p log p -> 0 as p -> 0
    result = (p * difference).sum(dim=-1)
    require_no_nan(result, "KL (from the logits)")
    return result


ESTIMATORS = {"k1": kl_k1, "k2": kl_k2, "k3": kl_k3, "abs": kl_abs}


@typed
def kl_penalty(
    token_logprobs: Float[Tensor, "batch pred"],
    ref_logprobs: Float[Tensor, "batch pred"],
    *,
    estimator: Literal["k1", "k2", "k3", "abs"] = "k3",
    max_log_ratio: float | None = None,
    max_kl: float | None = None,
) -> Float[Tensor, "batch pred"]:
    """One of the estimators by name, with the clamps that frameworks put around it, in nats per token.

        d = clip(logp - ref_logp, +-max_log_ratio)          result = clip(estimator(d), +-max_kl)

    A clamped token has no gradient: a policy that has drifted that far is not called back. verl: k3 with 20 and 10, the
    others unclamped; OpenRLHF: every estimator with max_kl=10; NeMo-RL: 20 and 10; slime: ``low_var_kl`` at 10, its
    ``k3`` not; open-instruct: d at 40; TRL: none.
    With max_kl=10, k3 loses its gradient once ref / pi exceeds 13.6, or pi / ref exceeds e^11. Raises ``InputError``
    for bounds that are not above 0.

    A token 5 nats below the reference has a k3 of 142, is clamped and not called back; one that is 1 nat below is:
    >>> token_logprobs = torch.tensor([[-5.0, -1.0]], requires_grad=True)
    >>> kl_penalty(token_logprobs, torch.zeros(1, 2), max_kl=10.0).sum().backward()
    >>> (token_logprobs.grad != 0).tolist()
    [[False, True]]
    """
    d = token_logprobs - ref_logprobs
    if max_log_ratio is not None:
        require_positive(max_log_ratio, "max_log_ratio")
        d = clamped(d, -max_log_ratio, max_log_ratio)
    kl = ESTIMATORS[estimator](d, torch.zeros_like(d))
    if max_kl is not None:
        require_positive(max_kl, "max_kl")
        kl = clamped(kl, -max_kl, max_kl)
    return kl


@typed
def kl_unbiased(
    token_logprobs: Float[Tensor, "batch pred"],
    ref_logprobs: Float[Tensor, "batch pred"],
    old_logprobs: Float[Tensor, "batch pred"],
    *,
    estimator: Literal["k1", "k2", "k3"] = "k3",
) -> Float[Tensor, "batch pred"]:
    """An estimator for the loss whose expected *gradient* is that of KL(pi || ref), also on samples of an older policy.

        r = exp(logp - old_logp)        k1, k3: r * k        k2: detach(r) * k2

    On policy pass ``token_logprobs.detach()`` as ``old_logprobs``: r is 1, and differentiating it adds the k *
    grad(logp) that k1 and k3 lack. k2 has the right gradient already and needs r as a weight only. Myopic, at the
    states that the old policy visited. Mean of k1 and k3: KL(pi || ref) at those states. Gradient: r * d * grad(logp)
    of k2 and k3, r * (d + 1) * grad(logp) of k1, whose additional term has mean 0. DeepSeek-V3.2 (2512.02556); TRL
    ``use_bias_correction_kl`` (k3, the default since 1.10; right at ``importance_sampling_level="token"``; at
    ``"sequence"`` it multiplies by the sequence ratio), slime ``--use-unbiased-kl``, open-instruct ``kl_estimator=3``
    (k1). NeMo-RL takes r = exp(logp - detach(logp)), 1 whoever wrote the samples, and differentiates it for k2 too: on
    policy that is right for k1 and k3, k2 gets (d + d^2 / 2) * grad(logp), and samples of an older policy are not
    corrected, unless ``use_on_policy_kl_approximation`` puts the sampler's log-probs into r.

    A token twice as likely as under the reference: the value is k3's, the gradient ln 2 (that of ``kl_k3`` is 0.5):
    >>> token_logprobs = torch.tensor([[0.5]]).log().requires_grad_()
    >>> kl = kl_unbiased(token_logprobs, torch.tensor([[0.25]]).log(), token_logprobs.detach())
    >>> kl.backward()
    >>> round(kl.item(), 2), round(token_logprobs.grad.item(), 2)
    (0.19, 0.69)
    """
    weight = ratio(token_logprobs, old_logprobs)
    if estimator == "k2":
        weight = weight.detach()
    d = tamed(token_logprobs - ref_logprobs)
    return weight * ESTIMATORS[estimator](d, torch.zeros_like(d))


@typed
def kl_straight_through(
    token_logprobs: Float[Tensor, "batch pred"],
    ref_logprobs: Float[Tensor, "batch pred"],
    *,
    estimator: Literal["k1", "k3", "abs"] = "k3",
) -> Float[Tensor, "batch pred"]:
    """The value of one estimator with the gradient of k2: with k1 or k3 right to log *and* to train with, on policy.

        result = detach(k) + (d - detach(d)) * detach(d)

    Gradient: d * grad(logp), in expectation that of the myopic reverse KL. verl ``k1+``, ``k3+`` and ``abs+``; OpenRLHF
    ``algo.kl.unbiased_gradient`` (0.11.2, off by default), which also weights k2 by detach(min(r, 10)). verl cuts the
    value of k3 at 10, OpenRLHF every value; neither cuts the gradient.

    A token half as likely as under the reference: k1's value, and a gradient that raises it (k1's own, 1, lowers it):
    >>> token_logprobs = torch.tensor([[0.25]]).log().requires_grad_()
    >>> kl = kl_straight_through(token_logprobs, torch.tensor([[0.5]]).log(), estimator="k1")
    >>> kl.backward()
    >>> round(kl.item(), 2), round(token_logprobs.grad.item(), 2)
    (-0.69, -0.69)
    """
    d = tamed(token_logprobs - ref_logprobs)
    zero = (d - d.detach()) * d.detach()  # with the gradient of k2, and no square that could overflow
    return ESTIMATORS[estimator](token_logprobs, ref_logprobs).detach() + zero
