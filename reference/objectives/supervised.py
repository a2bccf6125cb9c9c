"""Supervised fine-tuning: maximum likelihood of the tokens the mask keeps."""

from .masking import token_mean
from .shapes import Float, Shaped, Tensor, kept, require_no_nan, typed


@typed
def token_nll(token_logprobs: Float[Tensor, "batch pred"]) -> Float[Tensor, "batch pred"]:
    """Negative log-likelihood of each token, in nats, at least 0: the log-prob with the other sign.

        nll = -logp

    The same number as ``F.cross_entropy(..., reduction="none")``, which takes logits and labels at once: supervised
    learning calls it cross-entropy, RL uses the log-prob. Any normaliser of ``masking`` applies; ``sft_loss`` takes
    ``token_mean``.

    A token of probability 0.25 costs ln 4 nats:
    >>> token_nll(torch.tensor([[0.25]]).log()).round(decimals=2)
    tensor([[1.3900]])
    """
    return -token_logprobs


@typed
def sft_loss(
    token_logprobs: Float[Tensor, "batch pred"], mask: Shaped[Tensor, "batch pred"], *, num_tokens: int | None = None
) -> Float[Tensor, ""]:
    """Negative log-likelihood (cross-entropy) of the kept tokens, in nats per token.

        - sum(m * logp) / num_tokens          num_tokens: given, or sum(m)

    exp of it is the perplexity, if num_tokens is this batch's own count. The same number as ``F.cross_entropy(logits[:,
    :-1], labels[:, 1:], ignore_index=-100)`` with -100 where the mask is 0. Minimising it is minimising KL(data ||
    model) up to a constant. ``num_tokens``: the count over all micro-batches, without which gradient accumulation
    changes the objective (transformers passes it to the model as ``num_items_in_batch``). Raises ``InputError`` for an
    empty mask and for kept NaN.

    The first token, of the prompt, is masked. The perplexity of two tokens of probability 1/2 and 1/8 is 4:
    >>> sft_loss(torch.tensor([[0.9, 0.5, 0.125]]).log(), torch.tensor([[0, 1, 1]])).exp().round(decimals=2)
    tensor(4.)
    """
    require_no_nan(token_logprobs, "token_logprobs", mask=kept(mask))
    return token_mean(token_nll(token_logprobs), mask, num_tokens=num_tokens)
