"""Widgets of notebook 03."""

import ipywidgets as widgets

from ..figures import figure_lambda, figure_value_clip, figure_values
from . import controls
from .controls import LABEL, WIDE, slider


def real(text: str, start: float, low: float, high: float, step: float) -> widgets.FloatSlider:
    return widgets.FloatSlider(
        value=start, min=low, max=high, step=step, description=text, layout=WIDE, style=LABEL, continuous_update=False
    )


def values(p: float = 0.7) -> None:
    """Move the chance of a good token, and how many bad ones are forgiven, and watch every V follow."""
    controls.interact(
        lambda p, slips: figure_values(p, slips=slips),
        p=real("chance of good", p, 0.05, 0.95, 0.05),
        slips=slider("slips allowed", 1, 0, 2),
    )


def lambda_dial(learned: float = 0.6, batch: int = 64) -> None:
    """How good is the critic, how many texts are in the batch: which lambda gives the best gradient?"""
    controls.interact(
        lambda learned, batch: figure_lambda(learned=learned, batch=2**batch),
        learned=real("critic knows", learned, 0.0, 1.0, 0.1),
        batch=slider("texts, 2 to the", batch.bit_length() - 1, 3, 12),
    )


def value_clip(target: float = 1.0, old: float = 0.0, clip: float = 0.2) -> None:
    """Move the old value, the return and the clip: where does the critic get no gradient?"""
    controls.interact(
        lambda target, old, clip: figure_value_clip(target=target, old=old, clip=clip),
        target=real("return", target, -1.0, 2.0, 0.1),
        old=real("old value", old, -1.0, 2.0, 0.1),
        clip=real("clip", clip, 0.1, 1.0, 0.1),
    )
