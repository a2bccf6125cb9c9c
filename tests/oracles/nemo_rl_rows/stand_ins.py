"""The modules of NeMo-RL that hold its formulas, imported without what they import.

NeMo-RL needs ray, vLLM and Megatron, which want a cluster, but its formulas need none of them: empty modules stand in
for those of its own modules that import them, and functions of its trainers are taken out alone.
"""

import ast
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor


def stand_in(name: str, **content: object) -> None:
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    module.__dict__.update(content)
    sys.modules[name] = module


stand_in("nemo_rl.models.policy", TokenizerConfig=dict)
stand_in("nemo_rl.models.dtensor.parallelize", to_local_if_dtensor=lambda x: x)
stand_in("nemo_rl.utils.logger", Logger=object)

from nemo_rl.algorithms import advantage_estimator, reward_functions, utils  # noqa: E402  (after the stand-ins)
from nemo_rl.algorithms.loss import loss_functions  # noqa: E402
from nemo_rl.distributed import model_utils  # noqa: E402
from nemo_rl.distributed.batched_data_dict import BatchedDataDict  # noqa: E402

ALGORITHMS = Path(utils.__file__).parent


def function_alone(file: str, name: str, **needs: object) -> Callable:
    """One function of a trainer that imports a whole cluster, with what this function needs; annotations left out."""
    (function,) = (
        x for x in ast.parse((ALGORITHMS / file).read_text()).body if isinstance(x, ast.FunctionDef) and x.name == name
    )
    home = ModuleType(name)
    home.__dict__.update(needs)
    future = ast.parse("from __future__ import annotations").body
    exec(compile(ast.Module([*future, function], []), file, "exec"), home.__dict__)
    return getattr(home, name)


class OnCpu(torch.Tensor):
    """Tokens that stay where they are: the log-probs ask for them on a GPU."""

    def cuda(self) -> Tensor:  # type: ignore[override]
        return self.as_subclass(torch.Tensor)


__all__ = [
    "BatchedDataDict",
    "OnCpu",
    "advantage_estimator",
    "function_alone",
    "loss_functions",
    "model_utils",
    "reward_functions",
    "utils",
]
