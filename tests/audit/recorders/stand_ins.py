"""Empty modules in the place of what a framework imports and these batches do not need: engines, kernels, environments."""

import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

STANDING: set[str] = set()


def stand_in(name: str, **content: object) -> None:
    """Register an empty module. For a package that is installed it skips its ``__init__`` but finds the files in it."""
    package, *inside = name.split(".")
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    if inside and package not in STANDING:
        (folder,) = importlib.util.find_spec(package).submodule_search_locations
        module.__path__ = [os.path.join(folder, *inside)]
    STANDING.add(name)
    module.__dict__.update(content)
    sys.modules[name] = module
