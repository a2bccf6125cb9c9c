"""The widgets on DPO and beta."""

import ipywidgets as widgets

from reference.teaching import controls
from reference.teaching.controls import LABEL, WIDE, dial, slider

from .figures import figure_beta, figure_family


def beta(exponent: int = 1, share: float = 1.0) -> None:
    """Train longer, or let the raters disagree: which beta has gone furthest from the reference?"""
    controls.interact(
        lambda exponent, share: figure_beta(4.0**exponent, share=share),
        exponent=slider("time, 4 to the", exponent, -2, 7),
        share=dial("prefer chosen", share, 0.6, 1.0, 0.05, number_format=".0%", live=False),
    )


def family(value: float = 0.1) -> None:
    """Five losses of the same margin: where does each of them stop pulling?"""
    choice = widgets.Dropdown(options=[0.05, 0.1, 0.5, 1.0], value=value, description="beta", layout=WIDE, style=LABEL)
    controls.interact(lambda value: figure_family(beta=value), value=choice)


WIDGETS = {"beta": beta, "family": family}
