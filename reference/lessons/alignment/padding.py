"""How far the log-probs of a row move when pads are put before it."""

import torch

from reference.objectives import position_ids, token_logprobs


def padding_error(model, tokens: torch.Tensor, pads: int, *, with_positions: bool, pad_id: int = 0) -> float:
    """Largest change of any token's log-prob when one row, (1, time), is padded by ``pads`` on the left. In nats."""
    padded = torch.nn.functional.pad(tokens, (pads, 0), value=pad_id)
    mask = torch.ones_like(padded)
    mask[:, :pads] = 0
    # What a model does when it is given no positions: count from the left edge, pads included.
    positions = position_ids(mask) if with_positions else torch.arange(padded.shape[1])[None]
    with torch.no_grad():
        alone = token_logprobs(model(tokens).logits, tokens)
        in_batch = token_logprobs(model(padded, attention_mask=mask, position_ids=positions).logits, padded)
    return (in_batch[:, pads:] - alone).abs().max().item()
