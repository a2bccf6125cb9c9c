"""What AReaL makes of logits and of tokens: log-probs, entropy, KL. All of it in float32."""

from torch import Tensor

from ..cases import FAR, Case
from ..records import Row
from ..shared_rows import logprob_rows
from .stand_ins import data, vocab_parallel


def logprobs(logits: Tensor, case: Case, temperature: float) -> Tensor:
    return vocab_parallel.gather_logprobs(logits[:, :-1], case.tokens[:, 1:], temperature)


def entropy(logits: Tensor, case: Case) -> Tensor:
    return vocab_parallel.gather_logprobs_entropy(logits[:, :-1], case.tokens[:, 1:])[1]


def kl_row(estimator: str) -> Row:
    return Row("logprobs", lambda x, c: data.KLEstimator(estimator)(x, c.ref), FAR)


TOKENS = logprob_rows("gather_logprobs", logprobs) | {
    "gather_logprobs_entropy": Row("logits", entropy),
    **{f"KLEstimator {name}": kl_row(name) for name in ("k1", "k2", "k3")},
}
