"""Checks with a model: its own log-probs of the batch's tokens, beside those that the batch holds."""

import torch
from torch import Tensor, nn

from reference.audit.batch import Batch
from reference.audit.checks_logprobs import EXACT, HALF, LOGPROBS, WORDS, finite, kept_of, shift_words
from reference.audit.compare import best_shift, difference
from reference.audit.ends import real
from reference.audit.finding import Finding, Level, finding, worst
from reference.objectives import position_ids, token_logprobs
from reference.objectives.shapes import InputError

TEMPERATURES = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.5, 2.0)
ROWS = 8  # that go through the model together
BETTER = 0.5  # of the distance at temperature 1, that another one has to leave at most


@torch.no_grad()
def model_logits(model: nn.Module, batch: Batch) -> Tensor:
    """Logits (rows, K + 1 or K, vocab) that predict the tokens from ``start`` on, with positions from the attention mask."""
    require_vocabulary(model, batch.tokens)
    kept = real(batch)
    kept = torch.ones_like(batch.tokens, dtype=torch.bool) if kept is None else kept
    first = max(batch.start, 1) - 1
    parts = []
    for rows in torch.arange(len(kept)).split(ROWS):
        mask = kept[rows]
        out = model(input_ids=batch.tokens[rows], attention_mask=mask, position_ids=position_ids(mask))
        parts.append(out.logits[:, first:].float())
    return torch.cat(parts)


def require_vocabulary(model: nn.Module, tokens: Tensor) -> None:
    """Refuse ids that the model has no embedding for: it is not the model of this batch."""
    embeddings = getattr(model, "get_input_embeddings", lambda: None)()
    rows = None if embeddings is None else embeddings.weight.shape[0]
    if tokens.min() < 0 or (rows is not None and tokens.max() >= rows):
        raise InputError(
            f"the token ids go from {int(tokens.min())} to {int(tokens.max())}, and the model has {rows} embeddings: name the "
            "model that gave the log-probs"
        )


def scored(batch: Batch, model: nn.Module) -> list[Finding]:
    """Which token each table of log-probs is about, and at which temperature, if the model is the one that gave them."""
    kept = kept_of(batch)
    tables = {name: batch.per_token[name] for name in LOGPROBS if name in batch.per_token}
    if kept is None or not kept.any() or not tables:
        return []
    logits, tokens = model_logits(model, batch), batch.tokens[:, max(batch.start, 1) - 1 :]
    cut = int(batch.start == 0)  # the first token of a row has no prediction
    kept = kept[:, cut:]
    if not kept.any():
        return []
    found, temperatures = [], {}
    for name, table in tables.items():
        table = finite(table)[:, cut:]
        own = token_logprobs(logits, tokens)
        by, best, now = best_shift(table, own, kept)
        if by:
            found.append(finding("scored", "fault", shift_words(WORDS[name], WORDS["model_logprobs"], by, best, now)))
            continue
        sizes = {
            t: difference(table, token_logprobs(logits, tokens, temperature=t), kept).mean_size for t in TEMPERATURES
        }
        temperatures[name] = nearest_temperature(sizes)
        found.append(compared(name, sizes, temperatures[name], worst(table - own, kept, max(batch.start, 1))))
    return found + two_temperatures(temperatures)


def nearest_temperature(sizes: dict[float, float]) -> float | None:
    """At which the model is nearest to a table; 1 unless another leaves half of the distance at most; None where it is far
    at all of them."""
    nearest = min(sizes, key=lambda t: sizes[t])
    nearest = nearest if sizes[nearest] < BETTER * sizes[1.0] else 1.0
    return nearest if sizes[nearest] <= HALF else None


def compared(name: str, sizes: dict[float, float], temperature: float | None, where: str) -> Finding:
    words, far = WORDS[name], sizes[1.0]
    if temperature is None:
        level: Level = "note" if name == "ref_logprobs" else "doubt"
        return finding(
            "scored", level, f"The {words} differ from those of the model by {far:.2g} nats per token.", where
        )
    rest = f", up to {sizes[temperature]:.2g} nats per token" if sizes[temperature] > EXACT else ""
    return finding("scored", "note", f"The {words} are those of the model at temperature {temperature:g}{rest}.")


def two_temperatures(found: dict[str, float | None]) -> list[Finding]:
    """Sampler, old policy and policy are one before the first step, and the reference is charged at the same temperature."""
    known = {name: value for name, value in found.items() if value is not None}
    if len(set(known.values())) < 2:
        return []
    each = ", ".join(f"{WORDS[name]} at {value:g}" for name, value in known.items())
    return [finding("temperature", "fault", f"Log-probs are at different temperatures: {each}.")]
