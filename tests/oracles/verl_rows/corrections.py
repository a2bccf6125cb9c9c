"""How verl rejects tokens and rows that its sampler and its trainer see differently: every option of `rollout_rs`."""

import torch
from torch import Tensor
from verl.trainer.ppo import rollout_corr_helper

from ..cases import PAIRED, SAMPLER_HIGH, SAMPLER_LOW, Case
from ..records import Row
from ..verl_options import MOST

RATIOS = f"{SAMPLER_LOW}_{SAMPLER_HIGH}"
SHARED = "token_k1,seq_mean_k3"  # two options, each with a threshold of its own


def rejection_row(options: str, thresholds: str | float) -> Row:
    def function(sampler: Tensor, case: Case) -> Tensor:
        log_ratio = case.old - sampler.detach()
        return rollout_corr_helper.compute_rollout_rejection_mask(log_ratio, case.mask.long(), options, thresholds)[0]

    return Row("sampler", function, PAIRED)


def normalised_weights_row(level: str) -> Row:
    def function(sampler: Tensor, case: Case) -> Tensor:
        log_ratio = case.old - sampler.detach()
        return rollout_corr_helper.compute_rollout_correction_weights(
            log_ratio, case.mask.long(), level, SAMPLER_HIGH, rollout_is_batch_normalize=True
        )[0]

    return Row("sampler", function, PAIRED)


def offpolicy_metrics(sampler: Tensor, case: Case) -> Tensor:
    """Of its metrics those that are estimates of a KL: k1, and k3 of KL(sampler || trainer)."""
    found = rollout_corr_helper.compute_offpolicy_metrics(case.old, sampler.detach(), case.mask.long())
    return torch.tensor([found["kl"], found["k3_kl"]], dtype=torch.float64)


CORRECTIONS = {
    **{f"compute_rollout_rejection_mask {name}": rejection_row(name, most) for name, most in MOST.items()},
    "compute_rollout_rejection_mask token_k1, one threshold": rejection_row("token_k1", SAMPLER_HIGH),
    f"compute_rollout_rejection_mask {SHARED}": rejection_row(SHARED, f"{RATIOS},{MOST['seq_mean_k3']}"),
    "compute_rollout_correction_weights token, batch_normalize": normalised_weights_row("token"),
    "compute_rollout_correction_weights sequence, batch_normalize": normalised_weights_row("sequence"),
    "compute_offpolicy_metrics": Row("sampler", offpolicy_metrics, PAIRED),
}
