"""What axolotl's own GRPO trainer computes, taken out of a module that imports a server of models and TRL.

That trainer is used with ``async_prefetch`` or ``use_data_producer``; without them axolotl runs TRL's.
"""

import ast
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

(PACKAGE,) = importlib.util.find_spec("axolotl").submodule_search_locations
TRAINER = "core/trainers/grpo/async_trainer.py"


def parsed(file: str) -> list[ast.stmt]:
    return ast.parse(Path(PACKAGE, file).read_text()).body


def compiled(function: ast.FunctionDef, **needs: object) -> Callable:
    function.decorator_list = []
    home = ModuleType(function.name)
    home.__dict__.update(needs, torch=torch)
    future = ast.parse("from __future__ import annotations").body
    exec(compile(ast.Module([*future, function], []), function.name, "exec"), home.__dict__)
    return getattr(home, function.name)


def method(name: str) -> ast.FunctionDef:
    (trainer,) = (x for x in parsed(TRAINER) if isinstance(x, ast.ClassDef) and x.name == "AsyncGRPOTrainer")
    (found,) = (x for x in trainer.body if isinstance(x, ast.FunctionDef) and x.name == name)
    return found


def block(name: str, test: str, arguments: str, result: str) -> Callable:
    """The ``if`` of a method of the trainer with these words in its condition, as a function of the names it reads."""
    (found,) = (x for x in method(name).body if isinstance(x, ast.If) and test in ast.unparse(x.test))
    (function,) = ast.parse(f"def block({arguments}): return {result}").body
    assert isinstance(function, ast.FunctionDef)
    function.body = [found, *function.body]
    return compiled(ast.fix_missing_locations(function), nanstd=nanstd)


def nanstd(x: Tensor, dim: int, keepdim: bool) -> Tensor:
    """TRL's, for rewards of which none is NaN."""
    return x.std(dim=dim, keepdim=keepdim)


def metric(x: Tensor) -> Tensor:
    """What is logged is not recorded."""
    return x


def function_alone(file: str, name: str, **needs: Any) -> Callable:
    (function,) = (x for x in parsed(file) if isinstance(x, ast.FunctionDef) and x.name == name)
    return compiled(function, **needs)


compute_loss = compiled(method("_compute_loss"), nanmin=metric, nanmax=metric)
get_off_policy_mask = compiled(method("get_off_policy_mask"))
sampler_ratio = block(
    "_compute_deferred_scores",
    "vllm_importance_sampling_correction",
    "self, old_per_token_logps, completion_mask, data",
    "data['importance_sampling_ratio']",
)
advantages_of = block(
    "_compute_deferred_scores",
    "multi_objective_aggregation",
    "self, rewards_per_func, num_generations, device",
    "advantages",
)
eaft_loss = function_alone("monkeypatch/loss/eaft.py", "eaft_loss", F=torch.nn.functional)
