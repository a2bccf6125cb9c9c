"""SkyRL: the tensors of a TrainingInputBatch, with advantages as its trainer asks for them.

Padding, masks and the places of rewards and sampled log-probs are SkyRL's ``convert_prompts_responses_to_batch_tensors``;
its advantages are divided by the loss's normaliser later, in ``_normalize_advantages``.
"""

from importlib.metadata import version
from types import SimpleNamespace

import numpy as np
from torch import Tensor

from .rollouts import GROUP, PAD, ROWS, sampled
from .stand_ins import stand_in

for name in ("skyrl.backends", "skyrl.backends.skyrl_train", "skyrl.backends.skyrl_train.utils"):
    stand_in(name)
for name in ("skyrl.train", "skyrl.train.dataset"):
    stand_in(name)
for name in ("skyrl_gym", "skyrl_gym.envs", "skyrl_gym.envs.search", "skyrl_gym.envs.sql"):
    stand_in(name)
stand_in("skyrl_gym.envs.search.env", SearchEnvConfig=type("SearchEnvConfig", (), {}))
stand_in("skyrl_gym.envs.sql.env", Text2SQLEnvConfig=type("Text2SQLEnvConfig", (), {}))
stand_in("ray", remote=lambda actor: actor, is_initialized=lambda: False)

from skyrl.backends.skyrl_train.training_batch import TrainingInputBatch  # noqa: E402  (after the stand-ins)
from skyrl.backends.skyrl_train.utils import ppo_utils  # noqa: E402
from skyrl.train.config import AlgorithmConfig  # noqa: E402
from skyrl.train.dataset.preprocess import convert_prompts_responses_to_batch_tensors  # noqa: E402

VERSION = version("skyrl")


def batches() -> dict[str, dict[str, Tensor]]:
    rewards = [[0.0] * (len(row.completion) - 1) + [row.reward] for row in ROWS]
    logprobs = [[sampled(t) * m for t, m in zip(row.completion, row.mask, strict=True)] for row in ROWS]
    sequences, attention_mask, response_mask, reward, loss_mask, rollout, _ = (
        convert_prompts_responses_to_batch_tensors(
            SimpleNamespace(pad_token_id=PAD), [row.prompt for row in ROWS], [row.completion for row in ROWS],
            rewards, [row.mask for row in ROWS], logprobs,
        )
    )  # fmt: skip
    batch = TrainingInputBatch(
        {
            "sequences": sequences,
            "attention_mask": attention_mask,
            "response_mask": response_mask,
            "rewards": reward,
            "loss_mask": loss_mask,
            "rollout_logprobs": rollout,
        }
    )
    batch["advantages"], batch["returns"] = ppo_utils.compute_advantages_and_returns(
        token_level_rewards=batch["rewards"],
        response_mask=batch["response_mask"],
        index=np.array([i // GROUP for i in range(len(ROWS))]),
        adv_estimator="grpo",
        config=AlgorithmConfig(),
    )
    return {"input": dict(batch)}
