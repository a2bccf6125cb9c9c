"""What goes wrong with positions under padding."""

import torch
from torch import Tensor

from reference.teaching.bug import bug


@bug(
    "left padding moves the row",
    mistake="positions count pads too, so a left-padded row begins somewhere in the middle",
    symptom="log-probs depend on who else is in the batch; on GPT-2 they were 34 nats off",
    wild="OpenRLHF #217, TRL #469, #6800",
)
def position_ids__arange(attention_mask: Tensor) -> Tensor:
    return torch.arange(attention_mask.shape[1]).expand(attention_mask.shape).clone()


@bug(
    "positions from 1",
    mistake="the first real token gets position 1: every position is one too high",
    symptom="a small but constant error in every log-prob of a model with learned positions",
)
def position_ids__from_one(attention_mask: Tensor) -> Tensor:
    return attention_mask.long().cumsum(1)


@bug(
    "negative positions",
    mistake="pads on the left get position -1, which no embedding table has",
    symptom="an index error on the CPU, a device-side assert on the GPU",
)
def position_ids__negative(attention_mask: Tensor) -> Tensor:
    return attention_mask.long().cumsum(1) - 1


@bug(
    "counted from the first real token",
    mistake="you subtract where the row begins: padding in the middle, as between two joined pieces, is counted",
    symptom="wrong positions as soon as prompt and completion are padded apart and then joined",
)
def position_ids__from_first(attention_mask: Tensor) -> Tensor:
    first = attention_mask.long().argmax(dim=1, keepdim=True)
    return (torch.arange(attention_mask.shape[1]) - first).clamp_min(0)


@bug(
    "all pads subtracted",
    mistake="you subtract the number of pads of the whole row, those on the right too: they move nobody",
    symptom="rows that are padded on the right get positions that are too low",
)
def position_ids__all_pads(attention_mask: Tensor) -> Tensor:
    pads = (1 - attention_mask.long()).sum(dim=1, keepdim=True)
    return (torch.arange(attention_mask.shape[1]) - pads).clamp_min(0)
