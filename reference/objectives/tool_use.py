"""Tool use: which tokens of a trajectory train, what a trajectory earns, and which self-labelled call is kept.

A trajectory is one row of tokens in which turns of the assistant and of a tool take turns. What the tool wrote is
visible to the model, but it is no action of the model: it stays out of the loss, of the KL and of every token count.
``tool_mask`` says which predictions are the model's own. Every normaliser of ``masking`` takes it as its mask, and so
do ``returns`` and ``advantages``.
"""

import torch

from .masking import masked_sums
from .shapes import (
    Bool,
    Float,
    InputError,
    Int,
    Shaped,
    Tensor,
    at_least_float32,
    kept,
    require_at_least,
    require_finite,
    typed,
)

HORIZON = 5  # tokens behind a call that Toolformer looks at: 1 - 0.2 * t is 0 at t = 5
Row = Float[Tensor, " batch"]
Count = Int[Tensor, " batch"]


@typed
def tool_mask(
    tokens: Int[Tensor, "batch time"],
    attention_mask: Shaped[Tensor, "batch time"],
    *,
    assistant_token_id: int,
    eos_token_id: int,
) -> Bool[Tensor, "batch time-1"]:
    """Which predictions are of tokens that the assistant writes, in all its turns, the EOS of each turn included.

        mask[b, t] = attended[b, t + 1] and the last header or EOS among tokens[b, :t + 1] is a header

    ``assistant_token_id``: the one token that opens a turn of the assistant. Headers, user turns, tool turns and padding
    are False. A last turn without EOS, which was cut off, counts to its end. Inside a turn of the assistant everything
    counts up to its EOS, also a forged header of another role: the model wrote it. A header is found by its id, so one
    inside the text of a user or a tool opens a turn too: tokenise such text with ``split_special_tokens=True``. Turns of
    the assistant inside a prompt count as well; ``completion_mask`` leaves a prompt out.

    The same as a chat template's assistant mask (``return_assistant_tokens_mask`` of transformers) behind
    ``prediction_mask``. TRL, verl and OpenRLHF note it while they sample. In TRL's GRPO ``tool_mask`` is 0 on a tool's
    tokens, and losses take completion_mask * tool_mask; verl calls it ``response_mask``, OpenRLHF ``action_mask``.
    Raises ``InputError`` for a header that is the EOS, and for an attention mask that is not of 0 and 1.

    The header is 3 and the EOS 2. The assistant writes 7 2 and 8 2; between them stands a tool's turn, 4 9 2:
    >>> tokens = torch.tensor([[3, 7, 2, 4, 9, 2, 3, 8, 2]])
    >>> tool_mask(tokens, torch.ones_like(tokens), assistant_token_id=3, eos_token_id=2).int().tolist()
    [[1, 1, 0, 0, 0, 0, 1, 1]]
    """
    if assistant_token_id == eos_token_id:
        raise InputError(
            f"assistant_token_id and eos_token_id are both {eos_token_id}: pass the token that opens an assistant's "
            "turn, and the one that closes it"
        )
    attended, ids = kept(attention_mask, "attention_mask"), tokens.long()
    header = last_place(attended & (ids == assistant_token_id))
    end = last_place(attended & (ids == eos_token_id))
    return (header > end)[:, :-1] & attended[:, 1:]


@typed
@torch.no_grad()
def trajectory_reward(
    success: Row,
    num_calls: Count,
    num_invalid: Count,
    *,
    call_price: float = 0.0,
    invalid_price: float = 0.0,
    valid_bonus: float = 0.0,
) -> Row:
    """What a trajectory with tool calls earns: its success, minus a price per call, plus a bonus per valid call.

        success - call_price * calls - invalid_price * invalid + valid_bonus * (calls - invalid)

    ``num_calls``: all calls of the trajectory, the ``num_invalid`` ones included, which the tool refused. By default
    the success alone. A constant. Each term can be raised in a way that was not meant:

      success         a guess that happens to be right, or a gap in the verifier
      call_price      no call at all: where a call raises the chance of success by less than its price, guessing pays
      invalid_price   no call at all, or calls that cannot fail and help nobody
      valid_bonus     calls for their own sake: above call_price every further valid call pays, needed or not

    Divided by a group's std (``group_advantages``), a small price becomes a full advantage in a group whose trajectories
    all succeed. The sum is ours, of terms that are in use. OTC (2504.14870) has a factor that falls with the calls in the
    place of a price. TRL counts calls and failures as metrics only, and adds up the user's reward functions. Raises
    ``InputError`` for NaN or infinity, negative counts and prices, and more invalid calls than calls.

    Both succeed. The second calls once more than the first, in vain, and pays for it twice:
    >>> counts = torch.tensor([1, 2]), torch.tensor([0, 1])
    >>> trajectory_reward(torch.ones(2), *counts, call_price=0.125, invalid_price=0.25).tolist()
    [0.875, 0.5]
    """
    require_finite(success, "success")
    prices = {"call_price": call_price, "invalid_price": invalid_price, "valid_bonus": valid_bonus}
    for name, price in prices.items():
        require_at_least(price, name, 0)
    require_counts(num_calls, num_invalid)
    calls, invalid = (count.to(at_least_float32(success).dtype) for count in (num_calls, num_invalid))
    return success - call_price * calls - invalid_price * invalid + valid_bonus * (calls - invalid)


@typed
def future_loss(token_logprobs: Float[Tensor, "batch pred"], mask: Shaped[Tensor, "batch pred"]) -> Row:
    """Toolformer's weighted loss of the text behind a position, in nats: the five next tokens, the nearest most.

        - sum_t w_t * m_t * logp_t          w_t = max(0, 1 - 0.2 * t) / 3:  1/3, 4/15, 3/15, 2/15, 1/15, then 0

    Index 0 is the first token behind the position where the call stands or could stand. ``token_logprobs``: log-probs of
    the same text given a prefix, which is the call with its result, the call alone, or nothing; ``keep_call`` compares
    the three. Lower is better: the prefix helps to predict the text. A masked (missing) token adds nothing, and the
    weights of the others are not normalised again: near the end of a text every loss is smaller, and so is what a call
    can gain. Differentiable, although Toolformer only filters with it. Toolformer (2302.04761, sec. 2, with the weights
    of its experiments). No framework has it. Raises ``InputError`` for a kept NaN among the five.

    Five tokens of probability 1/8 cost ln 8 = 2.08 nats, the weights being 1 together. Of the first alone it is a third:
    >>> logprobs = torch.full((2, 6), 0.125).log()
    >>> future_loss(logprobs, torch.tensor([[1, 1, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0]])).round(decimals=2)
    tensor([2.0800, 0.6900])
    """
    near, near_mask = at_least_float32(token_logprobs[:, :HORIZON]), kept(mask)[:, :HORIZON]
    step = torch.arange(near.shape[1], device=near.device, dtype=near.dtype)
    weight = (HORIZON - step) / sum(range(HORIZON + 1))  # 5/15, 4/15, 3/15, 2/15, 1/15
    return masked_sums(-weight * near, near_mask, "token_logprobs")[0]


@typed
def keep_call(
    loss_with_result: Row, loss_without_result: Row, loss_without_call: Row, *, threshold: float
) -> Bool[Tensor, " batch"]:
    """Which self-labelled calls are kept: those whose result makes the text behind them easier to predict.

        min(loss_without_call, loss_without_result) - loss_with_result >= threshold

    Three losses of the same text (``future_loss``), in nats: behind the call and its result, behind the call alone, and
    without a call. The minimum is why the result itself has to help: where the arguments alone give the answer away, the
    loss without a result is small already. ``threshold``: the gain in nats that is asked for. Toolformer (2302.04761,
    sec. 2: L- - L+ >= tau_f) takes 1.0, and 0.5 for its calculator and its translation. No framework has it. Raises
    ``InputError`` for NaN or infinity, a negative loss (a log-prob has that sign), and a negative threshold.

    The first result gains 1.5 nats. The second gains 1.5 over no call, and nothing over the call without its result:
    >>> with_result, alone, without_call = torch.tensor([[0.5, 0.5], [2.5, 0.5], [2.0, 2.0]])
    >>> keep_call(with_result, alone, without_call, threshold=1.0).tolist()
    [True, False]
    """
    require_at_least(threshold, "threshold", 0)
    losses = {
        "loss_with_result": loss_with_result,
        "loss_without_result": loss_without_result,
        "loss_without_call": loss_without_call,
    }
    for name, loss in losses.items():
        require_finite(loss, name)
        if (loss < 0).any():
            raise InputError(
                f"{name} is {loss.min():g}, expected at least 0: pass the result of future_loss, not log-probs"
            )
    with_result, without_result, without_call = map(at_least_float32, losses.values())
    return torch.minimum(without_call, without_result) - with_result >= threshold


def last_place(found: Tensor) -> Tensor:
    """At each position the last place up to it, itself included, where ``found`` is True; -1 before the first."""
    place = torch.arange(found.shape[1], device=found.device)
    return torch.where(found, place, -1).cummax(dim=1).values


def require_counts(num_calls: Tensor, num_invalid: Tensor) -> None:
    """Refuse negative counts, and more invalid calls than calls."""
    for name, count in (("num_calls", num_calls), ("num_invalid", num_invalid)):
        if (count < 0).any():
            raise InputError(f"{name} holds {count.min()}, expected counts of at least 0")
    more = num_invalid > num_calls
    if more.any():
        raise InputError(
            f"num_invalid is {num_invalid[more][0]} and num_calls {num_calls[more][0]} in row {more.nonzero()[0, 0]}: "
            "num_calls counts all calls, the invalid ones included"
        )
