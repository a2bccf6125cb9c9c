"""Carrying what was written in an exercise into a training loop: the learner's function once it is right."""

from collections.abc import Callable

from .check import judge
from .help import find

INSTEAD = {
    "not attempted": "not attempted yet, so the reference stands in",
    "mistake": "yours does not pass its check yet, so the reference stands in",
    "wrong": "yours does not pass its check yet, so the reference stands in",
}


def mine(function: Callable, name: str) -> Callable:
    """``function`` if it passes the check of the exercise ``name``, else the reference. Prints which.

    replace(RECIPES["grpo"], loss=lambda logp, e, r: policy_loss(logp, e.old_logprobs, e.advantages))

    with ``policy_loss = mine(ppo_clip_loss, "ppo_clip_loss")`` trains with the function of the notebook, and a notebook
    that was not solved still runs to its end.
    """
    exercise = find(name)
    status = judge(name, function).status
    if status == "passed":
        print(f"✓ {name}: training with yours.")
        return function
    print(f"○ {name}: {INSTEAD[status]}.")
    return exercise.reference
