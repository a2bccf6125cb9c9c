"""Best-of-n against a proxy: what the best of n completions is worth, and how far the choice is from the policy.

``proxy`` is the number that chooses, such as the reward of a reward model; ``values`` are what the chosen one is judged
by: the verifier's word, its length, or the proxy itself. One problem is one row, with as many samples for each.
Both estimates use every subset of n of the samples, so one set of samples serves every n.
"""

import math

import torch
from torch import Tensor

from reference.objectives.shapes import Float, InputError, require_finite, typed


@typed
def best_of_n_kl(n: int) -> float:
    """The KL from the policy to the best of n of its samples, in nats per completion, if no two samples are equal.

        log n - (n - 1) / n

    Where completions repeat it is a bound from above: the best of n is drawn from what the policy writes, so its KL
    never exceeds -log of the probability of the text that is chosen, however large n is. ``best_of_n_kl_measured`` says
    how much smaller it is. Gao et al. (2210.10760) use the formula as the distance of best-of-n; Beirami et al.
    (2401.01879) show that it is a bound. Raises ``InputError`` for n below 1.
    """
    if n < 1:
        raise InputError(f"n is {n}, expected at least 1: the best of one sample is the policy itself")
    return math.log(n) - (n - 1) / n


@typed
def best_of_n(
    proxy: Float[Tensor, "problems samples"], values: Float[Tensor, "problems samples"], n: int
) -> Float[Tensor, " problems"]:
    """What the sample with the largest proxy among n is worth on average, over all subsets of n of the samples. Unbiased.

        sum_i values_i * C(i, n - 1) / C(N, n)          i = 0..N-1, samples in the order of their proxy

    Sample i is the best of those subsets whose other n - 1 members come before it. Equal proxies share their values, as
    if a coin chose among them. With values = proxy and n = N it is the maximum; with n = 1 the mean. WebGPT (2112.09332)
    and Gao et al. (2210.10760) estimate it so. Raises ``InputError`` for an n above the number of samples, and for
    numbers that are not finite.
    """
    weights, order = rank_weights(proxy, n), proxy.argsort(dim=1, stable=True)
    require_finite(values, "values")
    return (weights * tied_means(proxy.gather(1, order), values.gather(1, order))).sum(dim=1).float()


@typed
def best_of_n_kl_measured(
    proxy: Float[Tensor, "problems samples"], logprobs: Float[Tensor, "problems samples"], n: int
) -> Float[Tensor, " problems"]:
    """KL(best of n || policy) of each problem, measured on the samples, in nats per completion.

        mean over the best of n of   log ((F + p)^n - F^n) - log p          p = exp(logprobs), F = share with less proxy

    The best of n is a text of probability p if all n samples have at most its proxy, and not all of them less. p is
    known from the policy (``logprobs`` summed over the completion). F is counted: one half of the samples chooses, the
    other half says how much of the policy lies below the choice; then the halves change places. With p near 0 this is
    log n + (n - 1) log F, whose mean is the formula of ``best_of_n_kl``. Equal texts must have equal proxies, and two
    different texts with one proxy count as one. A little too small where there are few samples: by 0.06 for n = 8 of 16, by
    0.04 for n = 64 of 128. Where one text of low proxy has nearly all of the probability it is too large, by up to 0.2 for
    n = 8 of 16. Raises ``InputError`` for an n above half of the samples, log-probs above 0, and numbers that are not finite.
    """
    require_finite(logprobs, "logprobs")
    if (logprobs > 1e-4).any():
        raise InputError(
            f"logprobs holds {logprobs.max().item():g}, and nothing is likelier than 1: sum log-probs, and not losses"
        )
    half = proxy.shape[1] // 2
    if n > half:
        raise InputError(f"n is {n}, expected at most {half}, half of the samples: the other half measures")
    p = logprobs.double().exp().clamp(max=1.0)
    one, other = slice(0, half), slice(half, 2 * half)
    both = [half_measured(proxy[:, a], p[:, a], proxy[:, b], n) for a, b in ((one, other), (other, one))]
    return torch.stack(both).mean(dim=0).float()


def half_measured(proxy: Tensor, p: Tensor, others: Tensor, n: int) -> Tensor:
    """(problems,) KL of the best of n of these samples, with the share below them counted in the others."""
    weights, order = rank_weights(proxy, n), proxy.argsort(dim=1, stable=True)
    ranked, p, others = proxy.gather(1, order), p.gather(1, order), others.sort(dim=1).values
    share = share_below(ranked, others, share_below(ranked, ranked, torch.ones_like(p)))
    below = (1 - p) * share.clamp(min=0.5 / others.shape[1])  # never 0, which has no logarithm
    # ((F + p)^n - F^n) / p as the sum that it is: no difference of near numbers, and no division by a small one
    ratio = torch.stack([(below + p) ** k * below ** (n - 1 - k) for k in range(n)]).sum(dim=0)
    ratio = ratio.clamp(min=torch.finfo(ratio.dtype).tiny)  # of ranks that are all but never the best
    return (weights * ratio.log()).sum(dim=1)


def share_below(ranked: Tensor, others: Tensor, unknown: Tensor) -> Tensor:
    """Of each of ``ranked`` the share of the others that have less, equal ones left out; ``unknown`` where all are equal.

    A likely text may be all that the others are. Whether the rest of the policy lies below it is then seen in its own half,
    and if that is this text too, it is taken for the best: the KL of samples that are all one text is about 0.
    """
    less, at_most = (torch.searchsorted(others, ranked, right=right) for right in (False, True))
    different = others.shape[1] - (at_most - less)
    return torch.where(different > 0, less / different.clamp(min=1), unknown)


def tied_means(ranked: Tensor, values: Tensor) -> Tensor:
    """(problems, samples) float64: of each run of equal ``ranked``, which rises along a row, the mean of its values."""
    sums = torch.nn.functional.pad(values.double().cumsum(dim=1), (1, 0))
    first, last = (torch.searchsorted(ranked, ranked, right=right) for right in (False, True))
    return (sums.gather(1, last) - sums.gather(1, first)) / (last - first)


def rank_weights(proxy: Tensor, n: int) -> Tensor:
    """(samples,) how often the sample at each rank, from the least proxy on, is the best of n: shares that add up to 1."""
    require_finite(proxy, "proxy")
    samples = proxy.shape[1]
    if not 1 <= n <= samples:
        raise InputError(f"n is {n}, expected 1 to the {samples} samples of a problem: more cannot be drawn from them")
    return torch.tensor(
        [math.comb(i, n - 1) / math.comb(samples, n) for i in range(samples)], dtype=torch.float64, device=proxy.device
    )
