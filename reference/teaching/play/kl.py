"""Widgets of notebook 02."""

import ipywidgets as widgets

from reference.teaching import controls
from reference.teaching.controls import LABEL, WIDE, box, dial

from ..figures.kl import figure_kl_batches, figure_kl_curves, figure_kl_follow


def kl_batches(shift: float = -0.3, samples: int = 32) -> None:
    """Move one logit of the policy: the mean and the spread of k1, k2 and k3 beside the exact KL."""
    controls.interact(
        lambda shift, samples: figure_kl_batches(shift=shift, samples=samples),
        shift=dial("logit of C", shift, -5.0, 4.0, 0.1),
        samples=widgets.SelectionSlider(
            value=samples, options=[1, 2, 4, 8, 16, 32, 64], description="tokens per batch", layout=WIDE, style=LABEL
        ),
    )


def kl_curves(log_ratio: float = -1.0) -> None:
    """Walk along the log-ratio of one token: what each estimator says there, and how hard it pulls."""
    controls.interact(
        lambda log_ratio, clamped: figure_kl_curves(log_ratio=log_ratio, clamped=clamped),
        log_ratio=dial("log-ratio d", log_ratio, -4.0, 4.0, 0.1),
        clamped=box("clamp at 10", False),
    )


def kl_follow(samples: int = 0) -> None:
    """Descend on nothing but the KL term, exactly or from a few samples a step."""
    controls.interact(
        lambda samples, seed: figure_kl_follow(samples=samples, seed=seed),
        samples=widgets.SelectionSlider(
            value=samples, options=[("all: exact", 0), ("64", 64), ("16", 16), ("8", 8), ("4", 4)],
            description="tokens per step", layout=WIDE, style=LABEL,
        ),
        seed=controls.slider("seed", 0, 0, 9),
    )  # fmt: skip
