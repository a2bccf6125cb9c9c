"""NeMo-RL: the train_data of its GRPO, from message logs. Its checkout has to be on PYTHONPATH.

Masks, padding and the place of the sampled log-probs are its own functions; ``grpo_train`` puts the dict together, as here.
"""

import ast
from pathlib import Path

import torch
from nemo_rl.package_info import __shortversion__
from torch import Tensor

from .rollouts import PAD, ROWS, Row, sampled
from .stand_ins import stand_in

stand_in("nemo_rl.models.policy", TokenizerConfig=dict)
stand_in("nemo_rl.models.dtensor.parallelize", to_local_if_dtensor=lambda x: x)
stand_in("nemo_rl.utils.logger", Logger=object)

import nemo_rl.algorithms  # noqa: E402  (after the stand-ins)
from nemo_rl.algorithms import advantage_estimator  # noqa: E402
from nemo_rl.algorithms.loss.loss_functions import ClippedPGLossConfig  # noqa: E402
from nemo_rl.data.llm_message_utils import batched_message_log_to_flat_message  # noqa: E402

VERSION = __shortversion__


def marks() -> object:
    """The function of its trainer that writes the loss masks, taken out of a module that imports a cluster."""
    source = (Path(nemo_rl.algorithms.__path__[0]) / "grpo.py").read_text()
    name = "add_grpo_token_loss_masks_and_generation_logprobs"
    (function,) = (x for x in ast.parse(source).body if isinstance(x, ast.FunctionDef) and x.name == name)
    home = {"torch": torch, "cast": lambda _, value: value, "backfill_missing_routed_experts": lambda _: None}
    future = ast.parse("from __future__ import annotations").body
    exec(compile(ast.Module([*future, function], []), "grpo.py", "exec"), home)
    return home[name]


def messages(row: Row) -> list[dict]:
    """A conversation: what the model wrote has sampled log-probs, what a tool wrote has none."""
    log = [{"role": "user", "content": "", "token_ids": torch.tensor(row.prompt)}]
    for token, by_model in zip(row.completion, row.mask, strict=True):
        role = "assistant" if by_model else "tool"
        if log[-1]["role"] != role:
            log.append({"role": role, "content": "", "token_ids": torch.tensor([], dtype=torch.long)})
        log[-1]["token_ids"] = torch.cat([log[-1]["token_ids"], torch.tensor([token])])
    for message in log:
        if message["role"] == "assistant":
            message["generation_logprobs"] = torch.tensor([sampled(t) for t in message["token_ids"].tolist()])
    return log


def batches() -> dict[str, dict[str, Tensor]]:
    logs = [messages(row) for row in ROWS]
    marks()(logs)
    flat, lengths = batched_message_log_to_flat_message(logs, pad_value_dict={"token_ids": PAD})
    data = {
        "input_ids": flat["token_ids"],
        "input_lengths": lengths,
        "generation_logprobs": flat["generation_logprobs"],
        "token_mask": flat["token_loss_mask"],
        "sample_mask": torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0, 0.0]),  # the last one was cut, and is left out
    }
    config = advantage_estimator.AdvEstimatorConfig()
    compute = advantage_estimator.GRPOAdvantageEstimator(config, ClippedPGLossConfig()).compute_advantage
    mask = data["token_mask"] * data["sample_mask"][:, None]
    prompts = torch.tensor([[row.prompt[0]] for row in ROWS])
    data["advantages"] = compute(prompts, torch.tensor([row.reward for row in ROWS]), mask)
    return {"train": data}
