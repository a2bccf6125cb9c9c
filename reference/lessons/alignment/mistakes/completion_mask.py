"""What goes wrong when the tokens of a completion are marked."""

import torch
from torch import Tensor

from reference.teaching.bug import bug


def spans(tokens: Tensor, completion_start: Tensor, eos_token_id: int) -> tuple[Tensor, Tensor, Tensor]:
    """Per token: inside the completion, an EOS inside it, and the number of EOS inside it strictly before."""
    inside = torch.arange(tokens.shape[1]) >= completion_start[:, None]
    ends = inside & (tokens == eos_token_id)
    return inside, ends, ends.cumsum(1) - ends.long()


@bug(
    "prompt not masked",
    mistake="the prompt is kept: the model is trained to write the user's words too",
    symptom="the loss is dominated by prompt tokens, and RL pushes on tokens nobody sampled",
    wild="TRL's ORPO takes its NLL over prompt and response",
)
def completion_mask__prompt_kept(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    inside, _, before = spans(tokens, completion_start, eos_token_id)
    return (~inside | (before == 0))[:, 1:]


@bug(
    "mask not shifted",
    mistake="the mask is cut on the token axis, not moved to the prediction axis: it keeps each token's successor",
    symptom="the first completion token is never trained, and one pad after the EOS is",
    wild="verl PR #3287, in SFT on chats; torchtitan PR #2755",
)
def completion_mask__not_shifted(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    inside, _, before = spans(tokens, completion_start, eos_token_id)
    return (inside & (before == 0))[:, :-1]


@bug(
    "mask shifted twice",
    mistake="the mask is moved one position too far: entry t must speak of tokens[:, t + 1], yours speaks of t + 2",
    symptom="the last prompt token is trained on, the EOS is not",
    wild="verl #3562, PR #5362: the trainer shifted what the dataset had shifted already",
)
def completion_mask__shifted_twice(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    inside, _, before = spans(tokens, completion_start, eos_token_id)
    return torch.nn.functional.pad((inside & (before == 0))[:, 2:], (0, 1))


@bug(
    "EOS not supervised",
    mistake="the mask stops before the EOS, so nothing ever teaches the model to stop",
    symptom="completions grow until the budget cuts them off",
    wild="nanochat #810, reasoning-from-scratch PR #185",
)
def completion_mask__no_eos(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    inside, ends, before = spans(tokens, completion_start, eos_token_id)
    return (inside & (before == 0) & ~ends)[:, 1:]


@bug(
    "mask by value",
    mistake="tokens are left out because of their id; where pad and EOS share one, the real EOS goes with the pads",
    symptom="the model never learns to stop; only where pad == EOS, so it passes on other tokenizers",
    wild="TRL #976, PR #4970, PR #6357; open-r1 PR #494",
)
def completion_mask__by_value(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    inside, _, _ = spans(tokens, completion_start, eos_token_id)
    return (inside & (tokens != eos_token_id))[:, 1:]


@bug(
    "all that is not an EOS",
    mistake="the mask asks for the id alone, not for the place: it keeps the prompt and loses the EOS",
    symptom="the model is trained to write the user's words, and never to stop",
)
def completion_mask__not_eos(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    return (tokens != eos_token_id)[:, 1:]


@bug(
    "padding kept",
    mistake="everything after the prompt is kept, padding after the EOS too",
    symptom="the model is trained to write pads, more so in wide batches",
)
def completion_mask__padding_kept(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    inside, _, _ = spans(tokens, completion_start, eos_token_id)
    return inside[:, 1:]


@bug(
    "EOS of the prompt",
    mistake="the first EOS of the whole row ends the mask; a chat prompt has EOS tokens of its own",
    symptom="every mask is empty, the loss is 0 or NaN from the first step",
)
def completion_mask__prompt_eos(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    inside, _, _ = spans(tokens, completion_start, eos_token_id)
    ends = tokens == eos_token_id
    return (inside & (ends.cumsum(1) - ends.long() == 0))[:, 1:]


@bug(
    "last EOS instead of the first",
    mistake="the mask runs to the last EOS of the row; where pad is EOS, that is the end of the padding",
    symptom="padding is trained on wherever pad == EOS",
)
def completion_mask__last_eos(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    inside, ends, _ = spans(tokens, completion_start, eos_token_id)
    to_come = ends.flip(1).cumsum(1).flip(1)  # EOS tokens at or after each position
    return (inside & ((to_come > 0) | ~ends.any(1, keepdim=True)))[:, 1:]


@bug(
    "truncated rows lost",
    mistake="a completion without an EOS keeps nothing; it was cut off, but its tokens were sampled all the same",
    symptom="truncated completions never train, nobody asked for that, and the loss may divide by zero",
)
def completion_mask__truncated_lost(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    inside, ends, before = spans(tokens, completion_start, eos_token_id)
    return (inside & (before == 0) & ends.any(1, keepdim=True))[:, 1:]


@bug(
    "not shifted, and padding kept",
    mistake="index t is compared with completion_start as if it spoke of token t, and nothing ends the mask after the EOS",
    symptom="the first completion token is never trained, and pads are",
)
def completion_mask__raw_arange(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    return torch.arange(tokens.shape[1] - 1) >= completion_start[:, None]


@bug(
    "one token of a truncated row",
    mistake="a completion without an EOS keeps its first token only: argmax over a row without a hit says 0",
    symptom="truncated completions hardly train, and nobody asked for that",
)
def completion_mask__argmax(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    inside, ends, before = spans(tokens, completion_start, eos_token_id)
    first = torch.arange(tokens.shape[1]) == completion_start[:, None]
    return (inside & (before == 0) & (ends.any(1, keepdim=True) | first))[:, 1:]


def searched_late(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    inside, _, before = spans(tokens, completion_start + 1, eos_token_id)
    return (inside & (before == 0))[:, 1:]


@bug(
    "first token lost",
    mistake="the mask begins one token late: completion_start itself is a completion token",
    symptom="how to begin is never trained",
    likewise=(searched_late,),
)
def completion_mask__late_start(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    inside, _, before = spans(tokens, completion_start, eos_token_id)
    late = torch.arange(tokens.shape[1]) > completion_start[:, None]
    return (inside & late & (before == 0))[:, 1:]


@bug(
    "last prompt token kept",
    mistake="the mask begins one token early: the last token of the prompt is trained on",
    symptom="the model learns to write the header that opens its own turn",
)
def completion_mask__early_start(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    _, _, before = spans(tokens, completion_start, eos_token_id)
    early = torch.arange(tokens.shape[1]) >= completion_start[:, None] - 1
    return (early & (before == 0))[:, 1:]


@bug(
    "ends before it begins",
    mistake="you look for the EOS from the last token of the prompt on; in a chat that token is an EOS itself",
    symptom="every mask keeps one token or none, the loss is 0 or NaN from the first step",
)
def completion_mask__early_search(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    inside, _, before = spans(tokens, completion_start - 1, eos_token_id)
    return (inside & (before == 0))[:, 1:]


@bug(
    "row of T entries",
    mistake="the mask has an entry for each of the T tokens; the prediction axis has T - 1",
    symptom="shapes clash later, or a slice added to silence the error keeps the wrong end",
)
def completion_mask__all_tokens(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    inside, _, before = spans(tokens, completion_start, eos_token_id)
    return inside & (before == 0)
