"""The modules of AReaL that hold its formulas, imported without what they import.

AReaL needs ray, hydra, SGLang and a platform with a GPU, and the formulas need none of them. Empty modules stand in for the
packages whose ``__init__`` imports all of that, and for what is not installed.
"""

import importlib.util
import logging
import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from importlib.machinery import ModuleSpec
from types import ModuleType


def stand_in(name: str, **content: object) -> None:
    """Register an empty module. For a package of AReaL it skips its ``__init__`` but finds the files in it."""
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    if name.partition(".")[0] == "areal":
        module.__path__ = [os.path.join(PACKAGE, *name.split(".")[1:])]
    module.__dict__.update(content)
    sys.modules[name] = module


def nothing(*args: object, **kwargs: object) -> None:
    """What logs a tensor: AReaL's wants float32, and its losses do not."""


def as_it_is(*args: object, **kwargs: object) -> Callable:
    """A decorator that changes nothing, whatever its arguments are."""
    return lambda function: function


def missing(package: str) -> bool:
    return package not in sys.modules and importlib.util.find_spec(package) is None


(PACKAGE,) = importlib.util.find_spec("areal").submodule_search_locations
for package in ("areal", "areal.engine", "areal.trainer", *(f"areal.trainer.{x}" for x in ("ppo", "dpo", "rw", "sft"))):
    stand_in(package)
stand_in("areal.api", TrainEngine=object)
stand_in("areal.infra", TrainController=object)
stand_in("areal.infra.platforms", current_platform=None, is_npu_available=True)  # on an NPU it compiles nothing
stand_in("areal.infra.rpc")
stand_in("areal.infra.rpc.serialization", serialize_value=None)
stand_in("areal.experimental.training_service.controller.controller", GatewayTrainController=object)
stand_in(
    "areal.engine.fsdp_utils.attn_impl",
    BUILTIN_ATTN_IMPLS=(),
    get_attn_impl_validation_error=None,
    is_valid_attn_impl=lambda name: True,
)
stand_in("areal.utils")
utils = {
    "logging": {"getLogger": logging.getLogger},
    "name_resolve": {},
    "pkg_version": {},
    "perf_tracer": {"trace_perf": as_it_is},
    "stats_tracker": {
        **dict.fromkeys(("denominator", "stat", "scalar"), nothing),
        "scope": lambda name: nullcontext(),
        "scope_func_wrapper": as_it_is,
    },
    "seqpack": {"PACKING_ALGORITHMS": ("ffd",), "get_allocate_fn": None, "flat2d": None},  # the default of a config
}
for name, content in utils.items():
    stand_in(f"areal.utils.{name}", **content)
    setattr(sys.modules["areal.utils"], name, sys.modules[f"areal.utils.{name}"])
if missing("uvloop"):
    stand_in("uvloop", install=lambda: None)
if missing("omegaconf"):
    stand_in("omegaconf", **dict.fromkeys(("MISSING", "DictConfig", "OmegaConf")))
if missing("hydra"):
    stand_in("hydra", compose=None, initialize=None)
    stand_in("hydra.core")
    stand_in("hydra.core.global_hydra", GlobalHydra=None)
if missing("einops"):
    stand_in("einops", rearrange=None)
if missing("torchdata"):
    stand_in("torchdata")
    stand_in("torchdata.stateful_dataloader", StatefulDataLoader=object)

from areal.api.cli_args import NormConfig, PPOActorConfig, RejectionSamplingConfig  # noqa: E402  (after the stand-ins)
from areal.trainer.dpo.dpo_engine import compute_dpo_loss  # noqa: E402
from areal.trainer.ppo import actor, critic  # noqa: E402
from areal.trainer.rw.rw_engine import compute_rw_loss  # noqa: E402
from areal.trainer.sft.lm_engine import compute_packed_sft_loss  # noqa: E402
from areal.utils import data, functional  # noqa: E402
from areal.utils.functional import vocab_parallel  # noqa: E402

__all__ = [
    "NormConfig",
    "PPOActorConfig",
    "RejectionSamplingConfig",
    "actor",
    "compute_dpo_loss",
    "compute_packed_sft_loss",
    "compute_rw_loss",
    "critic",
    "data",
    "functional",
    "vocab_parallel",
]
