"""OpenRLHF: an Experience before the replay buffer, and as the actor's training step gets it.

vLLM's answers are those of the rollouts, the model is a table, and Ray is called in this process. The rest is OpenRLHF's:
the masks, the axis of the log-probs, rewards to advantages, and the replay buffer that pads again.
"""

from importlib.metadata import version
from types import SimpleNamespace

import torch
from torch import Tensor

from .rollouts import GROUP, PAD, POLICY, REFERENCE, ROWS, Row, logits, sampled
from .stand_ins import stand_in

stand_in("deepspeed")
stand_in("vllm", SamplingParams=object)
stand_in("flash_attn")
stand_in("flash_attn.bert_padding", index_first_axis=None, pad_input=None, rearrange=None, unpad_input=None)
stand_in("flash_attn.utils")
stand_in("flash_attn.utils.distributed", all_gather=None)
for name in ("openrlhf.models", "openrlhf.utils", "openrlhf.trainer.ray"):
    stand_in(name)
stand_in("openrlhf.trainer.ray.launcher", RayActorGroup=object)
stand_in("openrlhf.trainer.ray.vllm_engine", batch_vllm_engine_call=None)

from openrlhf.models.actor import Actor  # noqa: E402  (after the stand-ins)
from openrlhf.trainer.ppo_utils import experience_maker, samples_generator  # noqa: E402
from openrlhf.trainer.ppo_utils.replay_buffer import NaiveReplayBuffer  # noqa: E402

VERSION = version("openrlhf")
experience_maker.ray = SimpleNamespace(get=lambda refs: refs, put=lambda value: value)


class Table:
    """A model that says the same everywhere."""

    def __init__(self, scale: float):
        self.row = logits(scale)

    def __call__(self, sequences: Tensor, **_: object) -> dict[str, Tensor]:
        return {"logits": self.row.expand(*sequences.shape, -1).clone()}


def group_of_actors(scale: float) -> SimpleNamespace:
    """What makes log-probs: OpenRLHF's Actor, on the table."""
    actor = object.__new__(Actor)
    torch.nn.Module.__init__(actor)
    actor.packing_samples, actor.temperature = False, 1.0
    actor.__dict__["model"] = Table(scale)

    def forward(*, method_name: str, sequences: list, action_mask: list, attention_mask: list, **_: object) -> list:
        calls = zip(sequences, action_mask, attention_mask, strict=True)
        return [[actor.forward(ids, action_mask=mask, attention_mask=there)] for ids, mask, there in calls]

    return SimpleNamespace(async_run_method_batch=forward)


def response(row: Row) -> dict:
    """What comes back from the agent that ran a rollout."""
    start, spans = len(row.prompt), []
    for i, kept in enumerate(row.mask):
        if kept and (i == 0 or not row.mask[i - 1]):
            spans.append([start + i, start + i + 1])
        elif kept:
            spans[-1][1] += 1
    logprobs = [sampled(t) * m for t, m in zip(row.completion, row.mask, strict=True)]
    return {
        "observation_tokens": row.prompt + row.completion,
        "action_ranges": [tuple(span) for span in spans],
        "rollout_log_probs": [0.0] * start + logprobs,
        "reward": row.reward,
        "scores": row.reward,
        "prompt": "",
        "label": "",
    }


def made() -> list:
    """Experiences of three rows each, with advantages."""
    args = SimpleNamespace(
        algo=SimpleNamespace(
            advantage=SimpleNamespace(estimator="group_norm", gamma=1.0, lambd=1.0, no_std_norm=False),
            kl=SimpleNamespace(use_loss=True, estimator="k3"),
        ),
        ds=SimpleNamespace(ring_attn_size=1, tensor_parallel_size=1),
        reward=SimpleNamespace(clip_range=None, overlong_buffer_len=None, stop_properly_penalty_coef=None),
        rollout=SimpleNamespace(n_samples_per_prompt=GROUP, micro_batch_size=GROUP),
        train=SimpleNamespace(dynamic_batch_enable=False, colocate_all=False, colocate_actor_ref=False),
    )
    maker = experience_maker.RemoteExperienceMaker(
        group_of_actors(POLICY), None, None, group_of_actors(REFERENCE), SimpleNamespace(value=0.0),
        SimpleNamespace(args=args), SimpleNamespace(pad_token_id=PAD),
    )  # fmt: skip
    generator = object.__new__(samples_generator.SamplesGenerator)
    samples = [generator._process_response_into_experience(response(row), max_len=64) for row in ROWS]
    return maker.make_experience_batch(samples)


def trained(experiences: list) -> object:
    """All rows out of the replay buffer, as its DataLoader collates them."""
    buffer = object.__new__(NaiveReplayBuffer)
    buffer.cpu_offload, buffer.limit, buffer.items = False, 0, []
    buffer.packing_samples = buffer.dynamic_batch = False
    for experience in experiences:
        buffer.append(experience)
    return buffer.collate_fn(buffer.items)


def tensors_of(experience: object) -> dict[str, Tensor]:
    return {name: value for name, value in vars(experience).items() if isinstance(value, Tensor)}


def batches() -> dict[str, dict[str, Tensor]]:
    experiences = made()
    return {"made": tensors_of(experiences[0]), "trained": tensors_of(trained(experiences))}
