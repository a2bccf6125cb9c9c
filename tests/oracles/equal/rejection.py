"""Which tokens and rows are left out, because the sampler and the trainer see them differently."""

import math

import torch
from torch import Tensor

from reference import objectives as ours

from ..cases import HOLES, PAIRED, SAMPLER_HIGH, SAMPLER_LOW, Case
from ..records import Row
from ..verl_options import MOST
from .entry import verl
from .policy import correction

RATIOS = {"least": math.log(SAMPLER_LOW), "most": math.log(SAMPLER_HIGH)}
LEVELS = {"token": "token", "seq_sum": "sum", "seq_mean": "mean", "seq_max": "max"}


def mask_row(option: str, cases: tuple = PAIRED, **bounds: float) -> Row:
    """The mask of one option of verl, such as seq_mean_k3."""
    level, _, estimator = option.rpartition("_")
    options = {"estimator": estimator, "level": LEVELS[level], **bounds}
    return Row("sampler", lambda x, c: ours.rejection_mask(c.old, x, c.mask, **options).long(), cases)


def two_options(sampler: Tensor, case: Case) -> Tensor:
    first = ours.rejection_mask(case.old, sampler, case.mask, estimator="k1", **RATIOS)
    return (first & ours.rejection_mask(case.old, sampler, case.mask, level="mean", most=MOST["seq_mean_k3"])).long()


def weights_of_mean_one(sampler: Tensor, case: Case) -> Tensor:
    weight = correction(case, high=SAMPLER_HIGH)
    return weight / ours.masked_mean(weight, case.mask)


def row_weights_of_mean_one(sampler: Tensor, case: Case) -> Tensor:
    weight = correction(case, level="sequence", high=SAMPLER_HIGH)
    return weight / ours.sequence_mean(weight, case.mask)


def kl_estimates(sampler: Tensor, case: Case) -> Tensor:
    k1 = ours.mean_kl(sampler, case.old, case.mask, estimator="k1")
    return torch.stack([k1, ours.approx_kl(case.old, sampler, case.mask)])


VERL = [
    *(
        verl(f"compute_rollout_rejection_mask {name}", mask_row(name, most=most), "rejection_mask", "`rollout_rs`")
        for name, most in MOST.items()
    ),
    *(
        verl(
            f"compute_rollout_rejection_mask {name}",
            mask_row(name, HOLES, **RATIOS),
            "rejection_mask",
            "`rollout_rs` of k1, ours with the logarithms of its bounds",
        )
        for name in ("token_k1", "seq_sum_k1", "seq_mean_k1")
    ),
    verl(
        "compute_rollout_rejection_mask token_k1, one threshold",
        mask_row("token_k1", least=-math.log(SAMPLER_HIGH), most=math.log(SAMPLER_HIGH)),
        "rejection_mask",
        "one threshold of k1, which bounds both sides",
    ),
    verl(
        "compute_rollout_rejection_mask token_k1,seq_mean_k3",
        Row("sampler", two_options, PAIRED),
        "rejection_mask",
        "two options: the tokens that both of ours keep",
    ),
    verl(
        "compute_rollout_correction_weights token, batch_normalize",
        Row("sampler", weights_of_mean_one, PAIRED),
        "sampler_correction",
        "`rollout_is_batch_normalize`: ours over its mean",
    ),
    verl(
        "compute_rollout_correction_weights sequence, batch_normalize",
        Row("sampler", row_weights_of_mean_one, PAIRED),
        "sampler_correction",
        "`rollout_is_batch_normalize`: ours over its mean",
    ),
    verl(
        "compute_offpolicy_metrics",
        Row("sampler", kl_estimates, PAIRED),
        "approx_kl",
        "`rollout_corr/k3_kl`: the sampler is the old policy",
    ),
]
OPENRLHF: list = []
