"""The engineering of LLM post-training.

``reference.objectives`` holds the formulas, ``reference.world`` the model and the task, ``reference.algorithms`` the
loops. A notebook begins with

    from reference import answer, check, hint, quiz
"""

from importlib import import_module
from typing import Any

_SHORTCUTS = {"check": "check", "hint": "help", "answer": "help", "quiz": "quiz", "play": "play", "show": "show"}

__all__ = ["answer", "check", "hint", "play", "quiz", "show"]


def __getattr__(name: str) -> Any:
    # Lazy, so that ``import reference`` stays fast and headless training never loads widgets.
    if name in _SHORTCUTS:
        module = import_module(f"reference.teaching.{_SHORTCUTS[name]}")
        return module if name == "play" else getattr(module, name)
    raise AttributeError(f"module 'reference' has no attribute {name!r}")
