"""What AReaL trains on pairs: DPO, IPO and reward models. Chosen and rejected are packed in turn."""

import torch
from torch import Tensor

from ..cases import BETA, PAIRED, Case
from ..records import Row
from .stand_ins import compute_dpo_loss, compute_rw_loss


def packed(x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """A row per sequence on the prediction axis as AReaL has it: the mask is over tokens, and x has one position more."""
    nothing = x.new_zeros(len(x), 1)
    return torch.cat([x, nothing], dim=1).flatten(), torch.cat([nothing.bool(), mask], dim=1).flatten()


def dpo_loss(logprobs: Tensor, ref: Tensor, mask: Tensor, loss_type: str) -> Tensor:
    (logprobs, token_mask), (ref, _) = packed(logprobs, mask), packed(ref, mask)
    starts = torch.arange(len(mask) + 1) * (mask.shape[1] + 1)
    batch = {"cu_seqlens": starts, "loss_mask": token_mask, "ref_logprobs": ref}
    return compute_dpo_loss(logprobs, None, batch, beta=BETA, loss_type=loss_type)


def dpo_row(loss_type: str) -> Row:
    """Sequences of several tokens: one row is chosen, the next one rejected."""
    return Row("logprobs", lambda x, c: dpo_loss(x, c.ref, c.mask, loss_type), PAIRED)


def dpo_of_pairs(pairs: Tensor, case: Case) -> Tensor:
    """Sequences of one token."""
    in_turn = [sides.T.flatten()[:, None] for sides in (pairs[:2], pairs[2:])]
    return dpo_loss(*in_turn, torch.ones_like(in_turn[0], dtype=torch.bool), "sigmoid")


def reward_model_loss(pairs: Tensor, case: Case) -> Tensor:
    scores = pairs[:2].T.flatten()
    return compute_rw_loss(scores, {"cu_seqlens": torch.arange(len(scores) + 1)})


PAIRS = {
    "compute_dpo_loss": Row("pairs", dpo_of_pairs),
    "compute_dpo_loss of sequences": dpo_row("sigmoid"),
    "compute_dpo_loss of sequences, ipo": dpo_row("ipo"),
    "compute_rw_loss": Row("pairs", reward_model_loss),
}
