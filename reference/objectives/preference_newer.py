"""Relatives of DPO that change what its margin is compared with: noisy labels, lengths, other pairs.

Inputs are log-probs of completions in nats; each function says whether of whole completions or of tokens. Losses come
one per pair. ``margin`` is that of ``preference_margin``.
"""

import math

from torch.nn.functional import logsigmoid

from .preference import Pairs, preference_margin
from .shapes import InputError, require_at_least, require_positive, typed


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
