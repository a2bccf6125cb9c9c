"""The engineering of LLM post-training.

``reference.objectives`` holds the formulas, ``reference.world`` the model and the task, ``reference.algorithms`` the
loops. A notebook begins with

    from reference import answer, check, hint, quiz
"""

from importlib import import_module
from typing import Any

__all__ = ["answer", "check", "hint", "mine", "play", "progress", "quiz", "show", "table"]


def __getattr__(name: str) -> Any:
    # Lazy, so that ``import reference`` stays fast and headless training never loads widgets.
    if name in __all__:
        return getattr(import_module("reference.lessons.tools"), name)
    raise AttributeError(f"module 'reference' has no attribute {name!r}")
