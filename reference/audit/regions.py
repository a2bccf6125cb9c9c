"""Which token of a batch is what: real or padding, the assistant's or the tool's, in the loss or not, and where rows end.

All tables are (rows, time). Where the batch does not say, it is asked of the tokens themselves, and ``None`` is the answer
if they do not tell either.
"""

import torch
from torch import Tensor

from reference.audit.batch import Batch
from reference.audit.groups import prompts_of

ENDS_ALIKE = 0.5  # share of rows with the same last token from which on it is taken for the EOS


def wide(batch: Batch, part: Tensor) -> Tensor:
    """A table (rows, K) as one of (rows, time): False, or 0, before ``start``."""
    full = part.new_zeros(batch.tokens.shape)
    full[:, batch.start :] = part
    return full


def in_loss(batch: Batch) -> Tensor | None:
    return None if batch.mask is None else wide(batch, batch.mask)


def id_of(batch: Batch, name: str) -> int | None:
    value = batch.numbers.get(name)
    return None if value is None or value != value or value < 0 else int(value)


def pad_id(batch: Batch) -> int | None:
    """The padding's id: as the batch says, else the only id that stands where the attention mask is 0."""
    known = id_of(batch, "pad_token_id")
    if known is not None or batch.attention_mask is None:
        return known
    ids = batch.tokens[~batch.attention_mask].unique()
    return int(ids) if len(ids) == 1 else None


def eos_id(batch: Batch) -> int | None:
    """The end's id: as the batch says, else the token in which at least half of the rows, and more than one, end."""
    if (known := id_of(batch, "eos_token_id")) is not None:
        return known
    if (kept := real(batch)) is None or len(batch.tokens) < 2:
        return None
    ids, counts = last_tokens(batch, kept).unique(return_counts=True)
    often = int(counts.argmax())
    return int(ids[often]) if counts[often] > 1 and counts[often] >= ENDS_ALIKE * len(batch.tokens) else None


def real(batch: Batch) -> Tensor | None:
    """True on what is no padding: by the attention mask, else by the padding's id."""
    if batch.attention_mask is not None:
        return batch.attention_mask
    return None if pad_id(batch) is None else by_value(batch)


def by_value(batch: Batch) -> Tensor:
    """True on what is no padding by its id. Where pad and EOS are one id, the first of those behind a row ends it."""
    pad, eos = pad_id(batch), id_of(batch, "eos_token_id")
    is_pad = batch.tokens == pad
    behind = is_pad.flip(1).cummin(dim=1).values.flip(1)  # nothing but pads from here on
    if pad == eos:
        behind = behind & torch.nn.functional.pad(behind[:, :-1], (1, 0))  # a run's first one ends the row
    before = is_pad.cummin(dim=1).values
    return ~(behind | before)


def last_column(kept: Tensor) -> Tensor:
    """(rows,) the last column that is kept; 0 for a row without one."""
    return (torch.arange(kept.shape[1], device=kept.device) * kept).amax(dim=1)


def first_column(kept: Tensor) -> Tensor:
    """(rows,) the first column that is kept; 0 for a row without one."""
    return kept.int().argmax(dim=1)


def last_tokens(batch: Batch, kept: Tensor) -> Tensor:
    return batch.tokens.gather(1, last_column(kept)[:, None]).squeeze(1)


def ended(batch: Batch) -> Tensor | None:
    """(rows,) whose last real token is the EOS."""
    kept, eos = real(batch), eos_id(batch)
    return None if kept is None or eos is None else (last_tokens(batch, kept) == eos) & kept.any(dim=1)


def turn_of(batch: Batch) -> Tensor | None:
    """The id of the marker that opened the turn a token stands in, -1 where no turn is open. None without markers.

    A turn of the tool lasts until ``tool_end``, which is the EOS where nothing else is said, and one of the assistant until
    the EOS; the markers belong to it. A marker inside a turn opens none: that is one that the model wrote itself.
    """
    assistant, tool, eos = id_of(batch, "assistant_start"), id_of(batch, "tool_start"), eos_id(batch)
    if assistant is None and tool is None:
        return None
    tool_end = id_of(batch, "tool_end")
    ends = {assistant: eos, tool: eos if tool_end is None else tool_end}
    turns = torch.full_like(batch.tokens, -1)
    now = torch.full_like(batch.tokens[:, 0], -1)
    for column in range(batch.tokens.shape[1]):
        token = batch.tokens[:, column]
        for opener in ends:
            if opener is not None:
                now = torch.where((now == -1) & (token == opener), opener, now)
        turns[:, column] = now
        for opener, close in ends.items():
            if opener is not None and close is not None:
                now = torch.where((now == opener) & (token == close), -1, now)
    return turns


def written(batch: Batch) -> Tensor | None:
    """True on what the assistant wrote: its turns without the marker that opens them. None where no marker is known.

    Of a row without the marker it is all that follows the prompt.
    """
    turns, assistant = turn_of(batch), id_of(batch, "assistant_start")
    if turns is None or assistant is None:
        return None
    inside = turns == assistant
    opens = inside & torch.nn.functional.pad(~inside[:, :-1], (1, 0), value=True)
    columns = torch.arange(inside.shape[1], device=inside.device)
    behind = columns >= max(batch.start, id_of(batch, "prompt_width") or 0)
    found = torch.where(inside.any(dim=1, keepdim=True), inside & ~opens, behind)
    kept = real(batch)
    return found if kept is None else found & kept


def tool_tokens(batch: Batch) -> Tensor | None:
    """True on what a tool wrote: as the batch says, else the tool's turns, with the markers around them."""
    if batch.tool is not None:
        return wide(batch, batch.tool)
    turns, tool = turn_of(batch), id_of(batch, "tool_start")
    return None if turns is None or tool is None else turns == tool


def allowed(batch: Batch) -> Tensor | None:
    """True on what may be in the loss: what the assistant wrote where that is known, else what is real and not the tool's."""
    kept, tool = real(batch), tool_tokens(batch)
    if (own := written(batch)) is not None:
        return own if tool is None else own & ~tool
    if kept is None:
        return None
    width = id_of(batch, "prompt_width") or 0
    kept = kept & (torch.arange(kept.shape[1], device=kept.device) >= width)
    return kept if tool is None else kept & ~tool


def moved(part: Tensor, by: int, entering: Tensor) -> Tensor:
    """A table moved by one column to the right (1) or to the left (-1); what comes in from outside is ``entering``'s."""
    result = part.roll(by, dims=1)
    edge = 0 if by == 1 else -1
    result[:, edge] = entering[:, edge]
    return result


def groups(batch: Batch) -> Tensor | None:
    """(rows,) a number per group: as the batch says, by equal prompts, or by ``group_size`` rows at a time."""
    rows = len(batch.tokens)
    if "group" in batch.per_row:
        return batch.per_row["group"].unique(return_inverse=True)[1]
    size = id_of(batch, "group_size")
    if size and rows % size == 0:
        return torch.arange(rows, device=batch.tokens.device) // size
    same = by_prompt(batch)
    if same is None:
        return None
    counts = same.bincount()
    return same if len(counts) < rows and bool((counts == counts[0]).all()) else None


def by_prompt(batch: Batch) -> Tensor | None:
    """(rows,) a number per prompt; None where the batch does not tell prompt and completion apart."""
    texts = prompts_of(batch)
    if texts is None or not any(texts):
        return None
    numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    return torch.tensor([numbers[text] for text in texts], device=batch.tokens.device)


def of_prompts(batch: Batch) -> Tensor:
    """True on what stands before the completions, as far as the batch tells: its columns, else what the markers leave over,
    else what comes before a row's first token in the loss."""
    columns = torch.arange(batch.tokens.shape[1], device=batch.tokens.device)
    own, tool, mask = written(batch), tool_tokens(batch), in_loss(batch)
    if own is not None:
        return ~(own if tool is None else own | tool)
    width = id_of(batch, "prompt_width") or batch.start
    if width < 2 and mask is not None and mask.any():
        return columns < torch.where(mask.any(dim=1), first_column(mask), width)[:, None]
    return (columns < width).expand(batch.tokens.shape)


def ends_anywhere(batch: Batch) -> Tensor:
    """True on every EOS that is neither prompt nor padding."""
    eos, kept = eos_id(batch), real(batch)
    if eos is None:
        return torch.zeros_like(batch.tokens, dtype=torch.bool)
    found = (batch.tokens == eos) & ~of_prompts(batch)
    return found if kept is None else found & kept
