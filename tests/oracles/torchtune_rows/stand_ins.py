"""The modules of torchtune that hold its formulas, and statements of its recipes, imported without what they import.

torchtune needs torchao and, through its models and datasets, most of an environment for training. Its formulas need none of
it: empty modules stand in for the packages whose ``__init__`` imports that. A recipe is a script: a formula that stands
inside of one is taken out as it is, a statement at a time.
"""

import ast
import os
import sys
from importlib.machinery import ModuleSpec
from importlib.metadata import distribution
from types import ModuleType

PACKAGES = str(distribution("torchtune").locate_file(""))


def stand_in(name: str, **content: object) -> None:
    """Register an empty module that skips its ``__init__`` but finds the files in it."""
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    module.__path__ = [os.path.join(PACKAGES, *name.split("."))]
    module.__dict__.update(content)
    sys.modules[name] = module


def statement(recipe: str, target: str, **names: object) -> object:
    """What the one assignment to ``target`` in a recipe gives, when its other names are these."""
    with open(os.path.join(PACKAGES, "recipes", recipe)) as file:
        tree = ast.parse(file.read())
    assigned = [
        node for node in ast.walk(tree) if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == target
    ]
    (value,) = (node.value for node in assigned if set(names) >= names_of(node.value))
    return eval(compile(ast.Expression(value), recipe, "eval"), dict(names))


def names_of(expression: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(expression) if isinstance(node, ast.Name)}


for package in ("torchtune", "torchtune.data", "torchtune.modules", "torchtune.training"):
    stand_in(package)

from torchtune.data._common import CROSS_ENTROPY_IGNORE_IDX  # noqa: E402  (after the stand-ins)

sys.modules["torchtune.data"].CROSS_ENTROPY_IGNORE_IDX = CROSS_ENTROPY_IGNORE_IDX
from torchtune import rlhf  # noqa: E402
from torchtune.modules import loss as supervised  # noqa: E402
from torchtune.rlhf import loss  # noqa: E402
from torchtune.training.pooling import get_unmasked_sequence_lengths  # noqa: E402

__all__ = ["CROSS_ENTROPY_IGNORE_IDX", "get_unmasked_sequence_lengths", "loss", "rlhf", "statement", "supervised"]
