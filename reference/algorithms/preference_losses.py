"""Preference losses: how a pair of completions trains. One entry for each, with all that is true of it."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from reference.algorithms.data import PairLogprobs
from reference.algorithms.recipes import Recipe
from reference.algorithms.registry import entry_of, options_in
from reference.objectives import (
    cdpo_loss,
    dpo_loss,
    hinge_loss,
    ipo_loss,
    kto_loss,
    orpo_loss,
    robust_dpo_loss,
    simpo_loss,
)


@dataclass(frozen=True)
class PreferenceLoss:
    """A loss per pair: its function, and what the rest of the package asks about it."""

    function: Callable[[PairLogprobs, Recipe], Tensor]  # -> (pairs,)
    words: str  # for the comparison table
    reads: tuple[str, ...] = ()  # options of the recipe that not every loss reads
    reference: bool = True  # reads the log-probs of a reference
    kl: bool = False  # reads ``PairLogprobs.kl``, for which completions are put under other prompts


def dpo(p: PairLogprobs, r: Recipe) -> Tensor:
    return dpo_loss(p.chosen, p.rejected, p.ref_chosen, p.ref_rejected, beta=r.beta)


def ipo(p: PairLogprobs, r: Recipe) -> Tensor:
    """On summed log-probs, as in the paper."""
    return ipo_loss(p.chosen, p.rejected, p.ref_chosen, p.ref_rejected, beta=r.beta)


def cdpo(p: PairLogprobs, r: Recipe) -> Tensor:
    noise = r.label_smoothing
    return cdpo_loss(p.chosen, p.rejected, p.ref_chosen, p.ref_rejected, beta=r.beta, label_smoothing=noise)


def robust_dpo(p: PairLogprobs, r: Recipe) -> Tensor:
    noise = r.label_smoothing
    return robust_dpo_loss(p.chosen, p.rejected, p.ref_chosen, p.ref_rejected, beta=r.beta, label_smoothing=noise)


def hinge(p: PairLogprobs, r: Recipe) -> Tensor:
    return hinge_loss(p.chosen, p.rejected, p.ref_chosen, p.ref_rejected, beta=r.beta)


def simpo(p: PairLogprobs, r: Recipe) -> Tensor:
    return simpo_loss(p.chosen_average, p.rejected_average, beta=r.beta, gamma=r.target_margin)


def orpo(p: PairLogprobs, r: Recipe) -> Tensor:
    return orpo_loss(p.chosen_average, p.rejected_average, beta=r.beta)


def kto(p: PairLogprobs, r: Recipe) -> Tensor:
    """KTO knows no pairs, so this is the mean over both completions; as many are good as bad, so their weights are 1."""
    good = torch.ones_like(p.chosen, dtype=torch.bool)
    of_chosen = kto_loss(p.chosen, p.ref_chosen, good, p.kl, beta=r.beta)
    return (of_chosen + kto_loss(p.rejected, p.ref_rejected, ~good, p.kl, beta=r.beta)) / 2


PREFERENCE_LOSSES = {
    "dpo": PreferenceLoss(dpo, "-log sigmoid of the margin"),
    "ipo": PreferenceLoss(ipo, "squared distance of the margin from 1 / (2 beta)"),
    "cdpo": PreferenceLoss(cdpo, "DPO with a share of labels wrong", reads=("label_smoothing",)),
    "robust_dpo": PreferenceLoss(robust_dpo, "DPO, unbiased under wrong labels", reads=("label_smoothing",)),
    "hinge": PreferenceLoss(hinge, "max(0, 1 - margin)"),
    "simpo": PreferenceLoss(simpo, "DPO of average log-probs, with a margin to reach", ("target_margin",), reference=False),
    "orpo": PreferenceLoss(orpo, "-log sigmoid of the log odds ratio", reference=False),
    "kto": PreferenceLoss(kto, "each completion against a reference point", kl=True),
}  # fmt: skip


def preference_loss_of(r: Recipe) -> PreferenceLoss:
    """The recipe's loss. A function of your own may read every option, the reference and the KL where they are there."""
    if callable(r.loss):
        return PreferenceLoss(r.loss, "a function of your own", options_in(PREFERENCE_LOSSES), kl=True)
    return entry_of(PREFERENCE_LOSSES, r.loss, "loss")
