"""What goes wrong at the first and at the last token that the mask of a completion keeps."""

import torch
from torch import Tensor

from reference.teaching.bug import bug

from .completion_mask import spans


@bug(
    "one past the EOS",
    mistake="the mask ends one token late: it keeps the token that stands after the EOS",
    symptom="the model is trained to write a pad, or the next turn, after its own EOS",
)
def completion_mask__one_past(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    inside, _, before = spans(tokens, completion_start, eos_token_id)
    late = torch.cat([torch.zeros_like(before[:, :1]), before[:, :-1]], dim=1)
    return (inside & (late == 0))[:, 1:]


@bug(
    "second EOS of the row",
    mistake="the EOS tokens are counted from the start of the row: it is right only if the prompt has exactly one",
    symptom="right on a template with one EOS before the answer, wrong from the second turn on",
)
def completion_mask__second_eos(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    ends = (tokens == eos_token_id).long()
    inside = torch.arange(tokens.shape[1]) >= completion_start[:, None]
    return (inside & (ends.cumsum(dim=1) - ends <= 1))[:, 1:]


def counted_to_one(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    ends = (tokens == eos_token_id).long()
    inside = torch.arange(tokens.shape[1]) >= completion_start[:, None]
    return (inside & (ends.cumsum(dim=1) <= 1))[:, 1:]


def none_before(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    ends = (tokens == eos_token_id).long()
    inside = torch.arange(tokens.shape[1]) >= completion_start[:, None]
    return (inside & (ends.cumsum(dim=1) - ends == 0))[:, 1:]


def none_so_far(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    inside = torch.arange(tokens.shape[1]) >= completion_start[:, None]
    return (inside & ((tokens == eos_token_id).cumsum(dim=1) == 0))[:, 1:]


@bug(
    "EOS of the prompt counted",
    mistake="the EOS tokens of the prompt are counted together with those of the completion",
    symptom="with a chat template the mask ends too early, and the EOS of the answer is not trained",
    likewise=(none_before, none_so_far),
)
def completion_mask__prompt_counted(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    return counted_to_one(tokens, completion_start, eos_token_id=eos_token_id)


@bug(
    "one start for all rows",
    mistake="the start of the first row is used for every row",
    symptom="right when all prompts have one length; else tokens of prompts are trained, or completions are cut",
)
def completion_mask__one_start(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    inside, _, before = spans(tokens, completion_start[:1].expand(len(tokens)), eos_token_id)
    return (inside & (before == 0))[:, 1:]


def not_zero(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    return (spans(tokens, completion_start, eos_token_id)[0] & (tokens != 0))[:, 1:]


@bug(
    "pads found by their id",
    mistake="the end of the completion is where a pad id stands, but which id that is differs from model to model",
    symptom="where pad and EOS share an id, or the id is another one, all of the padding is trained on",
)
def completion_mask__pad_id(tokens: Tensor, completion_start: Tensor, *, eos_token_id: int) -> Tensor:
    return not_zero(tokens, completion_start, eos_token_id=eos_token_id)
