"""ART: one loss with its options, and advantages that its packing scales again."""

from dataclasses import replace

import torch
from torch import Tensor

from reference import objectives as ours

from ..cases import FAR, HOLES, KL_COEF, PAIRED, SAMPLER_HIGH, VOCAB, Case
from ..claims import F32
from ..records import Row
from .credit import group_advantages_row
from .entry import entries_of
from .policy import GSPO_TOKEN, POLICY_TOKEN, corrected_policy_row, ppo

art = entries_of("openpipe_art")


def lm_head(case: Case) -> Tensor:
    return case.logits[0, :VOCAB]


def chunked_logprobs(hidden: Tensor, case: Case) -> Tensor:
    return ours.chunked_token_logprobs(hidden, lm_head(case), case.tokens, chunk_size=4)


def cispo(logprobs: Tensor, case: Case, advantages: Tensor | None = None) -> Tensor:
    """Its default: no lower bound, and a cap of 5."""
    return ours.cispo_loss(logprobs, case.old, case.advantages if advantages is None else advantages)


def cispo_row(cases: tuple = FAR) -> Row:
    return Row("logprobs", lambda x, c: ours.token_mean(cispo(x, c), c.mask), cases)


def symmetric_ppo(logprobs: Tensor, case: Case) -> Tensor:
    return ours.token_mean(ours.ppo_clip_loss(logprobs, case.old, case.advantages), case.mask)


def without_old(logprobs: Tensor, case: Case) -> Tensor:
    old = case.old.clone()
    old[:, 3:] = logprobs.detach()[:, 3:]
    return ours.token_mean(ppo(logprobs, replace(case, old=old)), case.mask)


def of_sequence_ratio(logprobs: Tensor, case: Case) -> Tensor:
    weight = ours.sequence_ratio(logprobs, case.old, case.mask).detach().clamp(max=5)
    return ours.token_mean(ours.reinforce_loss(logprobs, weight * case.advantages), case.mask)


def of_ratios_inside(logprobs: Tensor, case: Case) -> Tensor:
    weight = ours.sampler_correction(logprobs.detach(), case.old, case.mask, mode="mask", high=5)
    return ours.token_mean(ours.reinforce_loss(logprobs, weight * case.advantages), case.mask)


def charged(logprobs: Tensor, case: Case) -> Tensor:
    charge = ours.kl_charge(ours.kl_k1(logprobs, case.old), case.mask, credit="own")
    return ours.token_mean(cispo(logprobs, case, case.advantages - KL_COEF * charge), case.mask)


def share_of_mean_size(scores: Tensor) -> Tensor:
    """What its packing makes of advantages per row: their mean size over rows becomes 1."""
    advantages = ours.group_advantages(scores, group_size=2, scale="none")
    return advantages / advantages.abs().mean()


def packed_loss(logprobs: Tensor, case: Case) -> Tensor:
    return ours.sequence_mean(cispo(logprobs, case, share_of_mean_size(case.scores)[:, None]), case.mask)


def weights(scores: Tensor, case: Case) -> Tensor:
    """Under a mean over tokens, these weights make a mean over rows of the means over their tokens."""
    lengths = case.mask.sum(dim=1, keepdim=True)
    return torch.where(case.mask, lengths.sum() / lengths / len(lengths), 0.0)


ENTRIES = [
    art("_calculate_logprobs", Row("logits", chunked_logprobs), "chunked_token_logprobs", rtol=F32),
    art(
        "_calculate_logprobs, entropy",
        Row("logits", lambda x, c: ours.entropy(x @ lm_head(c).T)),
        "entropy",
        "`_calculate_logprobs`",
    ),
    art("loss_fn", cispo_row(), "cispo_loss", "`loss_fn`, its default", rtol=F32),
    art("loss_fn, ppo", replace(POLICY_TOKEN, cases=FAR), "ppo_clip_loss", "`ppo`", rtol=F32),
    art(
        "loss_fn, ppo, epsilon_high=None",
        Row("logprobs", symmetric_ppo),
        "ppo_clip_loss",
        "`ppo`, its bounds by default",
        rtol=F32,
    ),
    art(
        "loss_fn, ppo, sequence",
        GSPO_TOKEN,
        "gspo_loss",
        "`ppo` with `importance_sampling_level` sequence",
        rtol=F32,
    ),
    art(
        "loss_fn, ppo, logprobs missing",
        Row("logprobs", without_old),
        "ratio",
        "`logprobs` that are NaN: ours with `old_logprobs=token_logprobs.detach()`, so 1",
        rtol=F32,
    ),
    art(
        "loss_fn, sequence",
        Row("logprobs", of_sequence_ratio, HOLES),
        "sequence_ratio",
        "`importance_sampling_level` sequence without `ppo`: the weight of a CISPO loss",
        rtol=F32,
    ),
    art(
        "loss_fn, mask_prob_ratio",
        Row("logprobs", of_ratios_inside, FAR),
        "sampler_correction",
        "`mask_prob_ratio` with the bounds by default: between policy and old, ours with `mask` and a cap of 5",
        rtol=F32,
    ),
    art(
        "loss_fn, ppo, truncated_importance_sampling, original_logprobs",
        corrected_policy_row(high=SAMPLER_HIGH),
        "sampler_correction",
        "`truncated_importance_sampling` with `precalculate_logprobs`",
        rtol=F32,
    ),
    art(
        "loss_fn, kimi_k2_tau",
        Row("logprobs", charged),
        "kl_charge",
        '`kimi_k2_tau`: k1 to the old policy, ours with `credit="own"`',
        rtol=F32,
    ),
    art(
        "loss_fn, kl_policy_ref",
        Row("logprobs", lambda x, c: ours.mean_kl(x, c.ref, c.mask, estimator="k1")),
        "mean_kl",
        "`kl_policy_ref`: k1",
        rtol=F32,
    ),
    art(
        "loss_fn of packed_tensors_from_tokenized_results",
        Row("logprobs", packed_loss, PAIRED),
        "sequence_mean",
        "`weights` of its packing, on one batch",
        rtol=F32,
    ),
    art(
        "packed_tensors_from_tokenized_results weights",
        Row("scores", weights, PAIRED),
        "sequence_mean",
        "`weights` of its packing, on one batch",
        rtol=F32,
    ),
    art(
        "tokenize_trajectory_groups",
        group_advantages_row(ddof=0, eps=1e-6),
        "group_advantages",
        "`scale_rewards` (the default), ours with `ddof=0, eps=1e-6`",
    ),
    art(
        "tokenize_trajectory_groups, scale_rewards=False",
        group_advantages_row(scale="none"),
        "group_advantages",
        "`scale_rewards=False`",
    ),
]
