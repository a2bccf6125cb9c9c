"""The two forms in which Gao et al. (2210.10760, eq. 1) write gold against the distance from the base model."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch

from reference.objectives.shapes import InputError

Form = Literal["best of n", "RL"]


class Fit(NamedTuple):
    """start + d (alpha - beta d) for best of n, start + d (alpha - beta log d) for RL; d is the root of the KL."""

    form: Form
    start: float
    alpha: float
    beta: float
    error: float  # root of the mean squared difference from the points

    def __call__(self, distance: float) -> float:
        """Gold at a distance, in the unit of the points."""
        if distance == 0:
            return self.start
        bend = distance if self.form == "best of n" else math.log(distance)
        return self.start + distance * (self.alpha - self.beta * bend)

    @property
    def peak(self) -> float | None:
        """The distance at which gold is largest; None where the form has no peak."""
        if self.beta <= 0 or (self.form == "best of n" and self.alpha <= 0):
            return None
        return self.alpha / (2 * self.beta) if self.form == "best of n" else math.exp(self.alpha / self.beta - 1)


def fit(kl: Sequence[float], gold: Sequence[float], *, form: Form, up_to: float = math.inf) -> Fit:
    """Least squares for start, alpha and beta of a form, all points counting alike.

    ``kl``: nats per completion, at least 0. ``up_to``: points with a larger KL are left out. The paper's gold is a reward
    that may fall without end; ours is a share, which cannot be below 0, so that far from the base model no form fits. The
    paper subtracts the gold of the initial policy; here it is fitted too, since one step of a run knows it badly. Raises
    ``InputError`` for fewer than 3 distances, a KL below 0, and another form.
    """
    near = [(x, y) for x, y in zip(kl, gold, strict=True) if x <= up_to]
    kl, gold = [x for x, _ in near], [y for _, y in near]
    if form not in ("best of n", "RL"):
        raise InputError(f"form is {form!r}: use 'best of n' or 'RL'")
    if len(set(kl)) < 3 or min(kl) < 0:
        raise InputError(f"kl is {kl}: a fit needs at least 3 different distances, none below 0")
    d = torch.tensor(kl, dtype=torch.float64).sqrt()
    bend = d * d if form == "best of n" else torch.special.xlogy(d, d)
    columns, y = torch.stack([torch.ones_like(d), d, -bend], dim=1), torch.tensor(gold, dtype=torch.float64)
    found = torch.linalg.lstsq(columns, y).solution
    error = (columns @ found - y).square().mean().sqrt()
    return Fit(form, *found.tolist(), error.item())
