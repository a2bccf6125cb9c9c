"""Widgets of notebook 04."""

import ipywidgets as widgets
from matplotlib.figure import Figure

from reference.teaching import controls
from reference.teaching.controls import LABEL, WIDE, dial

from ..figures import figure_push, figure_quadrants


def quadrants() -> None:
    """Move the bounds, switch dual clip on: where does a token keep its gradient?"""
    dual = widgets.Dropdown(
        options=[("off", 0.0), ("at 2", 2.0), ("at 3", 3.0)], value=0.0, description="dual clip", layout=WIDE,
        style=LABEL,
    )  # fmt: skip

    def draw(clip_low: float, clip_high: float, dual_clip: float) -> Figure:
        return figure_quadrants(clip_low=clip_low, clip_high=clip_high, dual_clip=dual_clip or None)

    controls.interact(
        draw,
        clip_low=dial("clip_low", 0.2, 0.0, 0.9, 0.05),
        clip_high=dial("clip_high", 0.2, 0.0, 0.9, 0.05),
        dual_clip=dual,
    )


def push(ratio: float = 2.0) -> None:
    """One token, five losses: how hard each still pushes it."""
    controls.interact(lambda ratio: figure_push(ratio=ratio), ratio=dial("ratio", ratio, 0.1, 4.0, 0.1))
