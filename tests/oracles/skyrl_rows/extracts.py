"""What the trainer and the worker of SkyRL compute: their modules import a whole cluster, so it is taken out of them."""

import ast
import typing
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import torch

from .stand_ins import PACKAGE, TrainingInputBatch, ppo_utils


def taken_out(module: str, path: str, **needs: object) -> Callable:
    """A function, or ``Class.method``, of a module of SkyRL that imports a whole cluster, with what this one needs."""
    file = Path(PACKAGE, *module.split(".")).with_suffix(".py")
    body = ast.parse(file.read_text()).body
    for name in path.split("."):
        (found,) = (x for x in body if isinstance(x, ast.ClassDef | ast.FunctionDef) and x.name == name)
        body = found.body
    home = ModuleType(path)
    home.__dict__.update(vars(typing) | vars(ppo_utils) | needs)
    exec(compile(ast.Module([found], []), str(file), "exec"), home.__dict__)
    return getattr(home, found.name)


def torch_without_cuda() -> ModuleType:
    """torch, but for the number of the current GPU, which the worker asks for."""
    module = ModuleType("torch")
    module.__dict__.update(vars(torch))
    module.cuda = SimpleNamespace(current_device=lambda: "cpu")
    return module


apply_overlong_filtering = taken_out("train.generators.utils", "apply_overlong_filtering")
zero_variance_filter = taken_out("train.utils.trainer_utils", "zero_variance_filter", defaultdict=defaultdict)
apply_reward_kl_penalty = taken_out(
    "train.trainer", "RayPPOTrainer.apply_reward_kl_penalty", TrainingInputBatch=TrainingInputBatch
)
normalize_advantages = taken_out(
    "train.trainer", "RayPPOTrainer._normalize_advantages", TrainingInputBatch=TrainingInputBatch
)
forward_backward_micro = taken_out(
    "backends.skyrl_train.workers.worker",
    "PolicyWorkerBase._forward_backward_micro",
    torch=torch_without_cuda(),
    Experience=object,
    compute_minibatch_rollout_logprob_diff_metrics=lambda *_: {},
)
postprocess_generator_output = taken_out(
    "train.trainer",
    "RayPPOTrainer.postprocess_generator_output",
    GeneratorOutput=dict,
    zero_variance_filter=zero_variance_filter,
    get_metrics_from_generator_output=lambda *_: dict.fromkeys(("pass_at_n", "avg_score", "mean_positive_reward")),
)
build_per_token_rewards = taken_out(
    "train.generators.skyrl_gym_generator", "SkyRLGymGenerator._build_per_token_rewards"
)
