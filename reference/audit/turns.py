"""Whose turn a token stands in, found by the markers that open turns: what the assistant wrote, and what a tool did."""

import torch
from torch import Tensor

from reference.audit.batch import Batch
from reference.audit.ends import eos_id, id_of, once, real, wide


def turn_of(batch: Batch) -> Tensor | None:
    return once(batch, turns_by_markers)


def turns_by_markers(batch: Batch) -> Tensor | None:
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
