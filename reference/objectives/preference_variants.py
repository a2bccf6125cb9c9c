"""Preference losses that do without something DPO needs: SimPO and ORPO without a reference, KTO without pairs.

Inputs are log-probs of whole completions in nats from ``sequence_logprobs``; each function says whether summed or
averaged.
"""

import torch
from torch.nn.functional import logsigmoid

from .preference import Pairs, log_ratio
from .shapes import (
    Bool,
    Float,
    InputError,
    Tensor,
    at_least_float32,
    require_at_least,
    require_finite,
    require_positive,
    typed,
)


@typed
def simpo_loss(chosen_logprobs: Pairs, rejected_logprobs: Pairs, *, beta: float = 2.0, gamma: float = 1.0) -> Pairs:
    """SimPO: no reference, *averaged* log-probs as the reward, and a target margin.

        -log sigmoid(beta * (chosen - rejected) - gamma)

    Log-probs from ``sequence_logprobs(..., average=True)``, in nats per token. ``gamma`` is in units of reward (beta
    times nats). Meng et al. (2405.14734, eq. 6). Raises ``InputError`` for beta not above 0, a negative gamma and NaN
    or infinity. TRL (``trl.experimental.cpo``, defaults 0.1 and 0.5, plus the NLL of chosen unless ``cpo_alpha=0``)
    writes beta * (difference - gamma / beta), the same; open-instruct's option is the ratio gamma / beta.

    A pair that is won by gamma / beta = 0.5 nats per token costs ln 2, an undecided one more:
    >>> simpo_loss(torch.tensor([-1.0, -1.0]), torch.tensor([-1.5, -1.0])).round(decimals=2)
    tensor([0.6900, 1.3100])
    """
    require_positive(beta, "beta")
    require_at_least(gamma, "gamma", 0)
    return -logsigmoid(beta * log_ratio(chosen_logprobs, rejected_logprobs) - gamma)


@typed
def orpo_loss(chosen_logprobs: Pairs, rejected_logprobs: Pairs, *, beta: float = 0.1) -> Pairs:
    """ORPO: the chosen completion's NLL plus beta times a log-odds-ratio loss. No reference, *averaged* log-probs.

        odds(a) = exp(a) / (1 - exp(a))
        -chosen - beta * log sigmoid(log odds(chosen) - log odds(rejected))

    ``beta`` is the paper's lambda. Log-probs in nats per token, at most 0. Hong et al. (2403.07691, eq. 6-7). TRL
    (``trl.experimental.orpo``) takes its NLL over prompt and completion, one mean over all tokens of the batch;
    ms-swift (4.6.0) leaves the prompt out of that mean; here, as in the paper, it is a mean per completion. Raises ``InputError`` for log-probs above 0, for NaN and for beta not above 0.

    Tokens of probability 0.8 and 0.5 have odds of 4 and 1: ln 1.25 of NLL, and beta times ln 1.25 for the odds ratio:
    >>> orpo_loss(torch.tensor([0.8]).log(), torch.tensor([0.5]).log(), beta=0.1).round(decimals=3)
    tensor([0.2450])
    """
    require_positive(beta, "beta")
    log_ratio(chosen_logprobs, rejected_logprobs)  # refuses NaN
    for name, logprobs in {"chosen_logprobs": chosen_logprobs, "rejected_logprobs": rejected_logprobs}.items():
        if (logprobs > 0).any():
            raise InputError(f"{name} is above 0: pass log-probs, not their negatives")
    log_odds = log_odds_of(chosen_logprobs) - log_odds_of(rejected_logprobs)
    return -at_least_float32(chosen_logprobs) - beta * logsigmoid(log_odds)


@typed
def kto_loss(
    logprobs: Float[Tensor, " batch"],
    ref_logprobs: Float[Tensor, " batch"],
    desirable: Bool[Tensor, " batch"],
    kl: Float[Tensor, ""],
    *,
    beta: float = 0.1,
    desirable_weight: float = 1.0,
    undesirable_weight: float = 1.0,
) -> Float[Tensor, " batch"]:
    """KTO: one completion at a time, marked good or bad, against a common reference point ``kl`` (see ``kto_kl``).

        d = logp - ref_logp
        desirable:    w_D * (1 - sigmoid(beta * (d - kl)))
        undesirable:  w_U * (1 - sigmoid(beta * (kl - d)))

    Summed log-probs, in nats. The weights make up for unequal counts of good and bad. No gradient flows into ``kl``.
    Ethayarajh et al. (2402.01306, eq. 8); TRL ``KTOTrainer`` (``desirable_weight``, ``undesirable_weight``). Raises
    ``InputError`` for beta not above 0, negative weights and NaN or infinity.

    Where the policy is the reference, good and bad cost 1/2 each, not ln 2: there is no log around the sigmoid:
    >>> at_reference = torch.tensor([-10.0, -10.0])
    >>> kto_loss(at_reference, at_reference, torch.tensor([True, False]), torch.tensor(0.0)).tolist()
    [0.5, 0.5]
    """
    require_positive(beta, "beta")
    require_at_least(desirable_weight, "desirable_weight", 0)
    require_at_least(undesirable_weight, "undesirable_weight", 0)
    require_finite(kl, "kl")
    if kl < 0:
        raise InputError(f"kl is {kl.item():g}, expected at least 0: see kto_kl")
    d = log_ratio(logprobs, ref_logprobs, "logprobs", "ref_logprobs") - kl.detach()
    signed = torch.where(desirable, d, -d)
    weight = torch.where(desirable, d.new_tensor(desirable_weight), d.new_tensor(undesirable_weight))
    return weight * (-beta * signed).sigmoid()  # 1 - sigmoid(x), with all its digits


@typed
def kto_kl(
    mismatched_logprobs: Float[Tensor, " batch"], ref_mismatched_logprobs: Float[Tensor, " batch"]
) -> Float[Tensor, ""]:
    """KTO's reference point: a rough KL(pi || ref), from completions put under *other* prompts. A constant.

        max(0, mean(logp - ref_logp))

    Pair each prompt with the completion of another row, such as its neighbour's; summed log-probs. A batch of one has
    no mismatched pair: with its own completion the KL would equal its reward. TRL takes the row before, within one
    device's batch, and averages over *all* processes. KTO (2402.01306). Raises ``InputError`` for NaN or infinity.

    The mean is cut at 0, not each row: 3 and -1 make 1, and -3 and 1 make 0:
    >>> logprobs, ref_logprobs = torch.tensor([-7.0, -11.0]), torch.tensor([-10.0, -10.0])
    >>> kto_kl(logprobs, ref_logprobs).item(), kto_kl(ref_logprobs, logprobs).item()
    (1.0, 0.0)
    """
    d = log_ratio(mismatched_logprobs, ref_mismatched_logprobs, "mismatched_logprobs", "ref_mismatched_logprobs")
    if len(d) == 0:
        raise InputError("mismatched_logprobs is empty, so there is no mean")
    return d.detach().mean().clamp_min(0)


def log_odds_of(logprobs: Tensor) -> Tensor:
    """log(p / (1 - p)) from log p <= 0. expm1 keeps 1 - p exact near p = 1; p = 1 itself would be infinite odds."""
    logprobs = at_least_float32(logprobs)
    logprobs = logprobs.clamp_max(-torch.finfo(logprobs.dtype).tiny)
    return logprobs - (-logprobs.expm1()).log()
