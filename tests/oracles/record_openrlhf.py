"""Evaluate OpenRLHF's own functions on the cases and write values and gradients to fixtures/openrlhf-VERSION.json.

OpenRLHF needs deepspeed, flash-attn and vLLM, which want a GPU, but its formulas need none of them: empty modules stand
in for what imports them. In an environment of its own, from the repository root:

    python3.11 -m venv /tmp/oracles && /tmp/oracles/bin/pip install torch
    /tmp/oracles/bin/pip install --no-deps openrlhf==0.11.2
    /tmp/oracles/bin/pip install ray transformers==5.23.0
    cd tests && /tmp/oracles/bin/python -m oracles.record_openrlhf
"""

import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec
from importlib.metadata import version
from types import ModuleType, SimpleNamespace

os.environ["TORCH_COMPILE_DISABLE"] = "1"  # compute_entropy is compiled; its formula is what is wanted, not a compiler

import torch
from torch import Tensor

from .cases import (
    CLIP_HIGH,
    CLIP_LOW,
    GLOBAL_SEQUENCES,
    GLOBAL_TOKENS,
    GROUP,
    ORDINARY,
    PROCESSES,
    TEMPERATURE,
    Case,
    Row,
    evaluate_all,
    make_cases,
    save,
)


def stand_in(name: str, **content: object) -> None:
    """Register an empty module. For a package of OpenRLHF it skips its ``__init__`` but finds the files in it."""
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    if name.startswith("openrlhf."):
        module.__path__ = [os.path.join(PACKAGE, *name.split(".")[1:])]
    module.__dict__.update(content)
    sys.modules[name] = module


(PACKAGE,) = importlib.util.find_spec("openrlhf").submodule_search_locations
if importlib.util.find_spec("deepspeed") is None:
    stand_in("deepspeed")
stand_in("openrlhf.models")
stand_in("openrlhf.utils")
stand_in("openrlhf.trainer.ray")
stand_in("openrlhf.trainer.ray.launcher", RayActorGroup=object)

from openrlhf.models import loss, utils  # noqa: E402  (after the stand-ins)
from openrlhf.trainer.ppo_utils.experience_maker import RemoteExperienceMaker  # noqa: E402


def logprobs(logits: Tensor, case: Case, temperature: float = 1.0) -> Tensor:
    return utils.log_probs_from_logits(logits[:, :-1], case.tokens[:, 1:], temperature)


def aggregate(*, token_level: bool, **options: int) -> Row:
    def function(token_loss: Tensor, case: Case) -> Tensor:
        return loss.aggregate_loss(token_loss, case.mask, token_level, **options)

    return Row("token_loss", function)


def kl(logprobs: Tensor, case: Case) -> Tensor:
    return utils.compute_approx_kl(logprobs, case.ref, kl_estimator="k3")


def policy_loss(
    *, token_level: bool = True, dual_clip: float | None = None, output: int = 0, cases: tuple = ORDINARY
) -> Row:
    """``output``: 0 the loss, 1 the clip ratio, 2 ppo_kl."""

    def function(logprobs: Tensor, case: Case) -> Tensor:
        policy = loss.PolicyLoss(CLIP_LOW, CLIP_HIGH, dual_clip, token_level)
        return policy(logprobs, case.old, case.advantages, case.mask)[output]

    return Row("logprobs", function, cases)


def group_statistics(estimator: str, rewards: Tensor) -> SimpleNamespace:
    """OpenRLHF's experience maker, with as much of a trainer around it as its advantages need."""
    args = SimpleNamespace(
        algo=SimpleNamespace(advantage=SimpleNamespace(estimator=estimator, gamma=1.0, no_std_norm=False)),
        rollout=SimpleNamespace(n_samples_per_prompt=GROUP),
        reward=SimpleNamespace(clip_range=None, overlong_buffer_len=None, stop_properly_penalty_coef=None),
    )
    maker = object.__new__(RemoteExperienceMaker)
    maker.strategy, maker.args, maker.advantage_estimator = SimpleNamespace(args=args), args, estimator
    maker.kl_ctl = SimpleNamespace(value=0.0)
    experience = SimpleNamespace(
        rewards=rewards,
        index=list(range(len(rewards))),
        kl=torch.zeros_like(rewards)[:, None],
        action_mask=torch.ones(len(rewards), 1, dtype=torch.bool),
        info={},
    )
    return maker.compute_advantages_and_returns([experience])[0]


ROWS = {
    "log_probs_from_logits": Row("logits", logprobs),
    "log_probs_from_logits, temperature": Row("logits", lambda x, c: logprobs(x, c, TEMPERATURE)),
    "log_probs_from_logits, bfloat16": Row("logits", lambda x, c: logprobs(x.bfloat16(), c).float(), ("ragged",)),
    "compute_entropy": Row("logits", lambda x, c: utils.compute_entropy(x[:, :-1])),
    "masked_mean": Row("token_loss", lambda x, c: utils.masked_mean(x, c.mask)),
    "aggregate_loss token": aggregate(token_level=True),
    "aggregate_loss token, global": aggregate(token_level=True, batch_num_tokens=GLOBAL_TOKENS, dp_size=PROCESSES),
    "aggregate_loss sequence": aggregate(token_level=False),
    "aggregate_loss sequence, global": aggregate(
        token_level=False, global_batch_size=GLOBAL_SEQUENCES, dp_size=PROCESSES
    ),
    "compute_approx_kl k3": Row("logprobs", kl, (*ORDINARY, "far")),
    "group_norm advantages": Row("rewards", lambda x, c: group_statistics("group_norm", x).advantages[:, 0]),
    "dr_grpo advantages": Row("rewards", lambda x, c: group_statistics("dr_grpo", x).advantages[:, 0]),
    "group_reward_std": Row("rewards", lambda x, c: group_statistics("group_norm", x).info["group_reward_std"]),
    "PolicyLoss": policy_loss(cases=(*ORDINARY, "far")),
    "PolicyLoss sequence": policy_loss(token_level=False),
    "PolicyLoss clip_ratio": policy_loss(output=1),
    "PolicyLoss ppo_kl": policy_loss(output=2),
    "PolicyLoss, dual clip": policy_loss(dual_clip=3.0, cases=("far",)),
    "SFTLoss": Row("logprobs", lambda x, c: loss.SFTLoss()(x, c.mask)),
}


def record() -> tuple[str, dict[str, dict]]:
    return version("openrlhf"), evaluate_all(ROWS, make_cases())


if __name__ == "__main__":
    number, records = record()
    print(save("openrlhf", number, records, make_cases()))
