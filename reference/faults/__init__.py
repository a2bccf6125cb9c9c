"""Faults on purpose: ``train RECIPE --bug NAME`` trains with one thing wrong, so that its symptoms can be looked at.

    from reference.faults import faulty_recipe, injected
    with injected("mask_off_by_one"):
        train_rl(..., faulty_recipe("mask_off_by_one", RECIPES["grpo"]), ...)

A fault changes options of the recipe, puts another reward in its slot, or replaces one function of the loop by a wrong
one. The loop itself has no branch for it: what is read there is what runs without a fault.
"""

from importlib import import_module
from typing import Any

PLACES = {  # imported when they are asked for: --help reads ``names`` without torch
    "FAULTS": "catalogue",
    "Fault": "fault",
    "fault_named": "inject",
    "faulty_recipe": "inject",
    "injected": "inject",
}


def __getattr__(name: str) -> Any:
    if name not in PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{PLACES[name]}"), name)
