"""How verl's and OpenRLHF's newer options differ from ours by design."""

import torch
from torch import Tensor

from reference import objectives as ours

from .cases import PAIRED, Case
from .claims import oracle
from .equal.distillation import clipped
from .equal.policy import correction, ppo
from .recorded import different_in, record_of, same_record
from .records import Row, evaluate
from .shared_rows import GATE


@different_in("verl", *(f"distillation_loss k3, use_policy_gradient | {case}" for case in PAIRED))
@oracle(
    "distillation_rewards",
    "verl",
    "`use_policy_gradient` with `k3`, the default of `loss_mode`",
    differs="advantages are minus k3 and so never above 0, where ours have the sign of teacher minus student",
)
def test_verl_pushes_every_token_down_if_the_reward_is_minus_k3(same, framework, record):
    case, theirs = record_of(framework, record)
    rewards = ours.distillation_rewards(case.logprobs, case.ref, case.mask)
    assert (rewards > 0).any() and (rewards < 0).any()
    minus_k3 = -ours.kl_k3(case.logprobs, case.ref)
    assert (minus_k3[case.mask] < 0).all()
    same_record(same, evaluate(Row("logprobs", lambda x, c: clipped(x, c, minus_k3)), case), theirs)
    assert (theirs["gradient"] >= 0).all()  # a step against it lowers log-probs, also those that the teacher has higher


def binary_kl(p: Tensor, q: Tensor) -> Tensor:
    return p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()


def divergence(case: Case, gating: str) -> Tensor:
    """Of "this token or another" from the sampler to the trainer, with OpenRLHF's bounds on the probabilities."""
    p, q = (x.exp().clamp(1e-6, 1 - 1e-6) for x in (case.sampler, case.old))
    return binary_kl(p, q) if gating == "binary_kl" else (p - q).abs()


@different_in(
    "openrlhf",
    *(
        f"PolicyLoss, is_correction {level} {gating} | {case}"
        for level in ("token", "seq")
        for gating in ("binary_kl", "tv")
        for case in PAIRED
    ),
)
@oracle(
    "rejection_mask",
    "OpenRLHF",
    "`is_correction_gating` binary_kl, tv",
    differs="drops by a divergence of the token's probability, the rest has its weight; the dropped stay in the mean",
)
def test_openrlhf_drops_by_a_divergence_of_probabilities(same, framework, record):
    case, theirs = record_of(framework, record)
    level, gating = record.partition("is_correction ")[2].partition(" | ")[0].split()
    moved = divergence(case, gating)
    if level == "seq":
        moved = (ours.sequence_sum(moved, case.mask) / case.mask.sum(dim=1))[:, None].expand(case.mask.shape)
    stays = moved <= GATE
    assert stays[case.mask].any() and not stays[case.mask].all()
    weight = torch.where(stays, correction(case, high=1e9), 0.0)
    row = Row("logprobs", lambda x, c: ours.token_mean(ppo(x, c) * weight, c.mask))
    same_record(same, evaluate(row, case), theirs)
