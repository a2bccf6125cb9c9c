"""The modules of ART that hold its formulas, imported without what they import.

ART needs clients of models and unsloth, which wants a GPU, but its formulas need none of them: empty modules stand in for
what imports them, and one function of its trainer is taken out alone.
"""

import ast
import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import torch

(PACKAGE,) = importlib.util.find_spec("art").submodule_search_locations


def stand_in(name: str, **content: object) -> None:
    """Register an empty module. For a package of ART it skips its ``__init__`` but finds the files in it."""
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    if name.startswith("art"):
        module.__path__ = [str(Path(PACKAGE, *name.split(".")[1:]))]
    module.__dict__.update(content)
    sys.modules[name] = module


for name in ("openai", "openai.types", "openai.types.chat"):
    stand_in(name)
stand_in("openai.types.chat.chat_completion", Choice=object)
stand_in("PIL", Image=object)
stand_in("art")
stand_in("art.utils")
stand_in("art.dev", TrainConfig=dict)
stand_in("art.types", MessagesAndChoices=list, Verbosity=int)
stand_in("art.trajectories", **dict.fromkeys(("History", "Trajectory", "TrajectoryGroup", "get_messages"), dict))

from art import loss  # noqa: E402  (after the stand-ins)
from art.preprocessing import pack, tokenize  # noqa: E402


def function_alone(file: str, name: str) -> Callable:
    """One function of a module that imports a trainer: it needs torch alone."""
    body = ast.parse(Path(PACKAGE, file).read_text()).body
    (function,) = (x for x in body if isinstance(x, ast.FunctionDef) and x.name == name)
    home = ModuleType(name)
    home.__dict__["torch"] = torch
    exec(compile(ast.Module([function], []), file, "exec"), home.__dict__)
    return getattr(home, name)


calculate_logprobs = function_alone("unsloth/train.py", "_calculate_logprobs")

__all__ = ["calculate_logprobs", "loss", "pack", "tokenize"]
