"""Checks with a model: its own log-probs of the batch's tokens, beside those that the batch holds."""

import torch
from torch import Tensor, nn

from reference.audit.batch import Batch
from reference.audit.checks_logprobs import EXACT, HALF, LOGPROBS, WORDS, finite, kept_of, shift_words
from reference.audit.compare import best_shift, difference
from reference.audit.finding import Finding, finding, worst
from reference.audit.regions import real
from reference.objectives import position_ids, token_logprobs

TEMPERATURES = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.5, 2.0)
ROWS = 8  # that go through the model together
BETTER = 0.5  # of the distance at temperature 1, that another one has to leave at most


@torch.no_grad()
def model_logits(model: nn.Module, batch: Batch) -> Tensor:
    """Logits (rows, K + 1 or K, vocab) that predict the tokens from ``start`` on, with positions from the attention mask."""
    kept = real(batch)
    kept = torch.ones_like(batch.tokens, dtype=torch.bool) if kept is None else kept
    first = max(batch.start, 1) - 1
    parts = []
    for rows in torch.arange(len(kept)).split(ROWS):
        mask = kept[rows]
        out = model(input_ids=batch.tokens[rows], attention_mask=mask, position_ids=position_ids(mask))
        parts.append(out.logits[:, first:].float())
    return torch.cat(parts)


def scored(batch: Batch, model: nn.Module) -> list[Finding]:
    """Which token each table of log-probs is about, and at which temperature, if the model is the one that gave them."""
    kept = kept_of(batch)
    tables = {name: batch.per_token[name] for name in LOGPROBS if name in batch.per_token}
    if kept is None or not kept.any() or not tables:
        return []
    logits, tokens = model_logits(model, batch), batch.tokens[:, max(batch.start, 1) - 1 :]
    cut = int(batch.start == 0)  # the first token of a row has no prediction
    kept = kept[:, cut:]
    found = []
    for name, table in tables.items():
        found += of_table(name, finite(table)[:, cut:], logits, tokens, kept, max(batch.start, 1))
    return found


def of_table(name: str, table: Tensor, logits: Tensor, tokens: Tensor, kept: Tensor, start: int) -> list[Finding]:
    own = token_logprobs(logits, tokens)
    words = WORDS[name]
    by, best, now = best_shift(table, own, kept)
    if by:
        return [finding("scored", "fault", shift_words(words, WORDS["model_logprobs"], by, best, now))]
    d = difference(table, own, kept)
    if d.mean_size <= EXACT:
        return [finding("scored", "note", f"The {words} are those of the model, at temperature 1.")]
    sizes = {t: difference(table, token_logprobs(logits, tokens, temperature=t), kept).mean_size for t in TEMPERATURES}
    nearest = min(sizes, key=lambda t: sizes[t])
    if nearest != 1.0 and sizes[nearest] < BETTER * d.mean_size:
        what = f"The {words} are those of the model at temperature {nearest}: {sizes[nearest]:.2g} nats per token away, and {d.mean_size:.2g} at 1."
        return [finding("temperature", "doubt", what, worst(table - own, kept, start))]
    what = f"The {words} differ from those of the model by {d.mean_size:.2g} nats per token, at most by {d.largest:.2g}."
    level = "note" if name == "ref_logprobs" or d.mean_size <= HALF else "doubt"
    return [finding("scored", level, what, worst(table - own, kept, start))]
