"""Checks of a tool's words: nobody learns them, and every call has a result."""

import torch
from torch import Tensor

from reference.audit.batch import Batch
from reference.audit.checks_mask import is_shifted
from reference.audit.ends import eos_id, id_of, in_loss, real
from reference.audit.finding import Finding, finding, places
from reference.audit.turns import tool_tokens


def tools(batch: Batch) -> list[Finding]:
    """What a tool wrote is read by the model, and learned by nobody."""
    mask, tool, kept = in_loss(batch), tool_tokens(batch), real(batch)
    if mask is None or tool is None or is_shifted(batch):
        return []
    bad = mask & tool
    found = [finding("tools", "fault", "What a tool wrote is in the loss.", places(bad))] if bad.any() else []
    missing = unanswered(batch) if kept is None else unanswered(batch) & kept
    if missing.any():
        what = "A call is followed by a turn of the tool without a result, or by no turn of the tool."
        found.append(finding("tool_results", "fault", what, places(missing)))
    return found


def unanswered(batch: Batch) -> Tensor:
    """True on the EOS of a turn with a call behind which the row goes on without a result. Needs the markers' ids."""
    call, tool, eos = id_of(batch, "call_start"), id_of(batch, "tool_start"), eos_id(batch)
    none = torch.zeros_like(batch.tokens, dtype=torch.bool)
    if call is None or tool is None or eos is None:
        return none
    tool_end = id_of(batch, "tool_end")
    for row, tokens in enumerate(batch.tokens.tolist()):
        called = False
        for column, token in enumerate(tokens[:-2]):
            called = called or token == call
            if token == eos:
                behind, then = tokens[column + 1], tokens[column + 2]
                empty_turn = behind == tool and then == (eos if tool_end is None else tool_end)
                none[row, column] = called and (behind != tool or empty_turn)
                called = False
    kept = real(batch)
    if kept is not None:  # a row may end with its call
        none[:, :-1] &= kept[:, 1:]
    return none
