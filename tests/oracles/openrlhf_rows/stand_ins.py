"""The modules of OpenRLHF that hold its formulas, imported without what they import.

OpenRLHF needs deepspeed, flash-attn and vLLM, which want a GPU, but its formulas need none of them: empty modules stand
in for what imports them.
"""

import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

os.environ["TORCH_COMPILE_DISABLE"] = "1"  # compute_entropy is compiled; its formula is what is wanted, not a compiler


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
from openrlhf.trainer.ppo_utils.kl_controller import AdaptiveKLController  # noqa: E402
from openrlhf.trainer.ppo_utils.length_penalty import apply_overlong_penalty  # noqa: E402

sys.modules["openrlhf.models"].DPOLoss = loss.DPOLoss
from openrlhf.trainer.dpo_trainer import DPOTrainer  # noqa: E402

__all__ = ["AdaptiveKLController", "DPOTrainer", "RemoteExperienceMaker", "apply_overlong_penalty", "loss", "utils"]
