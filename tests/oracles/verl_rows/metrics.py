"""What verl reports of a batch, and its penalty for length."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor
from verl import DataProto
from verl.trainer.ppo import metric_utils
from verl.workers.reward_manager.dapo import DAPORewardManager

from ..cases import BUFFER, COMPLETION, PROMPT, Case
from ..records import Row
from .credit import last_token_rewards


def penalised_rewards(scores: Tensor, case: Case, max_length: int = COMPLETION) -> Tensor:
    """The DAPO reward manager on scores that are there already: with its penalty, on the last token."""
    given = iter(scores.tolist())
    manager = DAPORewardManager(
        tokenizer=SimpleNamespace(decode=lambda *_, **__: "", eos_token="eos"),
        num_examine=0,
        compute_score=lambda **_: next(given),
        max_resp_len=max_length,
        overlong_buffer_cfg=SimpleNamespace(enable=True, len=BUFFER, penalty_factor=1.0, log=False),
    )
    response = torch.arange(COMPLETION) < case.lengths[:, None]
    rewards = manager(
        DataProto.from_single_dict(
            {
                "prompts": case.tokens[:, :PROMPT],
                "responses": case.tokens[:, PROMPT:],
                "attention_mask": torch.cat([torch.ones(len(scores), PROMPT), response], dim=1).long(),
                "reward_model": np.array([{"ground_truth": ""}] * len(scores)),
                "data_source": np.array([""] * len(scores)),
            }
        )
    )
    return torch.cat([torch.zeros(len(scores), PROMPT - 1), rewards], dim=1)


def metric_row(name: str, leaf: str, returns: Callable[[Case], Tensor] = lambda case: case.returns) -> Row:
    def function(_: Tensor, case: Case) -> Tensor:
        completion = slice(PROMPT - 1, None)
        batch = {
            "token_level_scores": last_token_rewards(case.scores, case)[:, completion],
            "token_level_rewards": last_token_rewards(case.scores, case)[:, completion],
            "advantages": case.advantages[:, completion],
            "returns": returns(case)[:, completion],
            "values": case.values[:, completion],
            "prompts": case.tokens[:, :PROMPT],
            "responses": case.tokens[:, PROMPT:],
            "response_mask": case.mask[:, completion],
            "attention_mask": torch.cat([torch.ones(len(case.mask), PROMPT), case.mask[:, completion]], dim=1),
        }
        data = SimpleNamespace(batch=batch, non_tensor_batch={})
        return torch.tensor(metric_utils.compute_data_metrics(data)[name], dtype=torch.float64)

    return Row(leaf, function)


METRICS = {
    "DAPORewardManager": Row("scores", penalised_rewards, ("ragged", "full")),
    "DAPORewardManager, beyond max_resp_len": Row(
        "scores", lambda x, c: penalised_rewards(x, c, COMPLETION - 1), ("full",)
    ),
    "critic/vf_explained_var": metric_row("critic/vf_explained_var", "values"),
    "critic/vf_explained_var, equal returns": metric_row(
        "critic/vf_explained_var", "values", returns=lambda c: torch.ones_like(c.returns)
    ),
    "critic/score/mean": metric_row("critic/score/mean", "scores"),
    "response_length/mean": metric_row("response_length/mean", "mask"),
    "response_length/clip_ratio": metric_row("response_length/clip_ratio", "mask"),
}
