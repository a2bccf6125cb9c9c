"""Compositions of ours that AReaL's records are compared with."""

import torch
from torch import Tensor

from reference import objectives as ours

from ..cases import BUFFER, COMPLETION, GAMMA, GROUP, HOLES, KL_TARGET, LAMBDA, Case
from ..records import Row
from .kl import token_rewards
from .policy import (
    correction,
    ppo,
)

EPS = 1e-5  # of its normalisation


def token_mean_ratio(logprobs: Tensor, case: Case) -> Tensor:
    return ours.token_mean(ours.sequence_ratio(logprobs, case.old, case.mask).expand_as(logprobs), case.mask)


def sapo(logprobs: Tensor, case: Case) -> Tensor:
    return ours.token_mean(ours.sapo_loss(logprobs, case.old, case.advantages), case.mask)


def sapo_of_rows(logprobs: Tensor, case: Case) -> Tensor:
    log_ratio = ours.sequence_ratio(logprobs, case.old, case.mask).log().expand_as(logprobs)
    return ours.token_mean(ours.sapo_loss(log_ratio, torch.zeros_like(log_ratio), case.advantages[:, :1]), case.mask)


def rejected_mask_row(**options: str | float) -> Row:
    def function(sampler: Tensor, case: Case) -> Tensor:
        return ours.rejection_mask(case.old, sampler, case.mask, first="trainer", **options).long()

    return Row("sampler", function, HOLES)


def rejected_policy(logprobs: Tensor, case: Case) -> Tensor:
    """Rejected by k3, and weighed without a bound. The divisor is that of all tokens."""
    keep = ours.rejection_mask(case.old, case.sampler, case.mask, first="trainer", most=KL_TARGET)
    return ours.token_mean(ppo(logprobs, case) * correction(case, high=1e9) * keep, case.mask)


def batch_after_group(rewards: Tensor, case: Case) -> Tensor:
    return ours.batch_advantages(ours.group_advantages(rewards, group_size=GROUP, scale="none"), eps=EPS)


def returns(scores: Tensor, case: Case) -> Tensor:
    return ours.gae(
        token_rewards(scores, case), torch.zeros_like(case.values), case.mask, gamma=GAMMA, gae_lambda=LAMBDA
    )


def gae(values: Tensor, case: Case, scores: Tensor | None = None) -> Tensor:
    """A row that fills the batch counts as cut off: the value behind its last token is the critic's."""
    rewards = token_rewards(case.scores if scores is None else scores, case)
    behind = torch.where(case.lengths == COMPLETION, case.old_values[:, -1], 0.0)
    return ours.gae(rewards, values, case.mask, gamma=GAMMA, gae_lambda=LAMBDA, bootstrap=behind)


def lambda_returns(values: Tensor, case: Case) -> Tensor:
    return gae(values, case) + values.detach() * case.mask


def penalised_rewards(scores: Tensor, case: Case) -> Tensor:
    lengths = case.mask.sum(dim=1)
    return scores.detach() + ours.soft_overlong_penalty(lengths, max_length=COMPLETION, buffer=BUFFER)


def sequences(logprobs: Tensor, case: Case, *, average: bool = False) -> list[Tensor]:
    """Chosen and rejected rows of the policy, then of the reference: one row is chosen, the next one rejected."""
    sums = [ours.sequence_logprobs(x, case.mask, average=average) for x in (logprobs, case.ref)]
    return [x[side::2] for x in sums for side in (0, 1)]


def sft_loss(logprobs: Tensor, case: Case) -> Tensor:
    return ours.sft_loss(logprobs, case.mask)
