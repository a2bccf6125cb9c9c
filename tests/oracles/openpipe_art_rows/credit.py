"""How ART makes advantages and weights of rewards, and what its packing does to them."""

from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from ..cases import GROUP, ORDINARY, PAIRED, PROMPT, Case
from ..records import Row
from .losses import art_loss, inputs_of, on_tokens
from .stand_ins import pack, tokenize

WIDTH = 10  # of a row in the packed batch: longer than any row of the cases


def tokenized(rewards: Tensor, masks: Tensor, group_size: int, **options: bool) -> list[Any]:
    """Its tokenizer's results for trajectories with these rewards. No chat is needed: ``masks`` says what a model wrote.

    The first token is the number of the row, so that no prompt is shared and the rows can be put in order again.
    """

    def result_of(*args: Any, **_: Any) -> tokenize.TokenizedResult:
        row, advantage = args[5].row, args[3]
        mask = masks[row].long().tolist()
        count = len(mask)
        return tokenize.TokenizedResult(
            advantage=advantage,
            chat="",
            token_ids=[100 * row + position for position in range(count)],
            input_pos=list(range(count)),
            assistant_mask=mask,
            logprobs=[0.0] * count,
            pixel_values=None,
            image_grid_thw=None,
            trajectory=args[5],
            choice_offsets=[],
            extra_logprobs={},
            _tokenizer=None,
        )

    trajectories = [
        SimpleNamespace(row=row, reward=reward, messages_and_choices=[], tools=None, additional_histories=[])
        for row, reward in enumerate(rewards.tolist())
    ]
    groups = [trajectories[i : i + group_size] for i in range(0, len(trajectories), group_size)]
    given = {"allow_training_without_logprobs": False, "scale_rewards": True, "shuffle_group_trajectories": False}
    with patch.object(tokenize, "tokenize_trajectory", result_of):
        return list(tokenize.tokenize_trajectory_groups(None, groups, **given | options))


def packed(results: list[Any], **options: float) -> dict[str, Tensor]:
    """Each trajectory in a row of its own, in the order of the rows: its packing shuffles them."""
    tensors = pack.packed_tensors_from_tokenized_results(results, WIDTH, pack_results=False, **options)
    order = tensors["tokens"][:, 0].argsort()
    return {name: x[order] for name, x in tensors.items() if isinstance(x, Tensor)}


def advantages_row(
    *, group_size: int = GROUP, cases: tuple = ORDINARY, constant: float | None = None, **o: bool
) -> Row:
    def function(rewards: Tensor, case: Case) -> Tensor:
        if constant is not None:
            rewards = torch.full_like(rewards, constant)
        one_token = torch.ones(len(rewards), 1)
        results = tokenized(rewards.detach(), one_token, group_size, drop_zero_advantage_trajectories=False, **o)
        return torch.tensor([result.advantage for result in results], dtype=torch.float64)

    return Row("rewards", function, cases)


def number_of_trajectories(rewards: Tensor, case: Case) -> Tensor:
    """The second of three groups has equal rewards."""
    return torch.tensor(len(tokenized(rewards.detach(), torch.ones(len(rewards), 1), GROUP)))


def pairs_of(case: Case, scores: Tensor) -> list[Any]:
    """Two groups of two completions, whose rewards are not divided by a std."""
    return tokenized(scores.detach(), on_tokens(case.mask), 2, scale_rewards=False)


def packed_row(name: str, **options: float) -> Row:
    """Advantages or weights per token."""

    def function(scores: Tensor, case: Case) -> Tensor:
        return packed(pairs_of(case, scores), **options)[name][:, 1 : case.tokens.shape[1]]

    return Row("scores", function, PAIRED)


def packed_equal_rewards(rewards: Tensor, case: Case) -> Tensor:
    """Groups of three whose rewards are all 0.1."""
    equal = torch.full_like(rewards.detach(), 0.1)
    return packed(tokenized(equal, torch.ones(len(rewards), PROMPT), 3))["advantages"][:, 0]


def packed_loss(logprobs: Tensor, case: Case) -> Tensor:
    """From rewards to the loss, on one batch."""
    tensors = packed(pairs_of(case, case.scores))
    width = case.tokens.shape[1]
    given = {name: tensors[name][:, :width] for name in ("advantages", "weights")}
    return art_loss(logprobs, case, inputs_of(case) | given).policy_loss.float()  # advantages and weights are float32


CREDIT = {
    "tokenize_trajectory_groups": advantages_row(),
    "tokenize_trajectory_groups, scale_rewards=False": advantages_row(scale_rewards=False),
    "tokenize_trajectory_groups, one each": advantages_row(group_size=1, cases=("full",)),
    "tokenize_trajectory_groups, groups of 3 with rewards of 0.1": advantages_row(
        group_size=3, cases=("full",), constant=0.1
    ),
    "tokenize_trajectory_groups, number": Row("rewards", number_of_trajectories),
    "packed_tensors_from_tokenized_results advantages": packed_row("advantages"),
    "packed_tensors_from_tokenized_results advantages, advantage_balance": packed_row(
        "advantages", advantage_balance=0.5
    ),
    "packed_tensors_from_tokenized_results weights": packed_row("weights"),
    "packed_tensors_from_tokenized_results advantages, groups of 3 with rewards of 0.1": Row(
        "rewards", packed_equal_rewards, ("full",)
    ),
    "loss_fn of packed_tensors_from_tokenized_results": Row("logprobs", packed_loss, PAIRED),
}
