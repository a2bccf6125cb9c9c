"""KL divergence between two policies, estimated on sampled tokens.

Only what a first GRPO run needs: Schulman's k3. Direction matters: with samples from pi, the estimators below are of
KL(pi || ref).
"""

from .shapes import Float, Tensor, bounded, typed


@typed
def kl_k3(
    token_logprobs: Float[Tensor, "batch pred"], ref_logprobs: Float[Tensor, "batch pred"]
) -> Float[Tensor, "batch pred"]:
    """Schulman's k3 for KL(pi || ref) at each sampled token, in nats. Never negative.

        d = logp - ref_logp          k3 = exp(-d) - 1 + d

    On samples from pi its mean is the KL, without bias and with less variance than k1 = d. Its *gradient*, when used
    as a loss on those samples, is not that of KL(pi || ref) but of the forward KL(ref || pi), token by token.
    Swap the arguments and it estimates something else: on samples from pi, exp(d) - 1 - d has mean chi2(pi || ref) - KL.

    Source: Schulman, "Approximating KL divergence" (2020); GRPO (2402.03300, eq. 4); TRL's GRPO ``beta`` term with
    ``use_bias_correction_kl=False`` (since 1.10 the default multiplies k3 by the ratio, for an unbiased gradient).
    verl (`low_var_kl`) clamps d to +-20 and the result to +-10, OpenRLHF the result to +-10: no gradient beyond.
    The exponent is capped before exp can overflow (at 66 nats in float32); beyond, the gradient is 0.
    """
    d = -bounded(ref_logprobs - token_logprobs)
    return (-d).expm1() + d  # expm1 keeps the digits that exp(-d) - 1 loses near d = 0
