"""What ms-swift equals in its advantages, in the KL and the lengths that it charges, and in its metrics of rewards."""

import torch
from torch import Tensor

from reference import objectives as ours

from ..cases import GROUP, HOLES, PAIRED, Case
from ..claims import F32
from ..ms_swift_options import KIND_WEIGHTS, TEACHER_COEF, UNIT
from ..records import Row
from .entry import entries_of
from .kl import rloo_of_kl_penalised_rewards
from .preference import penalised_rewards

ms_swift = entries_of("ms_swift")


def of_rewards(function: object, **options: str | float) -> Row:
    return Row("rewards", lambda x, c: function(x, group_size=GROUP, **options), ("full",))


def batch_of_centred(rewards: Tensor, case: Case) -> Tensor:
    return ours.batch_advantages(ours.group_advantages(rewards, group_size=GROUP, scale="none"))


def of_two_kinds(rewards: Tensor, case: Case) -> Tensor:
    kinds, one_token = torch.stack([rewards, UNIT * rewards.flip(0)], dim=1), torch.ones(len(rewards), 1)
    weights = rewards.new_tensor(KIND_WEIGHTS)
    return ours.gdpo_advantages(kinds, one_token, group_size=GROUP, weights=weights, eps=1e-8)[:, 0]


def with_teacher(logprobs: Tensor, case: Case) -> Tensor:
    rewards = ours.distillation_rewards(logprobs, case.ref, case.mask)
    return case.scores[:, None] * case.mask + TEACHER_COEF * rewards


def teacher_kl(logprobs: Tensor, case: Case) -> Tensor:
    return torch.where(case.mask, ours.kl_k3(logprobs, case.ref), 0.0)


CREDIT = [
    *(
        ms_swift(
            f"compute_advantages {scale}",
            of_rewards(ours.group_advantages, scale=scale),
            "group_advantages",
            "`scale_rewards` group, batch and none",
        )
        for scale in ("group", "batch", "none")
    ),
    ms_swift(
        "compute_advantages_dynamic group",
        of_rewards(ours.group_advantages),
        "group_advantages",
        "`compute_advantages_dynamic`",
        rtol=F32,
    ),
    ms_swift(
        "compute_advantages gdpo",
        Row("rewards", of_two_kinds, ("full",)),
        "gdpo_advantages",
        "`gdpo`, ours with `eps=1e-8`",
    ),
    ms_swift("compute_advantages rloo", of_rewards(ours.rloo_advantages), "rloo_advantages", "`rloo`"),
    ms_swift(
        "compute_advantages_dynamic rloo",
        of_rewards(ours.rloo_advantages),
        "rloo_advantages",
        "`compute_advantages_dynamic`",
        rtol=F32,
    ),
    ms_swift(
        "compute_advantages reinforce_plus_plus",
        Row("rewards", batch_of_centred, ("full",)),
        "batch_advantages",
        "`reinforce_plus_plus`, after the group mean",
    ),
    ms_swift(
        "_compute_advantages rloo, kl_in_reward",
        Row("scores", rloo_of_kl_penalised_rewards, PAIRED),
        "kl_penalised_rewards",
        "`kl_in_reward` with `rloo`: before the baseline",
    ),
    ms_swift("reward_std", of_rewards(ours.group_reward_std), "group_reward_std", "the metric `reward_std`"),
    ms_swift(
        "frac_reward_zero_std",
        of_rewards(ours.dead_group_share),
        "dead_group_share",
        "the metric `frac_reward_zero_std`",
        rtol=F32,
    ),
    ms_swift(
        "reward_mean", Row("rewards", lambda x, c: ours.reward_mean(x), ("full",)), "reward_mean", "the metric `reward`"
    ),
    ms_swift("SoftOverlong", Row("scores", penalised_rewards, HOLES), "soft_overlong_penalty", rtol=F32),
    ms_swift(
        "expand_advantage_to_per_token, teacher",
        Row("logprobs", with_teacher, HOLES),
        "distillation_rewards",
        "OPD-RL (`teacher_kl_coef`), with the log-probs before the update",
    ),
    ms_swift(
        "compute_teacher_kl_per_token",
        Row("logprobs", teacher_kl, ("ragged",)),
        "kl_k3",
        "`compute_teacher_kl_per_token`",
    ),
]
