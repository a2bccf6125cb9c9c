"""What is recorded of verl and of OpenRLHF alike: written once, so that both are asked the same.

Imports torch only, so that the recording scripts can use it where `reference` is not installed.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .cases import GROUP, KL_COEF, KL_HORIZON, KL_TARGET, TEMPERATURE, Case, observed_kls
from .records import Row

GATE = 0.21  # a divergence of two probabilities
SCORE_RANGE = (-0.5, 0.5)  # outside of which some of the scores are


def values_on_mask(x: Tensor, case: Case) -> Tensor:
    """0 elsewhere: what a framework leaves at masked positions is not compared, because it never reads it."""
    return torch.where(case.mask, x, 0.0)


def logprob_rows(name: str, logprobs: Callable[[Tensor, Case, float], Tensor]) -> dict[str, Row]:
    """Log-probs in float64, at another temperature, and of bfloat16 logits."""
    return {
        name: Row("logits", lambda x, c: logprobs(x, c, 1.0)),
        f"{name}, temperature": Row("logits", lambda x, c: logprobs(x, c, TEMPERATURE)),
        f"{name}, bfloat16": Row("logits", lambda x, c: logprobs(x.bfloat16(), c, 1.0).float(), ("ragged",)),
    }


def kl_controller_row(controller_class: type) -> Row:
    """The coefficient after each of a series of observed KLs. Their controllers have the same arguments and methods."""

    def coefs(rewards: Tensor, case: Case) -> Tensor:
        controller = controller_class(KL_COEF, KL_TARGET, KL_HORIZON)
        coefs = []
        for observed in observed_kls(rewards):
            controller.update(observed, n_steps=GROUP)
            coefs.append(controller.value)
        return torch.tensor(coefs, dtype=torch.float64)

    return Row("rewards", coefs, ("full",))
