"""The KL to the reference: its estimators, one entry for each, and whether a recipe has a reference at all."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from reference.algorithms.recipes import Recipe
from reference.algorithms.registry import entry_of
from reference.objectives import kl_abs, kl_k1, kl_k2, kl_k3, kl_unbiased


@dataclass(frozen=True)
class KLEstimator:
    """A KL per token: its function, and what the rest of the package asks about it."""

    function: Callable[[Tensor, Tensor, Tensor], Tensor]  # of logp, ref, old, each (rows, pred) -> (rows, pred)
    words: str  # for the comparison table
    weighted: bool = False  # by the ratio to the policy that sampled


KL = {
    "k1": KLEstimator(lambda logp, ref, old: kl_k1(logp, ref), "log-ratio"),
    "k2": KLEstimator(lambda logp, ref, old: kl_k2(logp, ref), "half the squared log-ratio"),
    "k3": KLEstimator(lambda logp, ref, old: kl_k3(logp, ref), "never negative"),
    "abs": KLEstimator(lambda logp, ref, old: kl_abs(logp, ref), "absolute log-ratio"),
    "k3_unbiased": KLEstimator(
        lambda logp, ref, old: kl_unbiased(logp, ref, old, estimator="k3"), "k3 times the ratio", weighted=True
    ),
}


def kl_of(r: Recipe) -> KLEstimator:
    """The recipe's estimator. ``logp`` is the policy's, ``ref`` the reference's, ``old`` that of the policy that sampled."""
    return KLEstimator(r.kl, "a function of your own") if callable(r.kl) else entry_of(KL, r.kl, "kl")


def needs_reference(r: Recipe) -> bool:
    """Whether a recipe of reinforcement learning keeps a reference: to charge a KL to it, or to measure it only."""
    return bool(r.kl_coef) or r.kl_place == "measure"
