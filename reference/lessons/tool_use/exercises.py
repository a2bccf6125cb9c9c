"""The exercises tool_mask, parse_call, keep_call, trajectory_reward."""

import json
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from reference.objectives import keep_call, tool_mask, trajectory_reward
from reference.teaching.exercise import Case, Exercise, numbers
from reference.world.tool_calls import parse_call

from .rows import batch
from .texts import CALLS, NO_CALLS

# Rows as their turns: how many tokens stand between header and EOS. "cut" is an assistant's turn without an EOS.
LAYOUTS: tuple[list[list[tuple[str, int]]], ...] = (
    [[("user", 1), ("assistant", 2)]],
    [[("user", 1), ("assistant", 1), ("tool", 1), ("assistant", 1)]],
    [[("user", 1), ("assistant", 2)], [("user", 5)]],
    # two calls in one turn, so that two turns of the tool stand side by side
    [[("user", 1), ("assistant", 2), ("tool", 1), ("tool", 1), ("assistant", 1)]],
    # a chat that goes on: the user speaks again
    [[("user", 1), ("assistant", 1), ("user", 1), ("assistant", 1), ("tool", 1), ("assistant", 1)]],
)
CUT_OFF = [[("user", 1), ("assistant", 2), ("tool", 1), ("cut", 2)]]


def tool_mask_cases(seed: int) -> list[Case]:
    """From one turn to trajectories with several calls; pads on both sides, with the EOS as their id and without.

    Behind some rows stand tokens that the attention mask leaves out, of a trajectory that was there before.
    """
    g = torch.Generator().manual_seed(seed)
    cases = []
    for layout, (header, eos), pads in zip(
        [*LAYOUTS, CUT_OFF], ((3, 2), (3, 2), (5, 9), (4, 2), (3, 7), (3, 2)), (0, 0, 1, "eos", "stale", 1), strict=True
    ):
        tokens, attention = batch(layout, g, header=header, eos=eos, pads=pads)
        options = {"assistant_token_id": header, "eos_token_id": eos}
        cases.append(Case({"tokens": tokens, "attention_mask": attention}, options, edge=layout is CUT_OFF))
    return cases


def parse_call_cases(seed: int) -> list[Case]:
    """Calls, and texts that are none: of each from simple to strange, with other numbers for each seed.

    The edge case has words that JSON and Python write differently.
    """
    first, second = torch.randint(11, 99, (2,), generator=torch.Generator().manual_seed(seed)).tolist()
    return [
        Case({"text": text.replace("A*B", f"{first}*{second}")}, {}, edge="true" in text, through=what_happens)
        for text in (*CALLS, *NO_CALLS)
    ]


def what_happens(function: Callable[[str], Any], text: str) -> str:
    """What a reader of calls does with a text, in words that can be compared: what it returns, or that it refuses.

    Every ValueError is a refusal. Another error is no refusal of a text without a call, and with a call it is an error like
    any other, whose line the learner wants to see.
    """
    try:
        result = function(text)
    except ValueError:
        return "raises ValueError"
    except NotImplementedError:
        raise
    except Exception as error:
        if text_is_call(text):
            raise
        return f"raises {type(error).__name__}"
    if not (isinstance(result, (tuple, list)) and len(result) == 2):
        return f"returns {result!r}"
    name, arguments = result
    return f"returns {name!r}, {as_json(arguments)}"


def as_json(arguments: Any) -> str:
    """With sorted keys, since their order says nothing; Python's own text for what is no JSON."""
    try:
        return json.dumps(arguments, sort_keys=True)
    except (TypeError, ValueError):
        return repr(arguments)


def text_is_call(text: str) -> bool:
    try:
        parse_call(text)
    except ValueError:
        return False
    return True


def keep_call_cases(seed: int) -> list[Case]:
    """Losses in eighths, so that a gain can be the threshold exactly. A row has two gains: over the call alone, over no call."""
    g = torch.Generator().manual_seed(seed)
    over, under = (2.0, 2.5), (0.25, 0.5)  # gains, as multiples of the threshold
    cases = []
    for threshold, gains in (
        (0.5, [over]),
        (0.5, [over, under]),
        (1.0, [(3.0, 0.5), (0.25, 2.0), (2.0, 1.5)]),
        (0.5, [(1.0, 2.0), (3.0, 1.0), (1.0, 1.0), (0.5, 1.0)]),
        (1.0, [(-1.0, -2.0), (2.5, 0.5), (0.5, 2.5), (1.25, 4.0), (4.0, 1.25), (-0.5, 3.0)]),
        (2.0, [(0.5, 0.5), (0.75, 1.5), (1.5, 1.75), (1.5, 0.5), (0.75, 0.75), (2.0, 0.0)]),
    ):
        cases.append(Case(losses(g, threshold, gains), {"threshold": threshold}))
    return cases


def losses(g: torch.Generator, threshold: float, gains: list[tuple[float, float]]) -> dict[str, Tensor]:
    """Three losses of each row, with these gains of the result in thresholds."""
    least = max(0.0, *(-gain for row in gains for gain in row)) * threshold  # no loss is negative
    with_result = least + torch.randint(2, 9, (len(gains),), generator=g) / 8
    alone, no_call = (with_result + threshold * torch.tensor(column) for column in zip(*gains, strict=True))
    return {"loss_with_result": with_result, "loss_without_result": alone, "loss_without_call": no_call}


COUNTS = (  # calls and invalid calls of each trajectory
    ([2], [1]),
    ([0, 3], [0, 1]),
    ([1, 2, 3], [1, 0, 2]),
    ([0, 1, 2, 4], [0, 1, 1, 0]),
    ([5, 3, 2, 1, 0, 4], [2, 3, 0, 0, 0, 1]),
)


def trajectory_reward_cases(seed: int) -> list[Case]:
    """Successes and failures, with each price alone and with all."""
    g = torch.Generator().manual_seed(seed)
    prices = ((0.1, 0.0, 0.0), (0.0, 0.25, 0.0), (0.0, 0.0, 0.2), (0.05, 0.3, 0.1), (0.15, 0.4, 0.02))
    cases = []
    for (calls, invalid), three in zip(COUNTS, prices, strict=True):
        success = numbers(g, len(calls)).abs() if len(calls) == 6 else torch.arange(len(calls)).double() % 2
        arguments = {"success": success, "num_calls": torch.tensor(calls), "num_invalid": torch.tensor(invalid)}
        options = dict(zip(("call_price", "invalid_price", "valid_bonus"), three, strict=True))
        cases.append(Case(arguments, options))
    return cases


EXERCISES = {
    "tool_mask": Exercise(
        tool_mask,
        tool_mask_cases,
        (
            "Four authors write a trajectory: the user, the template, the tool, and the model. Which tokens has the model "
            "sampled? Does it sample the header of its turn? Does it sample the EOS that ends a call?",
            "A token is the model's if the nearest header or EOS before it is a header of the assistant. So remember for "
            "each position where the last header was, and where the last EOS was. Then move to the prediction axis.",
            "torch.where(attended & (tokens == assistant_token_id), place, -1).cummax(dim=1).values is the place of the last "
            "header, with place = torch.arange(T). Compare it with that of the last EOS at position t, for token t + 1.",
        ),
        """
def tool_mask(tokens, attention_mask, *, assistant_token_id, eos_token_id):
    attended, place = attention_mask.bool(), torch.arange(tokens.shape[1])
    header = torch.where(attended & (tokens == assistant_token_id), place, -1).cummax(dim=1).values
    end = torch.where(attended & (tokens == eos_token_id), place, -1).cummax(dim=1).values
    return (header > end)[:, :-1] & attended[:, 1:]
""",
    ),
    "parse_call": Exercise(
        parse_call,
        parse_call_cases,
        (
            "What does json.loads accept that is no call? List what can be wrong: the whole, its keys, the types of its two "
            "values, a key that stands there twice, a word that is no JSON.",
            "First read the whole text as JSON, then compare the set of its keys with the two that are allowed, then look at "
            "the types. json.JSONDecodeError is a ValueError already. For everything else, raise one yourself.",
            "json.loads takes object_pairs_hook, a function of the list of (key, value) of each object: raise there if a "
            "key is repeated. And it takes parse_constant, which is called for NaN and Infinity: raise there as well.",
        ),
        """
import json

def parse_call(text):
    def once(pairs):
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a key stands there twice")
        return dict(pairs)

    def no_json(word):
        raise ValueError(f"{word} is no JSON")

    call = json.loads(text, object_pairs_hook=once, parse_constant=no_json)
    if not isinstance(call, dict) or call.keys() != {"name", "arguments"}:
        raise ValueError("a call has a name and arguments, and nothing else")
    if not isinstance(call["name"], str) or not isinstance(call["arguments"], dict):
        raise ValueError("the name is a string, and the arguments are an object")
    return call["name"], call["arguments"]
""",
        in_words=lambda case, value: value,
    ),
    "keep_call": Exercise(
        keep_call,
        keep_call_cases,
        (
            "A call is useful if its result makes the text behind it easier to predict. Easier than what? There are two "
            "texts to compare with, and the call has to be better than both.",
            "The smaller one of the two losses without a result, minus the loss with the result, is the gain in nats. It is "
            "compared with the threshold. A gain of exactly the threshold is enough.",
            "torch.minimum(loss_without_call, loss_without_result) is taken row by row.",
        ),
        """
def keep_call(loss_with_result, loss_without_result, loss_without_call, *, threshold):
    gain = torch.minimum(loss_without_call, loss_without_result) - loss_with_result
    return gain >= threshold
""",
    ),
    "trajectory_reward": Exercise(
        trajectory_reward,
        trajectory_reward_cases,
        (
            "Three numbers of a trajectory are known: its success, all of its calls, and those that gave no result. Which "
            "of the three does each price or bonus belong to?",
            "An invalid call pays both prices, that of a call and that of an invalid one. How many calls get the bonus?",
            "valid = num_calls - num_invalid; then one number per row: the success, two products taken off, one added.",
        ),
        """
def trajectory_reward(success, num_calls, num_invalid, *, call_price, invalid_price, valid_bonus):
    valid = num_calls - num_invalid
    return success - call_price * num_calls - invalid_price * num_invalid + valid_bonus * valid
""",
    ),
}
