"""What a reward model has learned, seen by length: how often the right one of two completions gets the larger reward."""

import itertools
from typing import NamedTuple

import torch
from torch import Tensor

from reference.evaluation.statistics import wilson_interval
from reference.objectives.shapes import Float, InputError, Int, require_finite, typed

EDGES = (-20, -5, 6, 21)  # tokens; the middle bucket is about equally long


class Bucket(NamedTuple):
    """Pairs whose right completion is longer by at least ``least`` and less than ``below`` tokens (None: no limit)."""

    least: int | None
    below: int | None
    pairs: int
    share: float | None  # of them in which the right one gets the larger reward; None without pairs
    low: float  # Wilson interval, 95 %
    high: float

    def __str__(self) -> str:
        if self.least is None or self.below is None:
            where = (
                f"{-self.below + 1} tokens shorter or more"
                if self.below is not None
                else f"{self.least} tokens longer or more"
            )
        else:
            where = f"{self.least:+d} to {self.below - 1:+d} tokens"
        found = (
            "no pair"
            if self.share is None
            else f"{self.share:6.1%} [{self.low:.1%}, {self.high:.1%}]   (n = {self.pairs})"
        )
        return f"the right one {where:24} {found}"


@typed
def accuracy_by_length(
    margins: Float[Tensor, " pairs"], longer_by: Int[Tensor, " pairs"], *, edges: tuple[int, ...] = EDGES
) -> list[Bucket]:
    """The share of pairs that a reward model gets right, for pairs of like difference in length.

        share of margins > 0 among pairs with least <= longer_by < below          from edge to edge

    ``margins``: reward of the right completion less that of the wrong one; 0 is not right. ``longer_by``: tokens of the
    right one less those of the wrong one. A model that judges the work gets every bucket right; one that judges the
    length is below one half where the right one is shorter. Its share over all pairs does not tell them apart where
    right completions are mostly longer. Raises ``InputError`` for edges that do not rise, and margins not finite.
    """
    require_finite(margins, "margins")
    if list(edges) != sorted(set(edges)):
        raise InputError(f"edges is {edges}, expected numbers of tokens that rise, each once")
    limits = [None, *edges, None]
    return [bucket_of(margins, longer_by, low, high) for low, high in itertools.pairwise(limits)]


def bucket_of(margins: Tensor, longer_by: Tensor, least: int | None, below: int | None) -> Bucket:
    inside = torch.ones_like(longer_by, dtype=torch.bool)
    if least is not None:
        inside &= longer_by >= least
    if below is not None:
        inside &= longer_by < below
    pairs, wins = int(inside.sum()), int((margins[inside] > 0).sum())
    if not pairs:
        return Bucket(least, below, 0, None, 0.0, 1.0)
    return Bucket(least, below, pairs, wins / pairs, *wilson_interval(wins / pairs, pairs))
