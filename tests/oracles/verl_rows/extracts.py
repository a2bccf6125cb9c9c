"""Functions of verl whose modules import a whole cluster: taken out alone, with what they need."""

import ast
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import torch
from tensordict import TensorDict
from verl import DataProto
from verl.trainer.ppo import core_algos
from verl.utils import torch_functional as verl_F
from verl.utils.metric import AggregationType, Metric


def function_alone(module: str, name: str, **needs: object) -> Callable:
    """One function of a module of verl that imports a whole cluster, with what this function needs."""
    source = Path(importlib.util.find_spec(module).origin).read_text()
    (function,) = (x for x in ast.parse(source).body if isinstance(x, ast.FunctionDef) and x.name == name)
    home = ModuleType(name)
    home.__dict__.update(needs)
    exec(compile(ast.Module([function], []), module, "exec"), home.__dict__)
    return getattr(home, name)


apply_kl_penalty = function_alone(
    "verl.trainer.ppo.ray_trainer",
    "apply_kl_penalty",
    core_algos=core_algos,
    masked_mean=verl_F.masked_mean,
    torch=torch,
    DataProto=DataProto,
)
ppo_loss = function_alone(
    "verl.workers.utils.losses",
    "ppo_loss",
    **vars(core_algos),
    TensorDict=TensorDict,
    AggregationType=AggregationType,
    Metric=Metric,
    no_padding_2_padding=lambda x, data: x,
)
