"""Faults on purpose: ``train RECIPE --bug NAME`` trains with one thing wrong, so that its symptoms can be looked at.

    from reference.faults import faulty_recipe, injected
    with injected("mask_off_by_one"):
        train_rl(..., faulty_recipe("mask_off_by_one", RECIPES["grpo"]), ...)

A fault changes options of the recipe, puts another reward in its slot, or replaces one function of the loop by a wrong
one. The loop itself has no branch for it: what is read there is what runs without a fault.
"""

from reference.faults.catalogue import FAULTS
from reference.faults.fault import Fault
from reference.faults.inject import fault_named, faulty_recipe, injected

__all__ = ["FAULTS", "Fault", "fault_named", "faulty_recipe", "injected"]
