"""Log-probabilities: from logits to the number that every objective starts from.

THE PREDICTION AXIS. ``tokens`` has length T. The logits at position t score ``tokens[:, t + 1]``, so there are T-1
predictions. Everything per token in this package - log-probs, masks, advantages, losses - has length T-1, and index t
always concerns ``tokens[:, t + 1]``. The shift happens in this file and in ``masking``, nowhere else.

All log-probs are in nats. Half-precision logits are taken to float32 first; float64 stays float64.
"""

import torch

from .logprob_chunks import LogprobsInChunks, LogprobsInTiles
from .masking import sequence_sum
from .shapes import (
    Float,
    InputError,
    Int,
    Shaped,
    Tensor,
    empty_axis,
    kept,
    require_distribution,
    require_no_nan,
    scaled,
    typed,
)


@typed
def token_logprobs(
    logits: Float[Tensor, "batch time vocab"],
    tokens: Int[Tensor, "batch time"],
    *,
    temperature: float = 1.0,
    chunk_size: int | None = None,
) -> Float[Tensor, "batch time-1"]:
    """Log-probability of each token given all tokens before it.

        logp[b, t] = log_softmax(logits[b, t] / temperature)[tokens[b, t + 1]]

    Returns nats per token on the prediction axis. ``temperature`` is that of the *sampler*: score with what you sampled
    with, or the very first importance ratio is not 1. ``-inf`` logits are fine; NaN logits are an error, and so is a
    token id outside the vocabulary (labels of -100 belong in the mask).

    ``chunk_size``: score so many positions at a time. No second (batch, time, vocab) tensor is made going forward, and
    only the logits' own gradient going back; values and gradients are the same. Where the logits themselves are too
    large, use ``chunked_token_logprobs``.

    Three tokens make two log-probs: the first logits score the second token, the last logits score none of them:
    >>> logits = torch.tensor([[[0.2, 0.8], [0.25, 0.75], [0.9, 0.1]]]).log()
    >>> token_logprobs(logits, torch.tensor([[0, 1, 0]])).exp().round(decimals=2)
    tensor([[0.8000, 0.2500]])

    Source: the policy term log pi(a|s) of PPO (1707.06347, eq. 1). TRL `selective_log_softmax`, verl
    `logprobs_from_logits` and OpenRLHF `log_probs_from_logits` compute the same; their plain torch paths return bf16
    for bf16 logits. TRL's fused head and OpenRLHF's actor go to float32 first, and so does this function.
    Raises ``InputError`` for a temperature not above 0, ids outside the vocabulary, NaN, and chunk_size below 1.
    """
    scored = require_vocabulary(tokens[:, 1:], logits.shape[-1])
    if chunk_size is None:
        logprobs = scaled(logits[:, :-1], temperature).log_softmax(dim=-1)  # the last position predicts nothing we have
        picked = logprobs.gather(dim=-1, index=scored.unsqueeze(-1)).squeeze(-1)
    else:
        require_chunk(chunk_size)
        require_distribution(logits.shape[-1], temperature)
        picked = LogprobsInChunks.apply(logits, scored, temperature, chunk_size)
    require_no_nan(picked, "log-prob (from the logits)")
    return picked


@typed
def chunked_token_logprobs(
    hidden: Float[Tensor, "batch time width"],
    lm_head: Float[Tensor, "vocab width"],
    tokens: Int[Tensor, "batch time"],
    *,
    temperature: float = 1.0,
    chunk_size: int = 1024,
) -> Float[Tensor, "batch time-1"]:
    """``token_logprobs`` of ``hidden @ lm_head.T`` without ever holding the (batch, time, vocab) logits.

        logp[b, t] = log_softmax(lm_head @ hidden[b, t] / temperature)[tokens[b, t + 1]]

    Logits are made for ``chunk_size`` positions at a time, and never more than 2**22 of them (16.8 MB in float32): where
    chunk_size * vocab is more, the vocabulary is cut as well. They are thrown away and made again in the backward pass,
    for one more matrix product. Values and gradients are those of ``token_logprobs``. Peak memory above the inputs and
    their gradients grows neither with vocab nor with time, but for a few numbers per position: ``tests/memory`` measures
    it. A frozen ``lm_head`` costs no gradient. Half precision takes one more float32 tensor of the size of ``hidden``.

    No bias is added: pass models whose head has one through ``token_logprobs``, and what needs a second derivative too.
    Raises ``InputError`` as ``token_logprobs`` does, and when the two dtypes differ.

    ``lm_head`` is the weight, (vocab, width). Where it is the identity, the hidden states are the logits:
    >>> hidden = torch.tensor([[[0.2, 0.8], [0.25, 0.75], [0.9, 0.1]]]).log()
    >>> chunked_token_logprobs(hidden, torch.eye(2), torch.tensor([[0, 1, 0]]), chunk_size=1).exp().round(decimals=2)
    tensor([[0.8000, 0.2500]])

    Source: the idea of Liger's fused linear losses (2410.10989) and of verl's `FusedLinearForPPO`. verl cuts positions
    only, so that its chunks grow with vocab. Liger's GRPO loss and TRL's `ChunkedLogProbFunction` cut both; the tiles are
    larger there, and Liger makes a gradient of ``lm_head`` for every row before it adds it up.
    """
    if hidden.dtype != lm_head.dtype:
        raise InputError(f"hidden is {hidden.dtype} and lm_head {lm_head.dtype}: cast one of them to the other's dtype")
    require_chunk(chunk_size)
    if hidden.shape[-1] == 0:
        raise InputError(empty_axis("width"))
    scored = require_vocabulary(tokens[:, 1:], lm_head.shape[0])
    require_distribution(lm_head.shape[0], temperature)
    factors = as_autocast(hidden), as_autocast(lm_head)
    picked = LogprobsInTiles.apply(*factors, scored, temperature, chunk_size)
    require_no_nan(picked, "log-prob (from the hidden states)")
    return picked


@typed
def sequence_logprobs(
    token_logprobs: Float[Tensor, "batch pred"], mask: Shaped[Tensor, "batch pred"], *, average: bool = False
) -> Float[Tensor, " batch"]:
    """Log-probability of each row's kept tokens: log p(completion | prompt) when the mask is the completion mask.

        sum_t m[b, t] * logp[b, t]                 average=True: divided by sum_t m[b, t]

    Returns nats per sequence (per token with ``average``). A row without a kept token gives 0: an empty product is 1.
    DPO (2305.18290, eq. 7) needs the sum; the average is SimPO's (2405.14734) and TRL's IPO. Taking the average where
    the sum is meant is a known bug (it divides beta by the length). Raises ``InputError`` for kept NaN.

    Three kept tokens of probability 0.5: the sum is the log of 1/8 (the average would be the log of 0.5):
    >>> sequence_logprobs(torch.full((1, 4), 0.5).log(), torch.tensor([[1, 1, 1, 0]])).exp().round(decimals=3)
    tensor([0.1250])
    """
    require_no_nan(token_logprobs, "token_logprobs", mask=kept(mask))
    total = sequence_sum(token_logprobs, mask)
    return total / kept(mask).sum(dim=1).clamp_min(1) if average else total


@typed
def entropy(logits: Float[Tensor, "batch time vocab"], *, temperature: float = 1.0) -> Float[Tensor, "batch time-1"]:
    """Entropy of each next-token distribution, in nats, between 0 and ln(vocab).

        H[b, t] = - sum_v p_v * log p_v,   p = softmax(logits[b, t] / temperature)

    On the prediction axis: entry t is the uncertainty about ``tokens[:, t + 1]``. A bonus (for exploration) is
    *subtracted* from a loss: ``total_loss``. Not the same as the mean of -logp over sampled tokens, which only
    estimates it. TRL, verl and OpenRLHF (0.11.2) take the tempered logits too; OpenRLHF 0.11.0 took the untempered
    ones. Raises ``InputError`` for NaN logits and for a temperature not above 0.

    A fair coin has ln 2 nats, a certain token none. The last of the three positions is left out:
    >>> entropy(torch.tensor([[[0.0, 0.0], [0.0, -torch.inf], [0.0, 0.0]]])).round(decimals=2)
    tensor([[0.6900, 0.0000]])
    """
    logprobs = scaled(logits[:, :-1], temperature).log_softmax(dim=-1)
    surprise = torch.where(logprobs == -torch.inf, 0.0, -logprobs)  # p log p -> 0 as p -> 0
    result = (logprobs.exp() * surprise).sum(dim=-1)
    require_no_nan(result, "entropy (from the logits)")
    return result


@typed
def position_ids(attention_mask: Shaped[Tensor, "batch time"]) -> Int[Tensor, "batch time"]:
    """Positions that count real tokens only, so that left padding does not move a row.

        position[b, t] = max(0, sum of attention_mask[b, :t + 1] - 1)

    Padding before the first token gets 0, padding after the last repeats its position. Models with learned positions
    (GPT-2) are wrong without it under left padding; rotary models only see differences of positions and do not notice.
    OpenRLHF does the same, with 1 for pads; TRL's GRPO passes none.

    The first real token is at 0, wherever the padding on its left ends:
    >>> position_ids(torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]])).tolist()
    [[0, 0, 0, 1, 2], [0, 1, 2, 3, 4]]
    """
    return (kept(attention_mask, "attention_mask").long().cumsum(dim=1) - 1).clamp_min(0)


def require_chunk(chunk_size: int) -> None:
    if chunk_size < 1:
        raise InputError(f"chunk_size is {chunk_size}, expected at least 1 position")


def as_autocast(x: Tensor) -> Tensor:
    """The factor of a matrix product in the dtype that ``torch.autocast`` would give it, where that is on."""
    device = x.device.type
    if x.dtype == torch.float64 or not torch.is_autocast_enabled(device):  # autocast leaves float64 alone
        return x
    return x.to(torch.get_autocast_dtype(device))


def require_vocabulary(tokens: Tensor, vocab: int) -> Tensor:
    """The token ids as int64, after checking that each names a row of the vocabulary."""
    if tokens.numel() and (tokens.min() < 0 or tokens.max() >= vocab):
        raise InputError(
            f"tokens holds ids from {tokens.min()} to {tokens.max()}, but the logits score 0 to {vocab - 1}: "
            "replace labels such as -100 by real ids and leave them out with the mask"
        )
    return tokens.long()
