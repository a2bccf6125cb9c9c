"""Check of the number that the loss is divided by, against what this batch holds."""

import math

import torch

from reference.audit.batch import Batch
from reference.audit.ends import real
from reference.audit.finding import Finding, finding

MOST_PARTS = 64  # micro-batches or ranks that one batch is cut into


def normaliser(batch: Batch) -> list[Finding]:
    """Equal to the tokens in the loss is right; a larger one is right where this file is a part of a step."""
    given, mask = batch.numbers.get("num_tokens"), batch.mask
    if given is None or mask is None:
        return []
    count = int(mask.sum())
    if not math.isfinite(given) or given <= 0:
        return [finding("normaliser", "fault", f"The loss is divided by {given:g}.")]
    if given == count:
        return [finding("normaliser", "note", f"The loss is divided by {count}, the tokens in the loss.")]
    counted = f"The loss is divided by {given:g}, and {count} tokens are in the loss"
    if (meaning := other_count(batch, given)) is not None:
        return [finding("normaliser", "fault", f"{counted}: {given:g} is {meaning}.")]
    if given == mask.numel():
        what = (
            f"{counted}: {given:g} is the number of slots, padding included. Dr. GRPO divides by rows times the budget."
        )
        return [finding("normaliser", "doubt", what)]
    if given == len(mask):
        return [finding("normaliser", "note", f"The loss is divided by {given:g}, the number of rows: a sum per row.")]
    if given < count:
        return [
            finding("normaliser", "fault", f"{counted}: the gradient is {count / given:.2f} times that of their mean.")
        ]
    what = f"{counted}: right if this is one of several micro-batches or ranks of the step, with {given:g} tokens together."
    return [finding("normaliser", "note", what)]


def other_count(batch: Batch, given: float) -> str | None:
    """What the number counts in the place of the tokens in the loss, where that is plain."""
    mask, kept = batch.mask, real(batch)
    assert mask is not None
    if kept is not None and given == int(kept.sum()):
        return "the number of all real tokens, those of the prompts too"
    tokens = mask.sum(dim=1)
    for parts in range(2, min(len(mask), MOST_PARTS + 1)):
        counts = [int(part.sum()) for part in torch.chunk(tokens, parts)]
        if len(counts) == parts and given in (counts[0], counts[-1]):
            which = "first" if given == counts[0] else "last"
            return f"the count of the {which} of {parts} parts of these rows"
    return None
