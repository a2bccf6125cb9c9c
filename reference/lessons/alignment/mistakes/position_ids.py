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


@bug(
    "counted over the batch",
    mistake="the count runs down the rows of the batch, not along one row",
    symptom="a text has other positions in another batch, and the same token is scored differently",
    likewise=(lambda mask: mask.cumsum(dim=0), lambda mask: mask.cumsum(dim=0) - 1),
)
def position_ids__over_the_batch(attention_mask: Tensor) -> Tensor:
    return (attention_mask.cumsum(dim=0) - 1).clamp_min(0)


@bug(
    "one count for all rows",
    mistake="the count goes on from one row to the next: only the first row starts at 0",
    symptom="the later rows of a batch get positions that the model has never seen",
    likewise=(lambda mask: mask.flatten().cumsum(dim=0).view(mask.shape),),
)
def position_ids__one_count(attention_mask: Tensor) -> Tensor:
    return (attention_mask.flatten().cumsum(dim=0).view(attention_mask.shape) - 1).clamp_min(0)


@bug(
    "counted from the right",
    mistake="the real tokens are counted from the end of the row",
    symptom="the model reads every text backwards, and the loss is that of noise",
    likewise=(lambda mask: mask.flip(1).cumsum(dim=1).flip(1),),
)
def position_ids__from_the_right(attention_mask: Tensor) -> Tensor:
    return (attention_mask.flip(1).cumsum(dim=1).flip(1) - 1).clamp_min(0)


@bug(
    "no position for pads",
    mistake="pads get a number that is no position of the row",
    symptom="the embedding table is read out of its range: an index error, on a GPU an assertion far away",
    likewise=(lambda mask: (mask.cumsum(dim=1) - 1).masked_fill(mask == 0, mask.shape[1]),),
)
def position_ids__no_position(attention_mask: Tensor) -> Tensor:
    return (attention_mask.cumsum(dim=1) - 1).masked_fill(attention_mask == 0, -100)


@bug(
    "the mask itself",
    mistake="the mask is returned as it came: every real token gets position 1",
    symptom="the model cannot tell the order of the words, and its loss hardly falls",
)
def position_ids__mask(attention_mask: Tensor) -> Tensor:
    return attention_mask.long()


@bug(
    "positions as floats",
    mistake="the numbers are right, but they are floats, and a position is an index",
    symptom="the embedding refuses them with a type error",
)
def position_ids__floats(attention_mask: Tensor) -> Tensor:
    return (attention_mask.float().cumsum(dim=1) - 1).clamp_min(0)
