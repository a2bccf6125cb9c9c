"""axolotl: the loss, advantages and weights of its own GRPO trainer."""

from collections.abc import Callable

import torch
from torch import Tensor

from reference import objectives as ours

from ..cases import (
    CLIP_HIGH,
    CLIP_LOW,
    COMPLETION,
    DUAL_CLIP,
    FAR,
    GLOBAL_TOKENS,
    GROUP,
    GSPO_HIGH,
    GSPO_LOW,
    HOLES,
    KL_COEF,
    ORDINARY,
    PROMPT,
    SAMPLER_HIGH,
    Case,
)
from ..claims import F32
from ..records import Row
from .credit import group_advantages_row
from .entry import entries_of
from .policy import correction, gspo

axolotl = entries_of("axolotl")
AROUND_ONE = {"low": 1 / SAMPLER_HIGH, "high": SAMPLER_HIGH}
THRESHOLD = 0.1  # of the off-policy mask, in nats per token


def ppo(logprobs: Tensor, case: Case, **options: float) -> Tensor:
    """One advantage per completion."""
    advantages = case.advantages[:, :1]
    return ours.ppo_clip_loss(logprobs, case.old, advantages, clip_low=CLIP_LOW, clip_high=CLIP_HIGH, **options)


def of_all_rows(loss: Callable[[Tensor, Case], Tensor], cases: tuple = ORDINARY) -> Row:
    return Row("logprobs", lambda x, c: ours.sequence_mean(loss(x, c), c.mask, num_sequences=len(c.mask)), cases)


def of_tokens(loss: Callable[[Tensor, Case], Tensor], cases: tuple = ORDINARY) -> Row:
    return Row("logprobs", lambda x, c: ours.token_mean(loss(x, c), c.mask), cases)


def cispo(logprobs: Tensor, case: Case) -> Tensor:
    return ours.cispo_loss(logprobs, case.old, case.advantages[:, :1], clip_high=CLIP_HIGH)


def luspo(logprobs: Tensor, case: Case) -> Tensor:
    advantages = case.advantages[:, :1]
    return ours.luspo_loss(logprobs, case.old, advantages, case.mask, clip_low=GSPO_LOW, clip_high=GSPO_HIGH)


def kept_on_policy(logprobs: Tensor, case: Case) -> Tensor:
    """The mask is on the loss, and the divisor stays."""
    keep = ours.off_policy_mask(logprobs, case.sampler, case.advantages[:, :1], case.mask, threshold=THRESHOLD)
    return ppo(logprobs, case) * keep


def corrected_with_kl(logprobs: Tensor, case: Case) -> Tensor:
    """The weight is on the policy loss alone."""
    return ppo(logprobs, case) * correction(case, **AROUND_ONE) + KL_COEF * ours.kl_k3(logprobs, case.ref)


def truncated_row(level: str) -> Row:
    return Row("sampler", lambda x, c: correction(c, level=level, **AROUND_ONE)[:, PROMPT - 1 :], HOLES)


def gdpo(rewards: Tensor, case: Case) -> Tensor:
    kinds = torch.stack([rewards, rewards.flip(0)], dim=1)
    return ours.gdpo_advantages(kinds, torch.ones(len(rewards), 1), group_size=GROUP)[:, 0]


ENTRIES = [
    axolotl("_compute_loss grpo", of_all_rows(ppo), "sequence_mean", "`grpo`, ours with `num_sequences=batch`"),
    axolotl("_compute_loss bnpo", of_tokens(ppo, FAR), "ppo_clip_loss", "`_compute_loss` of its async trainer"),
    axolotl("_compute_loss bnpo", of_tokens(ppo, FAR), "token_mean", "`bnpo`"),
    axolotl(
        "_compute_loss dapo",
        Row("logprobs", lambda x, c: ours.token_mean(ppo(x, c), c.mask, num_tokens=GLOBAL_TOKENS)),
        "token_mean",
        "`dapo`: the tokens of the batch that was generated",
    ),
    axolotl(
        "_compute_loss dr_grpo",
        Row("logprobs", lambda x, c: ours.fixed_length(ppo(x, c), c.mask, max_length=2 * COMPLETION)),
        "fixed_length",
        "`dr_grpo`",
    ),
    axolotl("_compute_loss cispo", of_tokens(cispo), "cispo_loss", "`cispo`, whose `epsilon_high` is 1 + `clip_high`"),
    axolotl(
        "_compute_loss sapo",
        of_all_rows(lambda x, c: ours.sapo_loss(x, c.old, c.advantages[:, :1])),
        "sapo_loss",
        "`sapo`, whose `tau` is a float32",
        rtol=F32,
    ),
    axolotl(
        "_compute_loss luspo, sequence",
        of_all_rows(luspo),
        "luspo_loss",
        "`luspo` with `importance_sampling_level` sequence",
    ),
    axolotl(
        "_compute_loss grpo, sequence",
        of_all_rows(gspo, HOLES),
        "gspo_loss",
        "`importance_sampling_level` sequence",
    ),
    axolotl(
        "_compute_loss dapo, delta",
        of_tokens(lambda x, c: ppo(x, c, dual_clip=DUAL_CLIP)),
        "ppo_clip_loss",
        "`delta` from 1 + `epsilon_high` on is our `dual_clip`",
    ),
    axolotl(
        "_compute_loss dapo, beta",
        of_tokens(lambda x, c: ppo(x, c) + KL_COEF * ours.kl_k3(x, c.ref)),
        "kl_k3",
        "`beta` (`use_bias_correction_kl=False`, its default)",
    ),
    axolotl(
        "_compute_loss dapo, beta, use_bias_correction_kl",
        of_tokens(lambda x, c: ppo(x, c) + KL_COEF * ours.kl_unbiased(x, c.ref, c.old)),
        "kl_unbiased",
        "`use_bias_correction_kl=True`",
    ),
    axolotl(
        "_compute_loss dapo, off_policy_mask_threshold",
        of_tokens(kept_on_policy),
        "off_policy_mask",
        "`off_policy_mask_threshold`",
    ),
    axolotl(
        "_compute_loss dapo, beta, importance_sampling_ratio",
        of_tokens(corrected_with_kl),
        "sampler_correction",
        "`vllm_importance_sampling_mode` token_truncate, ours with `low=1/cap`",
    ),
    axolotl(
        "importance_sampling_ratio token_truncate",
        truncated_row("token"),
        "sampler_correction",
        "`vllm_importance_sampling_mode` token_truncate, ours with `low=1/cap`",
    ),
    axolotl(
        "importance_sampling_ratio sequence_truncate",
        truncated_row("sequence"),
        "sampler_correction",
        "`vllm_importance_sampling_mode` sequence_truncate, ours with `low=1/cap`",
    ),
    axolotl("advantages group", group_advantages_row(), "group_advantages", '`scale_rewards="group"`'),
    axolotl("advantages none", group_advantages_row(scale="none"), "group_advantages", '`scale_rewards="none"`'),
    axolotl("advantages batch", group_advantages_row(scale="batch"), "group_advantages", '`scale_rewards="batch"`'),
    axolotl(
        "advantages normalize_then_sum",
        Row("rewards", gdpo),
        "gdpo_advantages",
        '`multi_objective_aggregation="normalize_then_sum"`',
    ),
]
