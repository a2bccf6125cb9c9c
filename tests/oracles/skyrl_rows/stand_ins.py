"""The modules of SkyRL that hold its formulas, imported without what they import.

SkyRL needs ray, a package of environments and vLLM, but its formulas need none of them: empty modules stand in for what
imports them.
"""

import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

(PACKAGE,) = importlib.util.find_spec("skyrl").submodule_search_locations


def stand_in(name: str, **content: object) -> None:
    """Register an empty module. For a package of SkyRL it skips its ``__init__`` but finds the files in it."""
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    if name.startswith("skyrl."):
        module.__path__ = [os.path.join(PACKAGE, *name.split(".")[1:])]
    module.__dict__.update(content)
    sys.modules[name] = module


if importlib.util.find_spec("ray") is None:
    stand_in("ray", remote=lambda actor: actor, is_initialized=lambda: False)
for name in ("skyrl.backends", "skyrl.backends.skyrl_train", "skyrl.backends.skyrl_train.utils", "skyrl.train"):
    stand_in(name)
for name in ("skyrl_gym", "skyrl_gym.envs", "skyrl_gym.envs.search", "skyrl_gym.envs.sql"):
    stand_in(name)
stand_in("skyrl_gym.envs.search.env", SearchEnvConfig=type("SearchEnvConfig", (), {}))
stand_in("skyrl_gym.envs.sql.env", Text2SQLEnvConfig=type("Text2SQLEnvConfig", (), {}))

from skyrl.backends.skyrl_train.mtp import soft_ce  # noqa: E402  (after the stand-ins)
from skyrl.backends.skyrl_train.training_batch import TrainingInputBatch  # noqa: E402
from skyrl.backends.skyrl_train.utils import off_policy_correction_utils, ppo_utils, torch_utils  # noqa: E402
from skyrl.train.config import AlgorithmConfig, OffPolicyCorrectionConfig  # noqa: E402

ppo_utils.logger.disable("skyrl")  # a warning for each group of one, and for each reduction that a paper does not have

__all__ = [
    "PACKAGE",
    "AlgorithmConfig",
    "OffPolicyCorrectionConfig",
    "TrainingInputBatch",
    "off_policy_correction_utils",
    "ppo_utils",
    "soft_ce",
    "torch_utils",
]
