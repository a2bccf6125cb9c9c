"""Log-probs, masks, normalisers."""

import torch
from torch import Tensor

from reference import objectives as ours

from ..cases import BUDGET, EOS, GLOBAL_SEQUENCES, GLOBAL_TOKENS, HOLES, PROCESSES, PROMPT, TEMPERATURE, VOCAB, Case
from ..claims import F32
from ..records import Row
from ..verl_options import SOME
from .entry import openrlhf, verl


def fused_logprobs(hidden: Tensor, case: Case) -> Tensor:
    lm_head = case.logits[0, :VOCAB]
    return ours.chunked_token_logprobs(hidden, lm_head, case.tokens, temperature=TEMPERATURE, chunk_size=4)


def completion_mask(tokens: Tensor, case: Case) -> Tensor:
    mask = ours.completion_mask(tokens, case.start, eos_token_id=EOS)
    assert torch.equal(mask, case.mask)
    return mask[:, PROMPT - 1 :].long()


def num_non_empty_rows(case: Case) -> int:
    return int(case.mask.any(dim=1).sum())


def fixed_length(x: Tensor, case: Case, max_length: int) -> Tensor:
    # verl does not count empty rows, fixed_length does unless told how many rows there are
    return ours.fixed_length(x, case.mask, max_length=max_length, num_sequences=num_non_empty_rows(case))


LOGPROBS = Row("logits", lambda x, c: ours.token_logprobs(x, c.tokens))
LOGPROBS_TEMPERED = Row("logits", lambda x, c: ours.token_logprobs(x, c.tokens, temperature=TEMPERATURE))
ENTROPY = Row("logits", lambda x, c: ours.entropy(x))
MASKED_MEAN = Row("token_loss", lambda x, c: ours.masked_mean(x, c.mask))
TOKEN_MEAN = Row("token_loss", lambda x, c: ours.token_mean(x, c.mask))
TOKEN_SUM = Row("token_loss", lambda x, c: ours.sequence_sum(x, c.mask).sum(), SOME)
TOKEN_MEAN_GLOBAL = Row("token_loss", lambda x, c: ours.token_mean(x, c.mask, num_tokens=GLOBAL_TOKENS) * PROCESSES)
SEQUENCE_MEAN = Row("token_loss", lambda x, c: ours.sequence_mean(x, c.mask))
SEQUENCE_MEAN_GLOBAL = Row(
    "token_loss", lambda x, c: ours.sequence_mean(x, c.mask, num_sequences=GLOBAL_SEQUENCES) * PROCESSES
)


VERL = [
    verl("logprobs_from_logits", LOGPROBS, "token_logprobs"),
    verl("logprobs_from_logits, temperature", LOGPROBS_TEMPERED, "token_logprobs", "`logprobs_from_logits`"),
    verl("FusedLinearForPPO", Row("logits", fused_logprobs), "chunked_token_logprobs", rtol=F32),
    verl("entropy_from_logits", ENTROPY, "entropy"),
    verl("compute_entropy_loss", Row("logits", lambda x, c: ours.mean_entropy(x, c.mask)), "mean_entropy"),
    verl("masked_mean", MASKED_MEAN, "masked_mean"),
    verl("masked_sum", Row("token_loss", lambda x, c: ours.sequence_sum(x, c.mask), HOLES), "sequence_sum"),
    verl("get_response_mask", Row("tokens", completion_mask, ("ragged", "full")), "completion_mask"),
    verl("agg_loss token-mean", TOKEN_MEAN, "token_mean", "`token-mean`"),
    verl("agg_loss token-mean, global", TOKEN_MEAN_GLOBAL, "token_mean", "`token-mean` with `batch_num_tokens`"),
    verl("agg_loss seq-mean-token-mean", SEQUENCE_MEAN, "sequence_mean", "`seq-mean-token-mean`"),
    verl(
        "agg_loss seq-mean-token-mean, global",
        SEQUENCE_MEAN_GLOBAL,
        "sequence_mean",
        "`seq-mean-token-mean` with `global_batch_size`",
    ),
    verl("agg_loss token-sum", TOKEN_SUM, "sequence_sum", "`token-sum`: the sum of the rows' sums"),
    verl(
        "agg_loss seq-mean-token-sum",
        Row("token_loss", lambda x, c: ours.sequence_sum(x, c.mask).sum() / num_non_empty_rows(c), SOME),
        "sequence_sum",
        "`seq-mean-token-sum`: their mean over the rows with tokens",
    ),
    verl(
        "agg_loss seq-mean-token-sum-norm",
        Row("token_loss", lambda x, c: fixed_length(x, c, c.mask.shape[1])),
        "fixed_length",
        "`seq-mean-token-sum-norm`, which divides by the padded width",
    ),
    verl(
        "agg_loss seq-mean-token-sum-norm, budget",
        Row("token_loss", lambda x, c: fixed_length(x, c, BUDGET)),
        "fixed_length",
        "`seq-mean-token-sum-norm` with `loss_scale_factor`",
    ),
]

OPENRLHF = [
    openrlhf("log_probs_from_logits", LOGPROBS, "token_logprobs"),
    openrlhf("log_probs_from_logits, temperature", LOGPROBS_TEMPERED, "token_logprobs", "`log_probs_from_logits`"),
    openrlhf("compute_entropy", ENTROPY, "entropy"),
    openrlhf(
        "_get_batch_logps, sum",
        Row("logprobs", lambda x, c: ours.sequence_logprobs(x, c.mask), HOLES),
        "sequence_logprobs",
        "`DPOTrainer._get_batch_logps`",
    ),
    openrlhf(
        "_get_batch_logps, mean",
        Row("logprobs", lambda x, c: ours.sequence_logprobs(x, c.mask, average=True), ("ragged", "full", "tools")),
        "sequence_logprobs",
        "`DPOTrainer._get_batch_logps`",
    ),
    openrlhf("masked_mean", MASKED_MEAN, "masked_mean"),
    openrlhf("aggregate_loss token", TOKEN_MEAN, "token_mean", "`token_level_loss=True`"),
    openrlhf(
        "aggregate_loss token, global",
        TOKEN_MEAN_GLOBAL,
        "token_mean",
        "`token_level_loss=True` with `batch_num_tokens`",
    ),
    openrlhf("aggregate_loss sequence", SEQUENCE_MEAN, "sequence_mean", "`token_level_loss=False`"),
    openrlhf(
        "aggregate_loss sequence, global",
        SEQUENCE_MEAN_GLOBAL,
        "sequence_mean",
        "`token_level_loss=False` with `global_batch_size`",
    ),
]
