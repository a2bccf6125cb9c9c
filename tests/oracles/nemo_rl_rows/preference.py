"""What NeMo-RL trains on demonstrations and on preferences: chosen and rejected rows alternate in its batches."""

from typing import Any

import torch
from torch import Tensor

from ..cases import BETA, PAIRED, Case
from ..records import Row
from .losses import batch, valid
from .stand_ins import loss_functions


def nll_loss(logprobs: Tensor, case: Case) -> Tensor:
    return loss_functions.NLLLossFn()(logprobs, batch(case), *valid(case))[0]


def dpo(logprobs: Tensor, case: Case, **options: Any) -> tuple[Tensor, dict[str, float]]:
    """Its trainer moves the reference's log-probs to the prediction axis, and leaves one number at the end."""
    loss = loss_functions.DPOLossFn(loss_functions.DPOLossConfig(reference_policy_kl_penalty=BETA, **options))
    data = batch(case) | {"reference_policy_logprobs": torch.nn.functional.pad(case.ref, (0, 1))}
    return loss(logprobs, data, *valid(case))


def dpo_row(**options: Any) -> Row:
    return Row("logprobs", lambda x, c: dpo(x, c, **options)[0], PAIRED)


def dpo_metric_row(metric: str) -> Row:
    return Row("logprobs", lambda x, c: torch.tensor(dpo(x, c)[1][metric], dtype=torch.float64), PAIRED)


def reward_model_loss(pairs: Tensor, case: Case) -> Tensor:
    """Of one reward per row: chosen, rejected, chosen, ..."""
    rewards = pairs[:2].T.reshape(-1, 1)
    data = {"sample_mask": torch.ones(len(rewards))}
    return loss_functions.PreferenceLossFn()(rewards, data, torch.tensor(float(len(rewards))), None)[0]


PREFERENCE = {
    "NLLLossFn": Row("logprobs", nll_loss),
    "PreferenceLossFn": Row("pairs", reward_model_loss),
    "DPOLossFn": dpo_row(),
    "DPOLossFn, preference_average_log_probs": dpo_row(preference_average_log_probs=True),
    "DPOLossFn, sft_loss_weight": dpo_row(sft_loss_weight=0.5),
    "DPOLossFn, sft_loss_weight, sft_average_log_probs": dpo_row(sft_loss_weight=0.5, sft_average_log_probs=True),
    "DPOLossFn accuracy": dpo_metric_row("accuracy"),
    "DPOLossFn rewards_chosen_mean": dpo_metric_row("rewards_chosen_mean"),
}
