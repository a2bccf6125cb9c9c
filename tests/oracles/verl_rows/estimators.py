"""Advantages of verl beside those of PPO, GRPO, RLOO and REINFORCE++."""

from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor
from verl.trainer.ppo import core_algos

from ..cases import COMPLETION, PAIRED, PROMPT, Case
from ..records import Row
from ..shared_rows import values_on_mask
from ..verl_options import KIND_WEIGHTS
from .credit import group_advantages_row, group_index, last_token_rewards


class Options(SimpleNamespace):
    """As much of verl's configuration as an estimator asks for."""

    def get(self, name: str, default: object = None) -> object:
        return getattr(self, name, default)


def opo(scores: Tensor, case: Case) -> Tensor:
    rewards = last_token_rewards(scores, case)
    return core_algos.compute_opo_outcome_advantage(rewards, case.mask.long(), group_index(scores, 2))[0]


def remax(scores: Tensor, case: Case) -> Tensor:
    """The margins stand for the rewards of the greedy completions."""
    token_rewards = case.token_rewards + 0 * scores.detach()[:, None]
    found = core_algos.compute_remax_outcome_advantage(token_rewards, case.margins, case.mask.long())[0]
    return values_on_mask(found, case)


def gdpo(scores: Tensor, case: Case) -> Tensor:
    """The scores and the margins are two kinds of reward of each completion."""
    response = torch.arange(COMPLETION) < case.lengths[:, None]
    batch = {
        "prompts": case.tokens[:, :PROMPT],
        "attention_mask": torch.cat([torch.ones(len(scores), PROMPT), response], dim=1).long(),
    }
    completion = slice(PROMPT - 1, None)
    kinds = {"correct": scores.detach().numpy(), "format": case.margins.numpy()}
    found = core_algos.compute_gdpo_outcome_advantage(
        last_token_rewards(scores, case)[:, completion],
        case.mask[:, completion].long(),
        np.asarray(group_index(scores, 2)),
        config=Options(gdpo_reward_keys=list(kinds), gdpo_reward_weights=KIND_WEIGHTS),
        non_tensor_batch=kinds,
        batch=batch,
    )[0]
    return torch.cat([torch.zeros(len(scores), PROMPT - 1), found], dim=1)


ESTIMATORS = {
    "compute_opo_outcome_advantage": Row("scores", opo, PAIRED),
    "compute_remax_outcome_advantage": Row("scores", remax, PAIRED),
    "compute_gdpo_outcome_advantage": Row("scores", gdpo, PAIRED),
    "compute_gpg_outcome_advantage": group_advantages_row("gpg"),
}
