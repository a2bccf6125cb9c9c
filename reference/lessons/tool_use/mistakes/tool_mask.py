"""What goes wrong when the tokens of a trajectory are marked: turns and their ends."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from reference.teaching.bug import bug


def parts(tokens: Tensor, attention: Tensor, header: int, eos: int) -> tuple[Tensor, Tensor, Tensor]:
    """Per token: written in a turn of the assistant (its EOS too), a header of the assistant, an EOS."""
    attended = attention.bool()
    opens, ends = attended & (tokens == header), attended & (tokens == eos)
    return pad(last(opens) > last(ends), (1, 0))[:, :-1] & attended, opens, ends


def last(found: Tensor) -> Tensor:
    """The last place up to each position where it is found, -1 before the first."""
    return torch.where(found, torch.arange(found.shape[1]), -1).cummax(dim=1).values


def to_come(found: Tensor) -> Tensor:
    """How many are found at each position and behind it."""
    return found.flip(1).cumsum(dim=1).flip(1)


@bug(
    "header counted",
    mistake="the header of the assistant's turn is kept, although the template writes it and the model never samples it",
    symptom="in RL one token of each turn has a ratio that no sampler gave; in SFT the model learns to open a turn behind "
    "a result by itself",
)
def tool_mask__header(tokens: Tensor, attention_mask: Tensor, *, assistant_token_id: int, eos_token_id: int) -> Tensor:
    written, opens, _ = parts(tokens, attention_mask, assistant_token_id, eos_token_id)
    return (written | opens)[:, 1:]


@bug(
    "EOS left out",
    mistake="no turn of the assistant keeps its EOS, so nothing teaches the model to end a turn",
    symptom="behind a call the model writes on: it makes up the result that it should wait for, and answers are cut off",
)
def tool_mask__no_eos(tokens: Tensor, attention_mask: Tensor, *, assistant_token_id: int, eos_token_id: int) -> Tensor:
    written, _, ends = parts(tokens, attention_mask, assistant_token_id, eos_token_id)
    return (written & ~ends)[:, 1:]


@bug(
    "EOS of the calls left out",
    mistake="only the last turn of the assistant keeps its EOS: the end of a turn that calls a tool is not trained",
    symptom="answers end as they should, and a call does not: the model goes on and writes a result of its own",
)
def tool_mask__last_eos(
    tokens: Tensor, attention_mask: Tensor, *, assistant_token_id: int, eos_token_id: int
) -> Tensor:
    written, opens, ends = parts(tokens, attention_mask, assistant_token_id, eos_token_id)
    return (written & ~(ends & (to_come(opens) > 0)))[:, 1:]


@bug(
    "every EOS kept",
    mistake="the EOS of every turn is kept, those of the user and of the tool too",
    symptom="a few tokens more per row than the model has sampled, each with a log-prob that no sampler gave",
)
def tool_mask__every_eos(
    tokens: Tensor, attention_mask: Tensor, *, assistant_token_id: int, eos_token_id: int
) -> Tensor:
    written, _, ends = parts(tokens, attention_mask, assistant_token_id, eos_token_id)
    return (written | ends)[:, 1:]


@bug(
    "mask not shifted",
    mistake="the mask is cut on the token axis, not moved to the prediction axis: it keeps each token's successor",
    symptom="the first token of each turn is never trained, and the header that comes behind a turn is",
)
def tool_mask__not_shifted(
    tokens: Tensor, attention_mask: Tensor, *, assistant_token_id: int, eos_token_id: int
) -> Tensor:
    return parts(tokens, attention_mask, assistant_token_id, eos_token_id)[0][:, :-1]


@bug(
    "mask shifted twice",
    mistake="the mask is moved one position too far: entry t must speak of tokens[:, t + 1], yours speaks of t + 2",
    symptom="each header of the assistant is trained, and no EOS is",
)
def tool_mask__shifted_twice(
    tokens: Tensor, attention_mask: Tensor, *, assistant_token_id: int, eos_token_id: int
) -> Tensor:
    return pad(parts(tokens, attention_mask, assistant_token_id, eos_token_id)[0][:, 2:], (0, 1))


@bug(
    "truncated turn lost",
    mistake="a turn without an EOS keeps nothing; it was cut off, but its tokens were sampled all the same",
    symptom="trajectories that ran out of budget in their last turn train their calls alone",
)
def tool_mask__truncated_lost(
    tokens: Tensor, attention_mask: Tensor, *, assistant_token_id: int, eos_token_id: int
) -> Tensor:
    written, _, ends = parts(tokens, attention_mask, assistant_token_id, eos_token_id)
    return (written & (to_come(ends) > 0))[:, 1:]


@bug(
    "attention ignored",
    mistake="the attention mask is not read: tokens that no model attends to open and fill turns",
    symptom="the model is trained on pads, and on whatever an older batch has left behind the row",
)
def tool_mask__attention_ignored(
    tokens: Tensor, attention_mask: Tensor, *, assistant_token_id: int, eos_token_id: int
) -> Tensor:
    return parts(tokens, torch.ones_like(attention_mask), assistant_token_id, eos_token_id)[0][:, 1:]
