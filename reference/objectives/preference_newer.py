"""Relatives of DPO that change what its margin is compared with: noisy labels, lengths, other pairs.

Inputs are log-probs of completions in nats; each function says whether of whole completions or of tokens. Losses come
one per pair. ``margin`` is that of ``preference_margin``.
"""

import math
from typing import Literal

import torch
from torch.nn.functional import logsigmoid

from .logprobs import sequence_logprobs
from .preference import Pairs, dpo_loss, log_ratio, preference_margin
from .shapes import Float, InputError, Shaped, Tensor, kept, require_at_least, require_finite, require_positive, typed

Tokens = Float[Tensor, "pairs pred"]


@typed
def exo_loss(
    chosen_logprobs: Pairs,
    rejected_logprobs: Pairs,
    ref_chosen_logprobs: Pairs,
    ref_rejected_logprobs: Pairs,
    *,
    beta: float = 0.1,
    label_smoothing: float = 1e-3,
) -> Pairs:
    """EXO on pairs: the reverse KL from the policy's preference to the label, where DPO has the forward one.

        q = sigmoid(beta * margin),   KL(q || 1 - e) = q * log(q / (1 - e)) + (1 - q) * log((1 - q) / e)
        gradient: beta * q * (1 - q) * (beta * margin - log((1 - e) / e)) * grad(margin)

    ``label_smoothing`` is e, the share of wrong labels, in (0, 0.5]: at 0 the KL is infinite. Where ``cdpo_loss`` rests,
    this loss rests too, at margin log((1 - e) / e) / beta, but it is bounded: a pair that is lost by far costs log(1 / e)
    and has no gradient left. Ji et al. (2402.00856, eq. 16). TRL ``loss_type="exo_pair"`` and liger-kernel have the
    same formula; TRL's ``label_smoothing`` is 0 by default, which it refuses for this loss. Raises ``InputError`` for
    beta not above 0, e outside its range, and NaN or infinity.

    Margins of 0, of log 9, where the policy prefers chosen as often as the labels do, and of -1000:
    >>> ref, rejected = torch.zeros(3), -torch.tensor([1.0, 9.0, 1.0]).log() + torch.tensor([0.0, 0.0, 1000.0])
    >>> exo_loss(ref, rejected, ref, ref, beta=1.0, label_smoothing=0.1).abs().round(decimals=3)
    tensor([0.5110, 0.0000, 2.3030])
    """
    require_positive(beta, "beta")
    require_at_least(label_smoothing, "label_smoothing", 0, 0.5)
    if label_smoothing == 0:
        raise InputError("label_smoothing is 0: the KL to a label that is never wrong is infinite, so use 0.001 or so")
    x = beta * preference_margin(chosen_logprobs, rejected_logprobs, ref_chosen_logprobs, ref_rejected_logprobs)
    right = x.sigmoid() * (logsigmoid(x) - math.log1p(-label_smoothing))
    return right + (-x).sigmoid() * (logsigmoid(-x) - math.log(label_smoothing))


@typed
def ld_dpo_loss(
    chosen_token_logprobs: Tokens,
    rejected_token_logprobs: Tokens,
    ref_chosen_token_logprobs: Tokens,
    ref_rejected_token_logprobs: Tokens,
    chosen_mask: Shaped[Tensor, "pairs pred"],
    rejected_mask: Shaped[Tensor, "pairs pred"],
    *,
    ld_alpha: float,
    beta: float = 0.1,
    discounted: Literal["both", "policy"] = "both",
) -> Pairs:
    """LD-DPO: DPO in which the tokens of the longer completion count less from where the shorter one has ended.

        logp = sum of logp_t, t <= shared, + ld_alpha * sum of logp_t, t > shared
        shared = min(tokens of chosen, tokens of rejected);   then dpo_loss

    Per token and in nats; both completions padded to one width. Kept tokens are counted, so padding may stand on either
    side. ``ld_alpha`` is in [0, 1]: 1 is DPO, 0 leaves the longer completion's rest out. Liu et al. (2409.06411).

    Two losses have this name. ``discounted="both"`` is TRL's (1.16, ``ld_alpha``): policy and reference alike, so that
    the margin is 0 where the policy is the reference. ``"policy"`` is ms-swift's (4.6.0) and LLaMA-Factory's (0.9.5, which
    counts positions, those of a tool too), also ``ld_alpha``: the reference stays summed in full, and the first margin is
    (1 - ld_alpha) times the reference's nats for the rest, in favour of the longer completion. Raises ``InputError`` for
    beta not above 0, ld_alpha outside its range, masks of other values than 0 and 1, and kept NaN or infinity.

    Policy and reference are the same, chosen has two tokens more, each of probability 1/2. Once this is ln 2, once not:
    >>> same, longer, shorter = torch.full((1, 3), 0.5).log(), torch.tensor([[1, 1, 1]]), torch.tensor([[1, 0, 0]])
    >>> options = [{"ld_alpha": 0.5, "beta": 1.0, "discounted": name} for name in ("both", "policy")]
    >>> [round(ld_dpo_loss(same, same, same, same, longer, shorter, **o).item(), 3) for o in options]
    [0.693, 0.405]
    """
    require_at_least(ld_alpha, "ld_alpha", 0, 1)
    chosen_kept, rejected_kept = kept(chosen_mask, "chosen_mask"), kept(rejected_mask, "rejected_mask")
    of_reference = ld_alpha if discounted == "both" else 1.0
    rows = {
        "chosen_token_logprobs": (chosen_token_logprobs, chosen_kept, rejected_kept, ld_alpha),
        "rejected_token_logprobs": (rejected_token_logprobs, rejected_kept, chosen_kept, ld_alpha),
        "ref_chosen_token_logprobs": (ref_chosen_token_logprobs, chosen_kept, rejected_kept, of_reference),
        "ref_rejected_token_logprobs": (ref_rejected_token_logprobs, rejected_kept, chosen_kept, of_reference),
    }
    for name, (logprobs, own, _, _) in rows.items():
        require_finite(logprobs, name, mask=own)
    return dpo_loss(*(with_discounted_rest(*row) for row in rows.values()), beta=beta)


@typed
def aot_loss(
    chosen_logprobs: Pairs,
    rejected_logprobs: Pairs,
    ref_chosen_logprobs: Pairs,
    ref_rejected_logprobs: Pairs,
    *,
    beta: float = 0.1,
    label_smoothing: float = 0.0,
    paired: bool = True,
) -> Pairs:
    """AOT: the distribution of margins is moved, not each pair: the k-th smallest is compared with the k-th smallest.

        d_i = x_i - y of the same rank,   -(1 - e) * log sigmoid(beta * d_i) - e * log sigmoid(-beta * d_i)
        paired:    x = chosen - rejected,       y = ref_chosen - ref_rejected
        unpaired:  x = chosen - ref_chosen,     y = rejected - ref_rejected

    Sorted over all pairs of the call, so a micro-batch is another loss than its batch, and one pair alone is DPO (with
    ``label_smoothing`` e in [0, 0.5], ``cdpo_loss``). Entry i of the result belongs to x_i; equal numbers are ranked in
    their order. ``paired=False`` needs no pairs of one prompt, only as many chosen as rejected. Melnyk et al.
    (2406.05882); TRL ``loss_type="aot"`` and ``"aot_unpaired"``, which give the result in sorted order: the mean is the
    same. liger-kernel has neither. Raises ``InputError`` for beta not above 0, e outside its range, and NaN or infinity.

    The policy's margins are 3 and 1, the reference's 1 and 3. For DPO a pair is won and one lost, here nothing is to do:
    >>> chosen, ref_chosen, zero = torch.tensor([3.0, 1.0]), torch.tensor([1.0, 3.0]), torch.zeros(2)
    >>> aot_loss(chosen, zero, ref_chosen, zero, beta=1.0).round(decimals=3)
    tensor([0.6930, 0.6930])
    """
    require_positive(beta, "beta")
    require_at_least(label_smoothing, "label_smoothing", 0, 0.5)
    x = log_ratio(chosen_logprobs, rejected_logprobs)
    y = log_ratio(ref_chosen_logprobs, ref_rejected_logprobs, "ref_chosen_logprobs", "ref_rejected_logprobs")
    if not paired:
        x, y = log_ratio(chosen_logprobs, ref_chosen_logprobs), log_ratio(rejected_logprobs, ref_rejected_logprobs)
    d = beta * (x - of_the_same_rank(y, x))
    return -(1 - label_smoothing) * logsigmoid(d) - label_smoothing * logsigmoid(-d)


def with_discounted_rest(token_logprobs: Tensor, own: Tensor, other: Tensor, ld_alpha: float) -> Tensor:
    """Each row's log-prob, its kept tokens beyond as many as the ``other`` mask keeps counting ``ld_alpha`` times."""
    shared = own & (own.cumsum(dim=1) <= other.sum(dim=1, keepdim=True))
    return sequence_logprobs(token_logprobs, shared) + ld_alpha * sequence_logprobs(token_logprobs, own & ~shared)


def of_the_same_rank(y: Tensor, x: Tensor) -> Tensor:
    """For each number of x, the number of y that has its rank. Gradients go back to where the number stood in y."""
    ranks = torch.argsort(torch.argsort(x, stable=True))
    return y[torch.argsort(y, stable=True)[ranks]]
