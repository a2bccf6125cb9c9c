"""What torchtune makes of logits and of tokens: log-probs, masks, normalisers, and losses of whole distributions."""

import torch
from torch import Tensor

from ..cases import EOS, HOLES, PROMPT, Case
from ..records import Row
from ..shared_rows import logprob_rows, values_on_mask
from .stand_ins import CROSS_ENTROPY_IGNORE_IDX, rlhf, supervised

CHUNKS = 2


def logprobs(logits: Tensor, case: Case, temperature: float) -> Tensor:
    return rlhf.logits_to_logprobs(logits[:, :-1], case.tokens[:, 1:], temperature)


def labels(case: Case) -> Tensor:
    """Of the tokens behind the first one, where the mask is over predictions."""
    return torch.where(case.mask, case.tokens[:, 1:], CROSS_ENTROPY_IGNORE_IDX)


def batch_log_probs(logits: Tensor, case: Case, *, average: bool) -> Tensor:
    """It shifts the labels itself."""
    shifted = torch.cat([case.tokens[:, :1], labels(case)], dim=1)
    return rlhf.get_batch_log_probs(logits, shifted, return_average_logprobs=average)


def kept_tokens(tokens: Tensor, case: Case) -> Tensor:
    padding, _ = rlhf.truncate_sequence_at_first_stop_token(tokens[:, PROMPT:].clone(), torch.tensor([EOS]), EOS)
    return (~padding).long()


def whitened_row(**options: bool) -> Row:
    return Row("values", lambda x, c: values_on_mask(rlhf.whiten(x.detach(), c.mask, **options), c), HOLES)


def chunks(logits: Tensor) -> list[Tensor]:
    return list(logits[:, :-1].chunk(CHUNKS, dim=1))


def divergence_row(kind: type) -> Row:
    """Of chunks, to a teacher whose logits are the student's in another order."""

    def function(logits: Tensor, case: Case) -> Tensor:
        teacher = case.logits.flip(dims=[2])
        return kind(num_output_chunks=CHUNKS)(chunks(logits), chunks(teacher), labels(case))

    return Row("logits", function)


TOKENS = logprob_rows("logits_to_logprobs", logprobs) | {
    "get_batch_log_probs": Row("logits", lambda x, c: batch_log_probs(x, c, average=False), HOLES),
    "get_batch_log_probs, average": Row(
        "logits", lambda x, c: batch_log_probs(x, c, average=True), ("ragged", "tools")
    ),
    "masked_mean": Row("token_loss", lambda x, c: rlhf.masked_mean(x, c.mask)),
    "truncate_sequence_at_first_stop_token": Row("tokens", kept_tokens, ("ragged", "full")),
    "whiten": whitened_row(),
    "whiten, shift_mean=False": whitened_row(shift_mean=False),
    "CEWithChunkedOutputLoss": Row(
        "logits", lambda x, c: supervised.CEWithChunkedOutputLoss(CHUNKS)(chunks(x), labels(c))
    ),
    "ForwardKLWithChunkedOutputLoss": divergence_row(supervised.ForwardKLWithChunkedOutputLoss),
    "ReverseKLWithChunkedOutputLoss": divergence_row(supervised.ReverseKLWithChunkedOutputLoss),
    "SymmetricKLWithChunkedOutputLoss": divergence_row(supervised.SymmetricKLWithChunkedOutputLoss),
}
