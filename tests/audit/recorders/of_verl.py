"""verl: the padded batch of RayPPOTrainer, and the nested one of the trainers in trainer/ppo/v1, its default.

The model is a table. All that makes a batch of it is verl's: padding, masks, positions, the shift of the log-probs, the
place of the reward, and the advantages. Beside what tests/oracles/frameworks.py names, this imports cachetools, aiohttp,
uvicorn, fastapi, opentelemetry-api and torchdata.
"""

import asyncio
import sys
from importlib.metadata import version
from types import ModuleType, SimpleNamespace

import numpy as np
import torch
from tokenizers import Tokenizer, models
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from .rollouts import GROUP, POLICY, REFERENCE, ROWS, VOCAB, Row, logits, sampled

PUT = []  # what verl puts into its TransferQueue


async def async_kv_batch_put(*, fields: object, **_: object) -> None:
    PUT.append(fields)


queue = ModuleType("transfer_queue")
queue.KVBatchMeta, queue.async_kv_batch_put = object, async_kv_batch_put
sys.modules.setdefault("transfer_queue", queue)

from tensordict import TensorDict  # noqa: E402  (after the stand-in)
from verl import DataProto  # noqa: E402
from verl.experimental.agent_loop.agent_loop import AgentLoopMetrics, AgentLoopOutput, AgentLoopWorker  # noqa: E402
from verl.trainer.ppo.ray_trainer import compute_advantage  # noqa: E402
from verl.trainer.ppo.v1.agent_loop_tq import AgentLoopWorkerTQ  # noqa: E402
from verl.utils.tensordict_utils import list_of_dict_to_tensordict  # noqa: E402
from verl.workers.utils import padding  # noqa: E402

VERSION = version("verl")


def worker(kind: type) -> object:
    """A worker with what its postprocessing reads."""
    self = object.__new__(kind)
    words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(VOCAB)}, unk_token="w1"))
    self.tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="w3", eos_token="w2")
    self.rollout_config = SimpleNamespace(prompt_length=4, response_length=7)
    self.processor = self.reward_loop_worker_handles = self.mm_processor_kwargs = None
    self.distillation_enabled = False
    return self


def output_of(row: Row) -> AgentLoopOutput:
    return AgentLoopOutput(
        prompt_ids=row.prompt,
        response_ids=row.completion,
        response_mask=row.mask,
        response_logprobs=[sampled(t) * m for t, m in zip(row.completion, row.mask, strict=True)],
        reward_score=row.reward,
        metrics=AgentLoopMetrics(),
        extra_fields={"reward_extra_info": {}, "min_global_steps": 0, "max_global_steps": 0},
    )


def predictions(ids: Tensor, scale: float) -> Tensor:
    """What verl's engine gives for a nested batch: at every token the log-prob of the next one."""
    table = logits(scale).log_softmax(dim=0)
    rows = [table[row.roll(-1)] for row in ids.unbind()]
    return torch.nested.as_nested_tensor(rows, layout=torch.jagged)


def padded() -> dict[str, Tensor]:
    """DataProto.batch after compute_advantage."""
    self = worker(AgentLoopWorker)
    loop = asyncio.new_event_loop()
    done = [loop.run_until_complete(self._agent_loop_postprocess(output_of(row), False, raw_prompt=[])) for row in ROWS]
    data = self._postprocess(done)
    nested = padding.left_right_2_no_padding(data.to_tensordict())
    for key, scale in (("old_log_probs", POLICY), ("ref_log_prob", REFERENCE)):
        data.batch[key] = padding.no_padding_2_padding(predictions(nested["input_ids"], scale), nested)
    return dict(advantages(data).batch.items())


def advantages(data: DataProto) -> DataProto:
    """GRPO's, as the trainers call it."""
    data.batch["token_level_scores"] = data.batch["token_level_rewards"] = data.batch["rm_scores"]
    data.non_tensor_batch["uid"] = np.array([str(i // GROUP) for i in range(len(ROWS))], dtype=object)
    return compute_advantage(data, adv_estimator="grpo", num_repeat=GROUP)


def nested() -> dict[str, Tensor]:
    """What the v1 trainers keep, each tensor as its values and its offsets."""
    self = worker(AgentLoopWorkerTQ.__ray_metadata__.modified_class)
    loop = asyncio.new_event_loop()
    for i, row in enumerate(ROWS):
        given = {"uid": str(i // GROUP), "session_id": i % GROUP, "global_steps": 0}
        loop.run_until_complete(self._agent_loop_postprocess(output_of(row), False, **given))
    data = list_of_dict_to_tensordict([{key: fields[0][key] for key in [*fields.keys()]} for fields in PUT])
    mask = data["response_mask"]
    for key, scale in (("old_log_probs", POLICY), ("ref_log_prob", REFERENCE)):
        data[key] = padding.response_from_nested(predictions(data["input_ids"], scale), mask)
    rewards = TensorDict({"rm_scores": data["rm_scores"], "response_mask": mask}, len(ROWS)).to_padded_tensor()
    made = advantages(DataProto(batch=rewards)).batch
    for key in ("advantages", "returns"):
        data[key] = padding.response_to_nested(made[key], mask)
    tensors = {key: value for key, value in data.items() if isinstance(value, Tensor) and value.is_nested}
    values = {f"{key}.values": value.values() for key, value in tensors.items()}
    return values | {f"{key}.offsets": value.offsets() for key, value in tensors.items()}


def batches() -> dict[str, dict[str, Tensor]]:
    return {"padded": padded(), "nested": nested()}
