"""What goes wrong with the amounts: which part of the score and of the KL a token gets."""

import torch
from torch import Tensor

from reference.teaching.bug import bug

from .token_rewards import laid, last_kept


@bug(
    "KL forgotten",
    mistake="only the score is laid on the row: no token pays its KL",
    symptom="the policy drifts as if kl_coef were 0",
)
def token_rewards__no_kl(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    return laid(rewards, last_kept(mask), torch.zeros_like(kl))


@bug(
    "score over the length",
    mistake="the score is spread over the kept tokens in equal parts instead of standing on one of them",
    symptom="a late token's return holds only its share of the score, the less the longer the completion",
)
def token_rewards__spread(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    shares = rewards / mask.sum(dim=1).clamp_min(1)
    return laid(shares, mask, kl_coef * torch.where(mask, kl, 0.0))


def so_far_everywhere(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    return laid(rewards, last_kept(mask), kl_coef * torch.where(mask, kl, 0.0).cumsum(dim=1))


@bug(
    "KL so far on every token",
    mistake="every token is charged with the KL up to itself; the return will add that up once more",
    symptom="early KL is counted once for every token after it, and completions shrink",
    likewise=(so_far_everywhere,),
)
def token_rewards__so_far(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    return laid(rewards, last_kept(mask), kl_coef * torch.where(mask, kl, 0.0).cumsum(dim=1) * mask)


@bug(
    "score one place early",
    mistake="the score stands one place before the last kept token",
    symptom="the token that ends the completion, mostly the EOS, learns nothing from the score",
)
def token_rewards__one_early(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    place = torch.cat([last_kept(mask)[:, 1:], torch.zeros_like(mask[:, :1])], dim=1)
    return laid(rewards, place, kl_coef * torch.where(mask, kl, 0.0))


@bug(
    "returns instead of rewards",
    mistake="these are the returns: at each token the rewards from there on are added up already",
    symptom="whoever makes returns of them counts the score once for every token",
)
def token_rewards__returns(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    rewards_of_tokens = laid(rewards, last_kept(mask), kl_coef * torch.where(mask, kl, 0.0))
    return rewards_of_tokens.flip(1).cumsum(dim=1).flip(1) * mask


@bug(
    "score ends the first turn",
    mistake="the score stands on the last token before the first gap, not on the last kept token of the row",
    symptom="after a tool call, what the policy writes next learns nothing from the score",
)
def token_rewards__first_turn(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    after = torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], dim=1)
    turn_ends = mask & ~after
    return laid(rewards, turn_ends & (turn_ends.cumsum(dim=1) == 1), kl_coef * torch.where(mask, kl, 0.0))


@bug(
    "mean KL on every token",
    mistake="every token is charged the mean kl of its row, not its own",
    symptom="the totals are right, but a token that drifts pays no more than its neighbours",
)
def token_rewards__mean_kl(rewards: Tensor, mask: Tensor, *, kl: Tensor, kl_coef: float) -> Tensor:
    mean = torch.where(mask, kl, 0.0).sum(dim=1, keepdim=True) / mask.sum(dim=1, keepdim=True).clamp_min(1)
    return laid(rewards, last_kept(mask), kl_coef * mean * mask)
