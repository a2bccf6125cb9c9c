"""Whom verl credits with a reward: KL in the reward, returns, advantages."""

from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor
from verl import DataProto
from verl.trainer.ppo import core_algos
from verl.utils import torch_functional as verl_F

from ..cases import GAMMA, GROUP, HOLES, KL_COEF, LAMBDA, ORDINARY, PAIRED, PROMPT, Case
from ..records import Row
from ..shared_rows import values_on_mask
from .extracts import apply_kl_penalty


def group_index(x: Tensor, group_size: int) -> np.ndarray:
    """The number of each completion's prompt: verl groups by it."""
    return np.arange(len(x)) // group_size


def last_token_rewards(scores: Tensor, case: Case) -> Tensor:
    """One reward per completion where verl's reward managers put it: on the last token that is no padding."""
    return torch.zeros_like(case.values).scatter(1, PROMPT - 2 + case.lengths[:, None], scores.detach()[:, None])


def kl_penalised_rewards(scores: Tensor, case: Case) -> tuple[Tensor, dict]:
    batch = {
        "response_mask": case.mask.long(),
        "token_level_scores": last_token_rewards(scores, case),
        "old_log_probs": case.logprobs,
        "ref_log_prob": case.ref,
    }
    data, metrics = apply_kl_penalty(DataProto.from_single_dict(batch), core_algos.FixedKLController(KL_COEF), "kl")
    return data.batch["token_level_rewards"], metrics


def rloo_of_kl_penalised_rewards(scores: Tensor, case: Case) -> Tensor:
    """As the trainer does with `use_kl_in_reward`: the KL first, then the baseline."""
    rewards, _ = kl_penalised_rewards(scores, case)
    prompt = group_index(rewards, 2)
    return core_algos.compute_rloo_outcome_advantage(rewards, case.mask.long(), prompt)[0]


def gae(values: Tensor, case: Case, lam: float = LAMBDA) -> tuple[Tensor, Tensor]:
    advantages, returns = core_algos.compute_gae_advantage_return(
        case.token_rewards, values.detach(), case.mask.long(), GAMMA, lam
    )
    return values_on_mask(advantages, case), values_on_mask(returns - values.detach(), case)


def reinforce_plus_plus(token_rewards: Tensor, case: Case) -> tuple[Tensor, Tensor]:
    advantages, returns = core_algos.compute_reinforce_plus_plus_outcome_advantage(
        token_rewards.detach(), case.mask.long(), SimpleNamespace(gamma=GAMMA)
    )
    return advantages, returns


def reinforce_plus_plus_baseline(scores: Tensor, case: Case) -> Tensor:
    prompt = group_index(scores, 2)
    rewards = last_token_rewards(scores, case)
    return core_algos.compute_reinforce_plus_plus_baseline_outcome_advantage(rewards, case.mask.long(), prompt)[0]


def whitened_row(scale: float = 1.0, **options: bool) -> Row:
    def function(x: Tensor, case: Case) -> Tensor:
        return values_on_mask(verl_F.masked_whiten(scale * x.detach(), case.mask.long(), **options), case)

    return Row("values", function, HOLES)


def group_advantages_row(estimator: str, *, group_size: int = GROUP, cases: tuple = ORDINARY, **options: bool) -> Row:
    def function(rewards: Tensor, case: Case) -> Tensor:
        group = group_index(rewards, group_size)
        one_token = torch.ones(len(rewards), 1, dtype=torch.bool)
        advantages_of = core_algos.get_adv_estimator_fn(estimator)
        return advantages_of(rewards.detach()[:, None], one_token, group, **options)[0][:, 0]

    return Row("rewards", function, cases)


CREDIT = {
    "apply_kl_penalty": Row("scores", lambda x, c: values_on_mask(kl_penalised_rewards(x, c)[0], c), HOLES),
    "apply_kl_penalty reward_kl_penalty": Row(
        "scores", lambda x, c: kl_penalised_rewards(x, c)[1]["actor/reward_kl_penalty"]
    ),
    "apply_kl_penalty, then rloo": Row("scores", rloo_of_kl_penalised_rewards, PAIRED),
    "compute_gae_advantage_return": Row("values", lambda x, c: gae(x, c)[0], HOLES),
    "compute_gae_advantage_return, before whitening": Row("values", lambda x, c: gae(x, c)[1], HOLES),
    "compute_gae_advantage_return, before whitening, lam=0": Row("values", lambda x, c: gae(x, c, 0.0)[1], HOLES),
    "compute_grpo_outcome_advantage": group_advantages_row("grpo"),
    "compute_grpo_outcome_advantage, no std": group_advantages_row("grpo", norm_adv_by_std_in_grpo=False),
    "compute_grpo_outcome_advantage, one each": group_advantages_row("grpo", group_size=1, cases=("full",)),
    "compute_grpo_vectorized_outcome_advantage": group_advantages_row("grpo_vectorized"),
    "compute_rloo_outcome_advantage": group_advantages_row("rloo"),
    "compute_rloo_outcome_advantage, one each": group_advantages_row("rloo", group_size=1, cases=("full",)),
    "compute_rloo_vectorized_outcome_advantage": group_advantages_row("rloo_vectorized"),
    "compute_rloo_vectorized_outcome_advantage, one each": group_advantages_row(
        "rloo_vectorized", group_size=1, cases=("full",)
    ),
    "compute_reinforce_plus_plus_outcome_advantage": Row(
        "token_rewards", lambda x, c: reinforce_plus_plus(x, c)[0], HOLES
    ),
    "compute_reinforce_plus_plus_outcome_advantage, returns": Row(
        "token_rewards", lambda x, c: reinforce_plus_plus(x, c)[1], HOLES
    ),
    "compute_reinforce_plus_plus_outcome_advantage, returns of scores": Row(
        "scores", lambda x, c: reinforce_plus_plus(last_token_rewards(x, c), c)[1], HOLES
    ),
    "compute_reinforce_plus_plus_baseline_outcome_advantage": Row(
        "scores", reinforce_plus_plus_baseline, (*PAIRED, "full")
    ),
    "masked_whiten": whitened_row(),
    "masked_whiten, shift_mean=False": whitened_row(shift_mean=False),
    "masked_whiten, small": whitened_row(scale=1e-4),
}
