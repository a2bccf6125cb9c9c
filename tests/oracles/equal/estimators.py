"""Advantages beside those of PPO, GRPO, RLOO and REINFORCE++."""

import torch
from torch import Tensor

from reference import objectives as ours

from ..cases import GROUP, PAIRED, Case
from ..claims import F32
from ..records import Row
from ..verl_options import KIND_WEIGHTS
from .entry import verl


def opo(scores: Tensor, case: Case) -> Tensor:
    """The baseline is the mean over all tokens of a group, each of which has the reward of its row."""
    scores = scores.detach()
    per_token = scores[:, None].expand(case.mask.shape)
    pairs = [slice(i, i + 2) for i in range(0, len(scores), 2)]
    baselines = torch.stack([ours.masked_mean(per_token[pair], case.mask[pair]) for pair in pairs])
    return (scores - baselines.repeat_interleave(2))[:, None] * case.mask


def remax(scores: Tensor, case: Case) -> Tensor:
    return ours.discounted_returns(case.token_rewards, case.mask) - case.margins[:, None] * case.mask


def gdpo(scores: Tensor, case: Case) -> Tensor:
    kinds = torch.stack([scores, case.margins], dim=1)
    weights = torch.tensor(KIND_WEIGHTS, dtype=kinds.dtype)
    return ours.gdpo_advantages(kinds, case.mask, group_size=2, weights=weights, over="tokens", eps=1e-6)


def gpg(rewards: Tensor, case: Case) -> Tensor:
    """Rewards of 0 are taken for failures: the fewer others there are, the larger every advantage."""
    weight = len(rewards) / int((rewards != 0).sum())
    return weight * ours.group_advantages(rewards, group_size=GROUP, scale="none")


VERL = [
    verl(
        "compute_opo_outcome_advantage",
        Row("scores", opo, PAIRED),
        "masked_mean",
        "the baseline of `opo`, over the tokens of a group",
    ),
    verl(
        "compute_remax_outcome_advantage",
        Row("scores", remax, PAIRED),
        "discounted_returns",
        "`remax`, less the reward of a greedy completion",
    ),
    verl(
        "compute_gdpo_outcome_advantage",
        Row("scores", gdpo, PAIRED),
        "gdpo_advantages",
        '`gdpo`, ours with `over="tokens", eps=1e-6`',
        rtol=F32,
    ),
    verl(
        "compute_gpg_outcome_advantage",
        Row("rewards", gpg),
        "group_advantages",
        '`gpg`, ours with `scale="none"`, times the batch over its rewards other than 0',
        rtol=F32,
    ),
]
OPENRLHF: list = []
