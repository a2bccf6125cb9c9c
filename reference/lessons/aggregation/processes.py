"""A batch on several processes: the loss of one of them, and what DDP makes of the gradients of all."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from reference.objectives import aggregate


def process_loss(
    token_loss: Tensor,
    mask: Tensor,
    *,
    strategy: Literal["sequence_mean", "token_mean", "fixed_length"],
    max_length: int,
    num_tokens: int,
    num_sequences: int,
    world_size: int,
) -> Tensor:
    """What one process hands to ``backward`` for one micro-batch.

        world_size * aggregate(these rows, counts of the whole batch)

    The micro-batches of a process are added up by ``backward``, and DDP takes the mean over ``world_size`` processes. So
    the factor turns that mean into a sum, and the sum is the loss of the whole batch. verl 0.9 (``* dp_size``) and
    OpenRLHF 0.11 do this; TRL 1.16 divides the count of tokens by the number of processes, which is the same.
    """
    counts = {"num_tokens": num_tokens, "num_sequences": num_sequences}
    return world_size * aggregate(token_loss, mask, strategy=strategy, max_length=max_length, **counts)


def ddp_weights(
    loss_of: Callable[..., Tensor],
    lengths: list[int],
    *,
    strategy: str,
    world_size: int,
    rows: int,
    max_length: int = 10,
) -> Tensor:
    """The gradient after DDP, (batch, width): what each token of a batch weighs, if ``loss_of`` makes every loss.

    The batch is cut into ``world_size`` shares, each share into micro-batches of ``rows``. No process is started: the
    mean over the processes is taken here.
    """
    mask = torch.arange(max(*lengths, 1)) < torch.tensor(lengths)[:, None]
    token_loss = torch.ones(mask.shape, dtype=torch.float64, requires_grad=True)
    kept_rows = int(mask.any(dim=1).sum())
    num_sequences = len(lengths) if strategy == "fixed_length" else kept_rows
    options = {"strategy": strategy, "max_length": max_length, "world_size": world_size}
    options |= {"num_tokens": int(mask.sum()), "num_sequences": num_sequences}
    for share in torch.arange(len(lengths)).chunk(world_size):
        for part in share.split(rows):
            (loss_of(token_loss[part], mask[part], **options) / world_size).backward()
    return token_loss.grad


def simulated(loss_of: Callable[..., Tensor]) -> str:
    """Whether four processes with micro-batches of one row give the gradient of the whole batch, in a sentence."""
    for strategy in ("token_mean", "sequence_mean", "fixed_length"):
        whole = ddp_weights(process_loss, [2, 8, 3, 7], strategy=strategy, world_size=1, rows=4)
        parts = ddp_weights(loss_of, [2, 8, 3, 7], strategy=strategy, world_size=4, rows=1)
        if not torch.allclose(parts, whole, rtol=1e-5):
            return f" (But on four processes {strategy} has another gradient than in one piece.)"
    return " Four processes, simulated, give the gradient of the whole batch."
