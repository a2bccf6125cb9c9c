"""Checks of the loss's mask: is it where the assistant's words are, with their end and without the prompt, or one column off?"""

import torch
from torch import Tensor

from reference.audit.batch import Batch
from reference.audit.ends import (
    ended,
    eos_id,
    eos_is_known,
    first_column,
    id_of,
    in_loss,
    last_column,
    last_tokens,
    once,
    real,
    wide,
)
from reference.audit.finding import Finding, Level, finding, places, rows_named
from reference.audit.regions import allowed, moved
from reference.audit.turns import tool_tokens, written

MOST = 0.5  # share of rows that must not fit: where a mask is rolled, rows that fill the width fit by accident


def empty(batch: Batch) -> list[Finding]:
    """A mask of zeros teaches nothing; rows of zeros are counted by some normalisers and not by others."""
    if batch.mask is None:
        return []
    rows = ~batch.mask.any(dim=1)
    if rows.all():
        return [finding("empty", "fault", "The mask is 0 everywhere: no token is in the loss.")]
    what = "Rows without a token in the loss."
    return [finding("empty", "note", what, rows_named(rows))] if rows.any() else []


def shift_of(batch: Batch) -> int:
    return once(batch, shift_to_fit)


def shift_to_fit(batch: Batch) -> int:
    """By how many columns the mask has to be moved to fit: 0 where it fits, or where moving it does not help either.

    It fits where it keeps only what it may, and keeps the first and the last of that in every row. Rows that are left out
    on purpose do not count. Without the prompt's end nobody knows which token is the first, nor whether a mask is late.
    """
    mask, may = in_loss(batch), allowed(batch)
    if mask is None or may is None:
        return 0
    rows, may = mask.any(dim=1), wide(batch, may[:, batch.start :])
    first = written(batch) is not None or batch.start > 1 or "prompt_width" in batch.numbers
    wrong = misfit(mask, may, first=first) & rows & ~stops_at_eos(batch, mask)
    if not rows.any() or wrong.sum() < MOST * rows.sum():
        return 0
    part, there = mask[:, batch.start :], may[:, batch.start :]
    lost = {1: lacks(mask, may, last_column(may)), -1: lacks(mask, may, first_column(may))}
    for by in (1, -1) if first else (1,):
        fits = ~misfit(wide(batch, moved(part, by, there)), may, first=first)
        if bool(fits[rows].all()) and bool(lost[by][wrong].all()):
            return by
    return 0


def stops_at_eos(batch: Batch, mask: Tensor) -> Tensor:
    """(rows,) whose loss ends in the EOS, with real tokens behind it: the line break that a chat template writes there."""
    kept = real(batch)
    if kept is None or not eos_is_known(batch):
        return torch.zeros_like(mask[:, 0])
    inside = last_column(mask) < last_column(kept)
    return inside & (last_tokens(batch, mask) == eos_id(batch)) & mask.any(dim=1)


def misfit(mask: Tensor, may: Tensor, *, first: bool) -> Tensor:
    """(rows,) where the mask keeps something that it may not, or lacks the row's last token, or its first one."""
    found = (mask & ~may).any(dim=1) | lacks(mask, may, last_column(may))
    return found | lacks(mask, may, first_column(may)) if first else found


def lacks(mask: Tensor, may: Tensor, column: Tensor) -> Tensor:
    """(rows,) where the mask is 0 in this column of the row, of those that may be in the loss."""
    return ~mask.gather(1, column[:, None]).squeeze(1) & may.any(dim=1)


def shifted(batch: Batch) -> list[Finding]:
    """The mask is right but for one column: prompt or padding comes in at one end, and a word is lost at the other."""
    by = shift_of(batch)
    mask, may = in_loss(batch), allowed(batch)
    if by == 0 or mask is None or may is None:
        return []
    clear = by == -1 or bool((mask & ~may).any()) or truncated_rows_too(batch, mask)
    if not clear:  # then all it lacks is the EOS, which says so itself
        return []
    side = "early" if by == 1 else "late"
    what = f"The mask is one column too {side}: moved one to the {'right' if by == 1 else 'left'} it fits every row."
    return [finding("shifted", "fault", what, places(mask & ~may if (mask & ~may).any() else may & ~mask))]


def truncated_rows_too(batch: Batch, mask: Tensor) -> bool:
    """Whether rows that were cut off lack their last token as well: then it is not the EOS alone that is left out."""
    over, kept = ended(batch), real(batch)
    if over is None or kept is None:
        return False
    rows = ~over & mask.any(dim=1)
    return bool(rows.any()) and not bool(mask.gather(1, last_column(kept)[:, None]).squeeze(1)[rows].any())


def is_shifted(batch: Batch) -> bool:
    return bool(shifted(batch))


def pads(batch: Batch) -> list[Finding]:
    """Padding has no next token: whatever is learned there is noise."""
    kept, mask = real(batch), in_loss(batch)
    if kept is None or mask is None or is_shifted(batch):
        return []
    bad = mask & ~kept
    if not bad.any():
        return []
    behind = torch.arange(kept.shape[1], device=kept.device) == last_column(kept)[:, None] + 1
    short = (last_column(kept) < kept.shape[1] - 1) & mask.any(dim=1)
    others = " A mask that is one column too late looks like this, too." if bool((bad == behind)[short].all()) else ""
    return [finding("pads_in_loss", "fault", f"Padding is in the loss.{others}", places(bad))]


def prompt(batch: Batch) -> list[Finding]:
    """The prompt was not written by the model, and need not be learned."""
    mask, kept = in_loss(batch), real(batch)
    if mask is None or kept is None or is_shifted(batch):
        return []
    bad = mask & kept & known_prompt(batch)
    if bad.any():
        return [finding("prompt", "fault", "The prompt is in the loss.", places(bad))]
    whole = whole_rows(batch)
    if whole.all() and written(batch) is None:
        sampled = bool(batch.per_row) or bool(batch.per_token)
        what = "Every row is in the loss from its first token to its last: nothing is left out as a prompt."
        return [finding("prompt", "fault" if sampled else "doubt", what)]
    return []


def known_prompt(batch: Batch) -> Tensor:
    """True on what is known to be prompt: its columns, and where the markers are known all that neither the assistant nor
    the tool wrote."""
    columns = torch.arange(batch.tokens.shape[1], device=batch.tokens.device)
    before = (columns < (id_of(batch, "prompt_width") or 0)).expand(batch.tokens.shape)
    own, tool = written(batch), tool_tokens(batch)
    if own is None:
        return before
    return before | ~(own if tool is None else own | tool)


def whole_rows(batch: Batch) -> Tensor:
    """(rows,) where everything real is in the loss but the first token, which nothing predicts."""
    mask, kept = in_loss(batch), real(batch)
    assert mask is not None and kept is not None
    columns = torch.arange(kept.shape[1], device=kept.device)
    behind = kept & (columns > first_column(kept)[:, None])
    return ((mask | ~behind).all(dim=1)) & behind.any(dim=1)


def end(batch: Batch) -> list[Finding]:
    """A model learns to stop from the EOS in its loss, and from nothing else."""
    mask, over = in_loss(batch), ended(batch)
    if mask is None or over is None or is_shifted(batch):
        return []
    ends = ends_of(batch) & mask.any(dim=1)[:, None]
    lacks = ends & ~mask
    if lacks.any():
        if (own_end := end_before(batch, mask)) is not None and bool((lacks == ends).all()):
            what = f"Rows end in id {eos_id(batch)}, out of the loss, and the loss ends in id {own_end}: say which one is the EOS."
            return [finding("end", "doubt", what, places(lacks))]
        others = " A mask that is one column too early looks like this, too." if bool((lacks == ends).all()) else ""
        return [finding("end", "fault", f"The EOS that ends a row is not in the loss.{others}", places(lacks))]
    kept = real(batch)
    assert kept is not None
    if not over.any() and not (batch.per_row or batch.per_token):
        return never_ends(batch, mask)
    cut = ~over & kept.any(dim=1)
    if over.any() and cut.any():
        return [finding("end", "note", "Rows that do not end in an EOS, as where a budget ran out.", rows_named(cut))]
    return []


def line_break(batch: Batch, mask: Tensor, bad: Tensor) -> bool:
    """Whether what stands behind each EOS is one id, in two places or more, and nothing behind it is in the loss."""
    ids = batch.tokens[bad]
    return len(ids) > 1 and len(ids.unique()) == 1 and not bool((bad[:, :-1] & mask[:, 1:]).any())


def end_before(batch: Batch, mask: Tensor) -> int | None:
    """The one token in which the loss of every row ends, where the EOS is only guessed from how rows end. A template may write
    a line break behind the EOS: then rows end in the line break, and the loss in the EOS."""
    rows = mask.any(dim=1)
    if eos_is_known(batch) or int(rows.sum()) < 2:
        return None
    ids = last_tokens(batch, mask)[rows].unique()
    return int(ids) if len(ids) == 1 else None


def never_ends(batch: Batch, mask: Tensor) -> list[Finding]:
    """No row ends in the EOS. It may stand inside of rows, before a line break of the template or the next text."""
    kept = real(batch)
    assert kept is not None
    there = (batch.tokens == eos_id(batch)) & kept
    if (there & mask).any():
        return []
    what = f"No row ends in an EOS (id {eos_id(batch)}): nothing here teaches a model to stop."
    if there.any():
        what = f"The EOS (id {eos_id(batch)}) stands inside of rows and is never in the loss: nothing here teaches a model to stop."
    return [finding("end", "doubt", what, places(there) if there.any() else "")]


def ends_of(batch: Batch) -> Tensor:
    """True on the EOS that ends a row, and where the markers are known on that of every turn of the assistant."""
    kept, over, own = real(batch), ended(batch), written(batch)
    assert kept is not None and over is not None
    columns = torch.arange(kept.shape[1], device=kept.device)
    last = (columns == last_column(kept)[:, None]) & over[:, None]
    if own is None:
        return last
    return own & (batch.tokens == eos_id(batch))


def behind_end(batch: Batch) -> list[Finding]:
    """What stands right behind an EOS was never sampled: it opens the next turn, or the next text."""
    mask, kept, eos = in_loss(batch), real(batch), eos_id(batch)
    if mask is None or kept is None or eos is None or is_shifted(batch):
        return []
    tool = tool_tokens(batch)
    bad = torch.zeros_like(mask)
    bad[:, 1:] = mask[:, 1:] & kept[:, 1:] & (batch.tokens[:, :-1] == eos) & kept[:, :-1]
    bad = bad & ~known_prompt(batch) & ~(torch.zeros_like(bad) if tool is None else tool)
    if not bad.any():
        return []
    what = "The token right behind an EOS is in the loss."
    if not eos_is_known(batch):  # a line break, or a full stop, in which rows end may stand inside of them, too
        what += f" Id {eos} is taken for the EOS, since rows end in it: say which one it is."
    sure = eos_is_known(batch) and not bool(whole_rows(batch).all())
    if not (batch.per_row or batch.per_token) and line_break(batch, mask, bad):
        sure, what = False, what + " It is one and the same id, and the loss ends there: a template's line break."
    level: Level = "fault" if sure else "doubt"
    return [finding("behind_end", level, what, places(bad))]
