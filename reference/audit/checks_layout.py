"""Checks of what a model is given: ids, attention, positions, and where the padding stands."""

import torch
from torch import Tensor

from reference.audit.batch import Batch
from reference.audit.ends import eos_id, first_column, last_column, pad_id, real
from reference.audit.finding import Finding, finding, places, rows_named


def ids(batch: Batch) -> list[Finding]:
    """Ids below 0, as -100 of labels that were taken for inputs."""
    bad = batch.tokens < 0
    return [finding("ids", "fault", "There are token ids below 0.", places(bad))] if bad.any() else []


def attention(batch: Batch) -> list[Finding]:
    """Rows without a real token, and holes: a 0 between two tokens that are attended to."""
    mask = batch.attention_mask
    if mask is None:
        return []
    found = []
    if (empty := ~mask.any(dim=1)).any():
        found.append(finding("attention", "fault", "The attention mask is 0 in a whole row.", rows_named(empty)))
    holes = holes_of(mask)
    if holes.any():
        pad = pad_id(batch)
        of_pads = pad is not None and bool((batch.tokens[holes] == pad).all())
        cause = " Every one of them has the padding's id: the mask was made by value." if of_pads else ""
        found.append(
            finding("attention", "fault", f"The attention mask is 0 between real tokens.{cause}", places(holes))
        )
    elif (pad := pad_id(batch)) is not None and pad != eos_id(batch):
        seen = mask & (batch.tokens == pad)
        if seen.any():
            found.append(
                finding("attention", "doubt", "The attention mask is 1 on tokens with the padding's id.", places(seen))
            )
    return found


def holes_of(mask: Tensor) -> Tensor:
    """True where the mask is False between two columns where it is True."""
    columns = torch.arange(mask.shape[1], device=mask.device)
    inside = (columns >= first_column(mask)[:, None]) & (columns <= last_column(mask)[:, None])
    return inside & ~mask & mask.any(dim=1)[:, None]


def positions(batch: Batch) -> list[Finding]:
    """Position ids count real tokens from 0; they may begin again, where several texts share a row."""
    mask, ids = batch.attention_mask, batch.position_ids
    if ids is None:
        return []
    ids = ids.long()
    kept = torch.ones_like(batch.tokens, dtype=torch.bool) if mask is None else mask
    if holes_of(kept).any():
        return []  # the attention mask is told about, and what is right here depends on it
    first = first_column(kept)
    begins = ids.gather(1, first[:, None]).squeeze(1)
    both = kept[:, 1:] & kept[:, :-1]
    step = (ids[:, 1:] - ids[:, :-1]).long()
    jump = both & (step != 1) & (ids[:, 1:] != 0)
    if jump.any():
        what = "Position ids do not go up by 1 from token to token."
        return [finding("positions", "fault", what, places(jump, start=1))]
    late = (begins != 0) & kept.any(dim=1)
    if late.any():
        padded = (first > 0) & (begins == first)
        why = " They count the padding on the left." if bool(padded[late].all()) else ""
        what = f"Position ids do not begin at 0 on the first real token.{why}"
        return [finding("positions", "doubt", what, rows_named(late))]
    return []


def padding(batch: Batch) -> list[Finding]:
    """One id for padding and end: then nothing may be masked by value. And what was masked so."""
    pad, eos, kept = pad_id(batch), eos_id(batch), real(batch)
    if pad is None or pad != eos:
        return []
    found = [
        finding("padding", "note", f"The padding and the EOS are one id, {pad}: a mask made by value loses the EOS.")
    ]
    mask = batch.attention_mask
    if mask is None or kept is None or mask.all():
        return found
    behind = batch.tokens.gather(1, (last_column(mask) + 1).clamp(max=mask.shape[1] - 1)[:, None]).squeeze(1)
    short = last_column(mask) < mask.shape[1] - 1
    lost = short & (behind == eos) & (batch.tokens.gather(1, last_column(mask)[:, None]).squeeze(1) != eos)
    if short.any() and bool(lost[short].all()) and not (mask & (batch.tokens == eos)).any():
        what = "No row keeps an EOS: every token of that id is taken for padding."
        found.append(finding("padding", "fault", what, rows_named(lost)))
    return found
