"""What goes wrong when a score and the KL are laid on the tokens."""

import torch
from torch import Tensor

from reference.lessons.aggregation.mistakes.sums import row_sums
from reference.teaching.bug import bug


def last_kept(mask: Tensor) -> Tensor:
    return mask & (mask.flip(1).cumsum(dim=1).flip(1) == 1)


def laid(rewards: Tensor, place: Tensor, charge: Tensor) -> Tensor:
    return torch.where(place, rewards[:, None], 0.0) - charge


@bug(
    "score on every token",
    mistake="the score stands on every kept token instead of on one",
    symptom="the return counts the score once per token: long right answers are paid for being long",
)
def token_rewards__everywhere(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    return laid(rewards, mask, kl_coef * torch.where(mask, kl, 0.0))


@bug(
    "score on the last column",
    mistake="the score stands in the last column of the batch, which for shorter rows is padding",
    symptom="only the longest completion of a batch is ever rewarded",
)
def token_rewards__last_column(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    place = torch.zeros_like(mask)
    place[:, -1] = True
    return laid(rewards, place, kl_coef * torch.where(mask, kl, 0.0))


@bug(
    "score one place late",
    mistake="the score stands one place after the last kept token",
    symptom="a mask drops it, and the policy sees nothing but the KL",
    wild="TRL #3750: its PPO (up to 1.12) did it on purpose, with a value mask one longer",
)
def token_rewards__one_late(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    place = torch.cat([torch.zeros_like(mask[:, :1]), last_kept(mask)[:, :-1]], dim=1)
    return laid(rewards, place, kl_coef * torch.where(mask, kl, 0.0))


@bug(
    "score on the first token",
    mistake="the score stands on the first kept token, so no later token's return contains it",
    symptom="with a critic or returns to go only the first token of each completion learns",
)
def token_rewards__first(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    place = mask & (mask.cumsum(dim=1) == 1)
    return laid(rewards, place, kl_coef * torch.where(mask, kl, 0.0))


@bug(
    "place found by counting",
    mistake="the place of the score is a number of kept tokens, used as an index: right only for rows that start at 0 "
    "and have no holes",
    symptom="as soon as prompts share the axis or a tool speaks in between, scores land on the wrong token",
)
def token_rewards__count_as_index(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    place = torch.arange(mask.shape[1]) == (mask.sum(dim=1) - 1)[:, None]
    return laid(rewards, place, kl_coef * torch.where(mask, kl, 0.0))


@bug(
    "padding pays",
    mistake="positions that the mask leaves out are charged as well",
    symptom="returns at the last real tokens contain whatever two models say about padding",
    wild="slime PR #1372, miles PR #1383: the KL of tool tokens in REINFORCE++",
)
def token_rewards__padding(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    return laid(rewards, last_kept(mask), kl_coef * kl)


@bug(
    "a bonus for drifting",
    mistake="the KL is added to the reward, so moving away from the reference is paid for",
    symptom="KL and reward rise together, and the text falls apart",
)
def token_rewards__plus(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    return laid(rewards, last_kept(mask), -kl_coef * torch.where(mask, kl, 0.0))


@bug(
    "score in the place of the KL",
    mistake="the last kept token gets the score alone: its own KL is overwritten",
    symptom="the token that ends a completion may drift for nothing",
)
def token_rewards__overwritten(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    last = last_kept(mask)
    return laid(rewards, last, kl_coef * torch.where(mask & ~last, kl, 0.0))


@bug(
    "coefficient forgotten",
    mistake="the KL is taken off without its coefficient",
    symptom="the reward is drowned by the penalty, and the policy stays the reference",
)
def token_rewards__no_coefficient(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    return laid(rewards, last_kept(mask), torch.where(mask, kl, 0.0))


@bug(
    "coefficient on everything",
    mistake="the coefficient multiplies the score as well as the KL",
    symptom="after whitening the coefficient is gone: every value of it gives the same run",
)
def token_rewards__scaled(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    return kl_coef * laid(rewards, last_kept(mask), torch.where(mask, kl, 0.0))


@bug(
    "KL to go on every token",
    mistake="every token is charged with the KL from there on; the return will add that up once more",
    symptom="late KL is counted once for every token before it, and completions shrink",
)
def token_rewards__to_go(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    to_go = torch.where(mask, kl, 0.0).flip(1).cumsum(dim=1).flip(1)
    return laid(rewards, last_kept(mask), kl_coef * to_go * mask)


@bug(
    "the whole KL on every token",
    mistake="every token is charged with the KL of the whole completion, so the return adds it up again and again",
    symptom="the penalty grows with the square of the length, and completions shrink",
)
def token_rewards__whole_everywhere(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    charge = kl_coef * row_sums(kl, mask)[:, None] * mask
    return laid(rewards, last_kept(mask), charge)


@bug(
    "the whole KL at the end",
    mistake="the KL of all tokens is taken off at the last one, so a token's return does not know its own share",
    symptom="the totals are right, but early tokens pay for late ones and late ones for early ones: more variance",
)
def token_rewards__all_at_the_end(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    return laid(rewards - kl_coef * row_sums(kl, mask), last_kept(mask), torch.zeros_like(kl))


@bug(
    "score of an empty row",
    mistake="a row that keeps no token gets its score all the same, at some place that the mask leaves out",
    symptom="returns of rows that were cut off and masked are not 0, and whitening moves everybody else",
)
def token_rewards__empty_row(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    index = mask.shape[1] - 1 - mask.flip(1).int().argmax(dim=1)  # argmax of nothing is 0: the last column
    place = torch.arange(mask.shape[1]) == index[:, None]
    return laid(rewards, place, kl_coef * torch.where(mask, kl, 0.0))
