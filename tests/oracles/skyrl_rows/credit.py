"""Whom SkyRL credits with a reward: KL in the reward, returns, advantages, and the groups that it drops."""

from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor

from ..cases import GAMMA, GROUP, HOLES, KL_COEF, LAMBDA, ORDINARY, PAIRED, PROMPT, Case
from ..records import Row
from ..shared_rows import values_on_mask
from .extracts import (
    apply_reward_kl_penalty,
    build_per_token_rewards,
    normalize_advantages,
    postprocess_generator_output,
    zero_variance_filter,
)
from .stand_ins import AlgorithmConfig, TrainingInputBatch, ppo_utils


def response_mask(case: Case) -> Tensor:
    """The completion, whoever wrote its tokens: its estimators get this one, and its losses a mask with holes."""
    column = torch.arange(case.mask.shape[1]) - (PROMPT - 1)
    return ((column >= 0) & (column < case.lengths[:, None])).long()


def in_response(x: Tensor, case: Case) -> Tensor:
    """Its rows end together, at the last column. 0 behind the end has the same effect."""
    return torch.where(response_mask(case) > 0, x, 0.0)


def trainer(**algorithm: float | str | bool) -> SimpleNamespace:
    """As much of a trainer as its methods read here."""
    config = SimpleNamespace(algorithm=AlgorithmConfig(**algorithm), micro_train_batch_size_per_gpu=2)
    return SimpleNamespace(cfg=SimpleNamespace(trainer=config), all_metrics={}, reward_kl_controller=None)


def kl_penalised_rewards(scores: Tensor, case: Case, metric: str = "") -> Tensor | float:
    """The score is on the last token of a completion."""
    rewards = torch.zeros_like(case.values).scatter(1, PROMPT - 2 + case.lengths[:, None], scores.detach()[:, None])
    fields = {"rewards": rewards, "loss_mask": case.mask.float()}
    data = TrainingInputBatch(fields | {"action_log_probs": case.logprobs, "base_action_log_probs": case.ref})
    data.metadata = {}
    result = apply_reward_kl_penalty(trainer(kl_loss_coef=KL_COEF, kl_estimator_type="k1"), data)
    return result.metadata["metrics"][metric] if metric else result["rewards"]


def rloo_of_kl_penalised_rewards(scores: Tensor, case: Case) -> Tensor:
    index = np.arange(len(scores)) // 2
    rewards = kl_penalised_rewards(scores, case)
    return values_on_mask(ppo_utils.compute_rloo_outcome_advantage(rewards, response_mask(case), index)[0], case)


def gae(values: Tensor, case: Case, which: int) -> Tensor:
    """0: advantages, whitened. 1: returns."""
    values, rewards = in_response(values.detach(), case), in_response(case.token_rewards, case)
    rewards = values_on_mask(rewards, case)  # nobody is paid for a tool's token
    results = ppo_utils.compute_gae_advantage_return(rewards, values, response_mask(case), GAMMA, LAMBDA)
    return values_on_mask(results[which], case)


def reinforce_plus_plus(token_rewards: Tensor, case: Case, which: int) -> Tensor:
    rewards = values_on_mask(token_rewards.detach(), case)
    results = ppo_utils.compute_reinforce_plus_plus_outcome_advantage(rewards, response_mask(case), GAMMA)
    return values_on_mask(results[which], case)


def group_advantages_row(
    estimator: str, *, group_size: int = GROUP, equal: bool = False, cases: tuple = ORDINARY, **options: bool
) -> Row:
    """``equal``: every reward is 0.1, of which three have a mean that rounds."""

    def function(rewards: Tensor, case: Case) -> Tensor:
        rewards = torch.full_like(rewards, 0.1) if equal else rewards.detach()
        group = np.arange(len(rewards)) // group_size
        one_token = torch.ones(len(rewards), 1, dtype=torch.int64)
        estimate = ppo_utils.AdvantageEstimatorRegistry.get(estimator)
        return estimate(rewards[:, None], one_token, index=group, **options)[0][:, 0]

    return Row("rewards", function, cases)


def batch_normalised(advantages: Tensor, case: Case) -> Tensor:
    """`advantage_batch_normalize`, then the division by the number of kept tokens."""
    fields = {"advantages": in_response(advantages.detach(), case)}
    data = TrainingInputBatch(fields | {"response_mask": response_mask(case), "loss_mask": case.mask.float()})
    data = normalize_advantages(trainer(advantage_batch_normalize=True), data, [(0, len(advantages))])
    return values_on_mask(data["advantages"], case)


def dropped_share(rewards: Tensor, case: Case) -> Tensor:
    uids = [str(i // GROUP) for i in range(len(rewards))]
    keeps = zero_variance_filter(rewards.tolist(), uids, tol=AlgorithmConfig().zero_variance_filter_tol)
    return torch.tensor(1 - len(keeps) / len(rewards), dtype=torch.float64)


def masked_share(rewards: Tensor, case: Case, *, per_token: bool) -> Tensor:
    """Of two tokens each: how many completions its trainer masks with `zero_variance_filter`, before the update."""
    generator = SimpleNamespace(custom_chat_template=None)
    given = [build_per_token_rewards(generator, [(r, 1)], [0, 0], False) if per_token else r for r in rewards.tolist()]
    trains = trainer(zero_variance_filter=True)
    trains.cfg.generator = SimpleNamespace(
        step_wise_trajectories=False, merge_stepwise_output=False, n_samples_per_prompt=GROUP
    )
    output = {"rewards": given, "response_ids": [[0, 0]] * len(rewards), "loss_masks": [[1, 1]] * len(rewards)}
    uids = [str(i // GROUP) for i in range(len(rewards))]
    masks = postprocess_generator_output(trains, output, uids)[0]["loss_masks"]
    return torch.tensor([not any(mask) for mask in masks], dtype=torch.float64).mean()


CREDIT = {
    "apply_reward_kl_penalty": Row("scores", lambda x, c: values_on_mask(kl_penalised_rewards(x, c), c)),
    "apply_reward_kl_penalty avg_kl": Row("scores", lambda x, c: kl_penalised_rewards(x, c, "avg_kl")),
    "apply_reward_kl_penalty, then rloo": Row("scores", rloo_of_kl_penalised_rewards, PAIRED),
    "compute_gae_advantage_return": Row("values", lambda x, c: gae(x, c, 0), HOLES),
    "compute_gae_advantage_return returns": Row("values", lambda x, c: gae(x, c, 1), HOLES),
    "compute_reinforce_plus_plus_outcome_advantage": Row(
        "token_rewards", lambda x, c: reinforce_plus_plus(x, c, 0), HOLES
    ),
    "compute_reinforce_plus_plus_outcome_advantage returns": Row(
        "token_rewards", lambda x, c: reinforce_plus_plus(x, c, 1), HOLES
    ),
    "masked_whiten": Row("values", lambda x, c: values_on_mask(ppo_utils.masked_whiten(x.detach(), c.mask), c), HOLES),
    "masked_whiten, shift_mean=False": Row(
        "values", lambda x, c: values_on_mask(ppo_utils.masked_whiten(x.detach(), c.mask, False), c)
    ),
    "compute_grpo_outcome_advantage": group_advantages_row("grpo"),
    "compute_grpo_outcome_advantage, no std": group_advantages_row("grpo", grpo_norm_by_std=False),
    "compute_grpo_outcome_advantage, one each": group_advantages_row("grpo", group_size=1, cases=("full",)),
    "compute_grpo_outcome_advantage, equal": group_advantages_row("grpo", group_size=3, equal=True, cases=("full",)),
    "compute_rloo_outcome_advantage": group_advantages_row("rloo"),
    "compute_rloo_outcome_advantage, one each": group_advantages_row("rloo", group_size=1, cases=("full",)),
    "compute_maxrl_advantage": group_advantages_row("maxrl"),
    "compute_maxrl_advantage, one each": group_advantages_row("maxrl", group_size=1, cases=("full",)),
    "_normalize_advantages advantage_batch_normalize": Row("advantages", batch_normalised, HOLES),
    "zero_variance_filter": Row("rewards", dropped_share),
    "postprocess_generator_output zero_variance_filter": Row(
        "rewards", lambda x, c: masked_share(x, c, per_token=False)
    ),
    "postprocess_generator_output zero_variance_filter, rewards per token": Row(
        "rewards", lambda x, c: masked_share(x, c, per_token=True), ("full",)
    ),
}
