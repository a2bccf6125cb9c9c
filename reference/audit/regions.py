"""Which token of a batch may be in the loss, what is a prompt, and which rows belong together. All tables are (rows, time)."""

import torch
from torch import Tensor

from reference.audit.batch import Batch
from reference.audit.ends import eos_id, first_column, id_of, in_loss, real
from reference.audit.groups import prompts_of
from reference.audit.turns import tool_tokens, written


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
