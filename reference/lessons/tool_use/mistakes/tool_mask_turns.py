"""What goes wrong when the tokens of a trajectory are marked: whose turns they are."""

import torch
from torch import Tensor

from reference.teaching.bug import bug

from .tool_mask import parts, to_come


def from_the_first(tokens: Tensor, attention_mask: Tensor, *, assistant_token_id: int, eos_token_id: int) -> Tensor:
    """The first header too."""
    _, opens, _ = parts(tokens, attention_mask, assistant_token_id, eos_token_id)
    return (attention_mask.bool() & (opens.cumsum(dim=1) > 0))[:, 1:]


@bug(
    "everything behind the first header",
    mistake="everything behind the first header of the assistant is kept: what the tool wrote too, and every later user",
    symptom="the model learns to write results itself, and in RL it is paid for words that it has not chosen",
    wild="TRL PR #4975: the Liger loss of GRPO left out the mask of the tool's tokens; prime-rl PR #978: SFT trained on "
    "everything behind the prompt; TRL's DPO has no option against it",
    likewise=(from_the_first,),
)
def tool_mask__behind_first(
    tokens: Tensor, attention_mask: Tensor, *, assistant_token_id: int, eos_token_id: int
) -> Tensor:
    _, opens, _ = parts(tokens, attention_mask, assistant_token_id, eos_token_id)
    return (attention_mask.bool() & (opens.cumsum(dim=1) - opens.long() > 0))[:, 1:]


@bug(
    "every token",
    mistake="every token that is attended to is kept, whoever wrote it",
    symptom="the loss is dominated by questions, headers and results, and the model learns to write them",
    wild="TRL's SFT, unless assistant_only_loss is set",
)
def tool_mask__attention(
    tokens: Tensor, attention_mask: Tensor, *, assistant_token_id: int, eos_token_id: int
) -> Tensor:
    return attention_mask.bool()[:, 1:]


@bug(
    "the last turn only",
    mistake="only the last turn of the assistant is kept: the answer is trained, and no call is",
    symptom="the answers get better, and the calls stay as they were",
    wild="ms-swift PR #7838: its rule for turns whose mask was not set",
)
def tool_mask__last_turn(
    tokens: Tensor, attention_mask: Tensor, *, assistant_token_id: int, eos_token_id: int
) -> Tensor:
    written, opens, _ = parts(tokens, attention_mask, assistant_token_id, eos_token_id)
    return (written & (to_come(opens) == 0))[:, 1:]


@bug(
    "the first turn only",
    mistake="only the first turn of the assistant is kept: the mask ends at its EOS, and nothing opens it again",
    symptom="calls are learned, and the turn that has to use the result is not",
)
def tool_mask__first_turn(
    tokens: Tensor, attention_mask: Tensor, *, assistant_token_id: int, eos_token_id: int
) -> Tensor:
    written, opens, _ = parts(tokens, attention_mask, assistant_token_id, eos_token_id)
    return (written & (opens.cumsum(dim=1) == 1))[:, 1:]


@bug(
    "turns taken in order",
    mistake="every second turn is taken for the assistant's, so the tool and the user are believed to speak once at a time",
    symptom="right on chats with one call per turn; where a turn makes two calls, the second result is trained on and the "
    "answer is not",
)
def tool_mask__every_second(
    tokens: Tensor, attention_mask: Tensor, *, assistant_token_id: int, eos_token_id: int
) -> Tensor:
    attended = attention_mask.bool()
    ends = attended & (tokens == eos_token_id)
    turn = ends.cumsum(dim=1) - ends.long()
    header = attended & (torch.cat([turn[:, :1] - 1, turn[:, :-1]], dim=1) != turn)
    return (attended & (turn % 2 == 1) & ~header)[:, 1:]


@bug(
    "opened and ended by counting",
    mistake="a turn is open where more headers of the assistant than EOS have been seen; but every turn ends with an EOS, "
    "those of others too, so the count falls behind",
    symptom="nothing is kept as soon as a user or a tool has spoken, and the loss is 0 or NaN from the first step",
)
def tool_mask__counted(tokens: Tensor, attention_mask: Tensor, *, assistant_token_id: int, eos_token_id: int) -> Tensor:
    _, opens, ends = parts(tokens, attention_mask, assistant_token_id, eos_token_id)
    return (attention_mask.bool()[:, 1:]) & (opens.cumsum(dim=1) > ends.cumsum(dim=1))[:, :-1]
